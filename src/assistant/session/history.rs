//! The history of a session: the entries of its transcript, and the messages that are sent again.

use std::collections::HashSet;

use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{
    AssistantMessage, ContentBlock, StopReason, TranscriptLine, TranscriptMessage,
};
use crate::config::settings::Reference;

/// See the module.
#[derive(Debug)]
pub struct History {
    pub(super) transcript: Transcript,
    pub(super) messages: Vec<ReplayMessage>,
}

impl History {
    /// From the entries read. Excludes a turn in progress.
    pub(super) fn from_transcript(transcript: Transcript) -> Self {
        let mut past = Self { transcript, messages: Vec::new() };
        past.rebuild_conversation(past.transcript.entries().len());
        past
    }

    /// After something was read: with the turn that was begun at the entry `begun` or later.
    pub(super) fn rebuild_conversation(&mut self, begun: usize) {
        self.messages = replay_messages(self.transcript.entries(), begun);
    }

    /// What is sent to the model again: the messages since the last compaction, without unanswered turns.
    #[must_use]
    pub fn conversation(&self) -> Vec<&TranscriptMessage> {
        let entries = self.transcript.entries();
        let message = |kept| match kept {
            &ReplayMessage::Unchanged(at) => match entries.get(at) {
                Some(TranscriptLine::Message { message, .. }) => Some(message),
                _ => None,
            },
            ReplayMessage::Repaired(message) => Some(&**message),
        };
        self.messages.iter().filter_map(message).collect()
    }

    /// The summary placed before the conversation, if it was compacted.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        let summary = self.find_latest(|entry| match entry {
            TranscriptLine::Compaction { summary, .. } => Some(summary.as_str()),
            _ => None,
        });
        summary.filter(|summary| !summary.is_empty())
    }

    /// The model that the session has chosen; `None` where it has not, or has taken it back.
    #[must_use]
    pub fn model(&self) -> Option<Reference> {
        let chosen = self.find_latest(|entry| match entry {
            TranscriptLine::ModelChange { provider, model_id, .. } => {
                Some(Reference { provider: provider.clone(), model: model_id.clone() })
            }
            _ => None,
        });
        chosen.filter(|chosen| !chosen.provider.is_empty())
    }

    /// The level of thinking that it has chosen.
    #[must_use]
    pub fn thinking(&self) -> Option<&str> {
        self.find_latest(|entry| match entry {
            TranscriptLine::ThinkingLevelChange { thinking_level, .. } => Some(thinking_level.as_str()),
            _ => None,
        })
    }

    fn find_latest<'s, T>(&'s self, of: impl FnMut(&'s TranscriptLine) -> Option<T>) -> Option<T> {
        self.transcript.entries().iter().rev().find_map(of)
    }
}

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
            |(_, message)| matches!(message, TranscriptMessage::Assistant(answer) if answer.stop_reason != StopReason::ToolUse),
        )
}

fn is_answer_with_text(message: &TranscriptMessage) -> bool {
    matches!(message, TranscriptMessage::Assistant(answer) if has_text(&answer.content))
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
            TranscriptMessage::Assistant(answer) => {
                let results = turn.iter().skip(place + 1).map_while(|(_, next)| match next {
                    TranscriptMessage::ToolResult { tool_call_id, .. } => Some(tool_call_id.as_str()),
                    _ => None,
                });
                let results: HashSet<&str> = results.collect();
                called = call_ids(answer).filter(|id| results.contains(id)).collect();
                kept.extend(repair_answer(*at, answer, &called));
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

fn call_ids(answer: &AssistantMessage) -> impl Iterator<Item = &str> {
    answer.content.iter().filter_map(|block| match block {
        ContentBlock::ToolCall { id, .. } => Some(id.as_str()),
        _ => None,
    })
}

/// An answer without the calls that have no result; nothing where only thinking is left of it.
fn repair_answer(at: usize, answer: &AssistantMessage, with_result: &HashSet<&str>) -> Option<ReplayMessage> {
    let stays = |block: &&ContentBlock| !matches!(block, ContentBlock::ToolCall { id, .. } if !with_result.contains(id.as_str()));
    let content: Vec<ContentBlock> = answer.content.iter().filter(stays).cloned().collect();
    let says =
        has_text(&content) || content.iter().any(|block| matches!(block, ContentBlock::ToolCall { .. }));
    match says {
        false => None,
        true if content.len() == answer.content.len() => Some(ReplayMessage::Unchanged(at)),
        true => Some(ReplayMessage::Repaired(Box::new(TranscriptMessage::Assistant(Box::new(
            AssistantMessage { content, ..answer.clone() },
        ))))),
    }
}
