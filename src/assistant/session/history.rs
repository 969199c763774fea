//! What was said and chosen in a session until now; to be read also while a turn holds it.

use super::conversation::{self, ReplayMessage};
use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{TranscriptLine, TranscriptMessage};
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
        self.messages = conversation::replay_messages(self.transcript.entries(), begun);
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
