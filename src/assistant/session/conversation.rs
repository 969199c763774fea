//! What of a transcript a model is told again.

use std::collections::HashSet;

use crate::assistant::transcript::{Block, Line, Message, Said, Stop};

/// A message that is told again.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    /// As it stands in the entry of this index.
    Whole(usize),
    /// Without calls that have no result: a provider refuses the whole history for one of them.
    Mended(Box<Message>),
}

/// The messages since the last compaction. A turn in which nothing was said in the end is left out with its question,
/// so that asking once more does not ask twice; the turn that was begun at the entry `begun` or later, and is not over,
/// is there.
pub(super) fn kept(entries: &[Line], begun: usize) -> Vec<Kept> {
    let since =
        entries.iter().rposition(|entry| matches!(entry, Line::Compaction { .. })).map_or(0, |at| at + 1);
    let messages: Vec<(usize, &Message)> =
        (since..).zip(entries.iter().skip(since)).filter_map(message).collect();
    let mut kept = Vec::new();
    let mut from = 0;
    while from < messages.len() {
        let next = messages.iter().skip(from + 1).position(|(_, message)| is_question(message));
        let end = next.map_or(messages.len(), |more| from + 1 + more);
        let turn = messages.get(from..end).unwrap_or_default();
        let open = end == messages.len() && is_open(turn, begun);
        if open || turn.iter().any(|(_, message)| says_something(message)) {
            kept.extend(mended(turn));
        }
        from = end;
    }
    kept
}

fn message((at, entry): (usize, &Line)) -> Option<(usize, &Message)> {
    match entry {
        Line::Message { message, .. } => Some((at, message)),
        _ => None,
    }
}

const fn is_question(message: &Message) -> bool {
    matches!(message, Message::User { .. })
}

/// Begun by who holds the session now, and no answer has ended it.
fn is_open(turn: &[(usize, &Message)], begun: usize) -> bool {
    let asked_now = turn.first().is_some_and(|(at, message)| *at >= begun && is_question(message));
    asked_now
        && !turn.iter().any(
            |(_, message)| matches!(message, Message::Assistant(said) if said.stop_reason != Stop::ToolUse),
        )
}

fn says_something(message: &Message) -> bool {
    matches!(message, Message::Assistant(said) if has_text(&said.content))
}

fn has_text(content: &[Block]) -> bool {
    content.iter().any(|block| matches!(block, Block::Text { text } if !text.trim().is_empty()))
}

/// The messages of a turn, with each call that has a result beside it, and each result whose call is there.
fn mended(turn: &[(usize, &Message)]) -> Vec<Kept> {
    let mut kept = Vec::new();
    let mut called: HashSet<&str> = HashSet::new();
    for (place, (at, message)) in turn.iter().enumerate() {
        match message {
            Message::User { .. } => kept.push(Kept::Whole(*at)),
            Message::Assistant(said) => {
                let results = turn.iter().skip(place + 1).map_while(|(_, next)| match next {
                    Message::ToolResult { tool_call_id, .. } => Some(tool_call_id.as_str()),
                    _ => None,
                });
                let results: HashSet<&str> = results.collect();
                called = calls(said).filter(|id| results.contains(id)).collect();
                kept.extend(answer(*at, said, &called));
            }
            // Of two results with one id the first is the call's.
            Message::ToolResult { tool_call_id, .. } => {
                if called.remove(tool_call_id.as_str()) {
                    kept.push(Kept::Whole(*at));
                }
            }
        }
    }
    kept
}

fn calls(said: &Said) -> impl Iterator<Item = &str> {
    said.content.iter().filter_map(|block| match block {
        Block::ToolCall { id, .. } => Some(id.as_str()),
        _ => None,
    })
}

/// An answer without the calls that have no result; nothing where only thinking is left of it.
fn answer(at: usize, said: &Said, with_result: &HashSet<&str>) -> Option<Kept> {
    let stays =
        |block: &&Block| !matches!(block, Block::ToolCall { id, .. } if !with_result.contains(id.as_str()));
    let content: Vec<Block> = said.content.iter().filter(stays).cloned().collect();
    let says = has_text(&content) || content.iter().any(|block| matches!(block, Block::ToolCall { .. }));
    match says {
        false => None,
        true if content.len() == said.content.len() => Some(Kept::Whole(at)),
        true => Some(Kept::Mended(Box::new(Message::Assistant(Box::new(Said { content, ..said.clone() }))))),
    }
}
