//! Selects the parts of a transcript that are sent to a model again.

use std::collections::HashSet;

use crate::assistant::transcript::{
    AssistantMessage, ContentBlock, StopReason, TranscriptLine, TranscriptMessage,
};

/// A message that is sent again.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ReplayMessage {
    /// As stored in the entry with this index.
    Unchanged(usize),
    /// Without calls that have no result: a provider refuses the whole history for one of them.
    Repaired(Box<TranscriptMessage>),
}

/// The messages since the last compaction. A turn in which nothing was said in the end is left out with its question,
/// so that asking once more does not ask twice; the turn that was begun at the entry `begun` or later, and is not over,
/// is there.
pub(super) fn replay_messages(entries: &[TranscriptLine], begun: usize) -> Vec<ReplayMessage> {
    let since = entries
        .iter()
        .rposition(|entry| matches!(entry, TranscriptLine::Compaction { .. }))
        .map_or(0, |at| at + 1);
    let messages: Vec<(usize, &TranscriptMessage)> =
        (since..).zip(entries.iter().skip(since)).filter_map(entry_message).collect();
    let mut kept = Vec::new();
    let mut from = 0;
    while from < messages.len() {
        let next = messages.iter().skip(from + 1).position(|(_, message)| is_question(message));
        let end = next.map_or(messages.len(), |more| from + 1 + more);
        let turn = messages.get(from..end).unwrap_or_default();
        let open = end == messages.len() && is_open(turn, begun);
        if open || turn.iter().any(|(_, message)| is_answer_with_text(message)) {
            kept.extend(repair_turn(turn));
        }
        from = end;
    }
    kept
}

fn entry_message((at, entry): (usize, &TranscriptLine)) -> Option<(usize, &TranscriptMessage)> {
    match entry {
        TranscriptLine::Message { message, .. } => Some((at, message)),
        _ => None,
    }
}

const fn is_question(message: &TranscriptMessage) -> bool {
    matches!(message, TranscriptMessage::User { .. })
}

/// Started by the current holder of the session, and not yet ended by an answer.
fn is_open(turn: &[(usize, &TranscriptMessage)], begun: usize) -> bool {
    let asked_now = turn.first().is_some_and(|(at, message)| *at >= begun && is_question(message));
    asked_now
        && !turn.iter().any(
            |(_, message)| matches!(message, TranscriptMessage::Assistant(said) if said.stop_reason != StopReason::ToolUse),
        )
}

fn is_answer_with_text(message: &TranscriptMessage) -> bool {
    matches!(message, TranscriptMessage::Assistant(said) if has_text(&said.content))
}

fn has_text(content: &[ContentBlock]) -> bool {
    content.iter().any(|block| matches!(block, ContentBlock::Text { text } if !text.trim().is_empty()))
}

/// The messages of a turn, with each call that has a result beside it, and each result whose call is there.
fn repair_turn(turn: &[(usize, &TranscriptMessage)]) -> Vec<ReplayMessage> {
    let mut kept = Vec::new();
    let mut called: HashSet<&str> = HashSet::new();
    for (place, (at, message)) in turn.iter().enumerate() {
        match message {
            TranscriptMessage::User { .. } => kept.push(ReplayMessage::Unchanged(*at)),
            TranscriptMessage::Assistant(said) => {
                let results = turn.iter().skip(place + 1).map_while(|(_, next)| match next {
                    TranscriptMessage::ToolResult { tool_call_id, .. } => Some(tool_call_id.as_str()),
                    _ => None,
                });
                let results: HashSet<&str> = results.collect();
                called = call_ids(said).filter(|id| results.contains(id)).collect();
                kept.extend(repair_answer(*at, said, &called));
            }
            // Of two results with one id the first is the call's.
            TranscriptMessage::ToolResult { tool_call_id, .. } => {
                if called.remove(tool_call_id.as_str()) {
                    kept.push(ReplayMessage::Unchanged(*at));
                }
            }
        }
    }
    kept
}

fn call_ids(said: &AssistantMessage) -> impl Iterator<Item = &str> {
    said.content.iter().filter_map(|block| match block {
        ContentBlock::ToolCall { id, .. } => Some(id.as_str()),
        _ => None,
    })
}

/// An answer without the calls that have no result; nothing where only thinking is left of it.
fn repair_answer(at: usize, said: &AssistantMessage, with_result: &HashSet<&str>) -> Option<ReplayMessage> {
    let stays = |block: &&ContentBlock| !matches!(block, ContentBlock::ToolCall { id, .. } if !with_result.contains(id.as_str()));
    let content: Vec<ContentBlock> = said.content.iter().filter(stays).cloned().collect();
    let says =
        has_text(&content) || content.iter().any(|block| matches!(block, ContentBlock::ToolCall { .. }));
    match says {
        false => None,
        true if content.len() == said.content.len() => Some(ReplayMessage::Unchanged(at)),
        true => Some(ReplayMessage::Repaired(Box::new(TranscriptMessage::Assistant(Box::new(
            AssistantMessage { content, ..said.clone() },
        ))))),
    }
}
