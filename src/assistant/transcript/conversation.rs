//! The state of a session from its entries: the conversation to send again, and the settings that it chose.

use std::collections::HashSet;

use super::line::{AssistantMessage, ContentBlock, StopReason, TranscriptLine, TranscriptMessage};
use super::reader::Transcript;
use crate::config::settings::Reference;

impl Transcript {
    /// The messages since the last compaction. A turn without any text in its answers is left out with its
    /// question, so that asking again does not ask twice. The last turn stays if it is unfinished and began at
    /// the entry with index `own_from` or later.
    #[must_use]
    pub fn conversation(&self, own_from: usize) -> Vec<TranscriptMessage> {
        let entries = self.entries();
        let is_compaction = |entry: &TranscriptLine| matches!(entry, TranscriptLine::Compaction { .. });
        let since = entries.iter().rposition(is_compaction).map_or(0, |at| at + 1);
        let messages = entries.iter().enumerate().skip(since).filter_map(|(at, entry)| match entry {
            TranscriptLine::Message { message, .. } => Some((at, message)),
            _ => None,
        });
        let messages: Vec<(usize, &TranscriptMessage)> = messages.collect();
        let mut turns =
            messages.chunk_by(|_, (_, next)| !matches!(next, TranscriptMessage::User { .. })).peekable();
        let mut kept = Vec::new();
        while let Some(turn) = turns.next() {
            let is_open = turns.peek().is_none() && is_unfinished(turn, own_from);
            if is_open || turn.iter().any(|(_, message)| is_answer_with_text(message)) {
                kept.extend(repair_turn(turn));
            }
        }
        kept
    }

    /// The summary of the compacted turns, if there is one.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        let summary = self.entries().iter().rev().find_map(|entry| match entry {
            TranscriptLine::Compaction { summary, .. } => Some(summary.as_str()),
            _ => None,
        });
        summary.filter(|summary| !summary.is_empty())
    }

    /// The model that the session chose, if any.
    #[must_use]
    pub fn model(&self) -> Option<Reference> {
        let chosen = self.entries().iter().rev().find_map(|entry| match entry {
            TranscriptLine::ModelChange { provider, model_id, .. } => {
                Some(Reference { provider: provider.clone(), model: model_id.clone() })
            }
            _ => None,
        });
        chosen.filter(|chosen| !chosen.provider.is_empty())
    }

    /// The thinking level that the session chose, if any.
    #[must_use]
    pub fn thinking(&self) -> Option<&str> {
        self.entries().iter().rev().find_map(|entry| match entry {
            TranscriptLine::ThinkingLevelChange { thinking_level, .. } => Some(thinking_level.as_str()),
            _ => None,
        })
    }
}

/// Whether the turn began at the entry `own_from` or later, and no answer has ended it.
fn is_unfinished(turn: &[(usize, &TranscriptMessage)], own_from: usize) -> bool {
    let ends_turn = |message: &TranscriptMessage| matches!(message, TranscriptMessage::Assistant(answer) if answer.stop_reason != StopReason::ToolUse);
    let is_own = matches!(turn.first(), Some((at, TranscriptMessage::User { .. })) if *at >= own_from);
    is_own && !turn.iter().any(|(_, message)| ends_turn(message))
}

fn is_answer_with_text(message: &TranscriptMessage) -> bool {
    matches!(message, TranscriptMessage::Assistant(answer) if has_text(&answer.content))
}

fn has_text(content: &[ContentBlock]) -> bool {
    content.iter().filter_map(ContentBlock::text).any(|text| !text.trim().is_empty())
}

/// The messages of a turn, without calls that have no result and results that have no call: a provider rejects the
/// whole conversation for one of them.
fn repair_turn(turn: &[(usize, &TranscriptMessage)]) -> Vec<TranscriptMessage> {
    let mut kept = Vec::new();
    let mut called: HashSet<&str> = HashSet::new();
    for (place, (_, message)) in turn.iter().enumerate() {
        match message {
            TranscriptMessage::User { .. } => kept.push((*message).clone()),
            TranscriptMessage::Assistant(answer) => {
                let results = turn.iter().skip(place + 1).map_while(|(_, next)| match next {
                    TranscriptMessage::ToolResult { tool_call_id, .. } => Some(tool_call_id.as_str()),
                    _ => None,
                });
                let results: HashSet<&str> = results.collect();
                called = call_ids(answer).filter(|id| results.contains(id)).collect();
                kept.extend(repair_answer(answer, &called));
            }
            // Of two results with one id the first is the call's.
            TranscriptMessage::ToolResult { tool_call_id, .. } => {
                if called.remove(tool_call_id.as_str()) {
                    kept.push((*message).clone());
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

/// An answer with only these calls; `None` if only thinking is left of it.
fn repair_answer(answer: &AssistantMessage, called: &HashSet<&str>) -> Option<TranscriptMessage> {
    let mut answer = answer.clone();
    answer.content.retain(|block| match block {
        ContentBlock::ToolCall { id, .. } => called.contains(id.as_str()),
        _ => true,
    });
    let is_kept = !called.is_empty() || has_text(&answer.content);
    is_kept.then(|| TranscriptMessage::Assistant(Box::new(answer)))
}
