//! What was said and chosen in a session until now; to be read also while a turn holds it.

use super::conversation::{self, Kept};
use crate::assistant::transcript::reader::Transcript;
use crate::assistant::transcript::{Line, Message};
use crate::config::settings::Reference;

/// See the module.
#[derive(Debug)]
pub struct Past {
    pub(super) transcript: Transcript,
    pub(super) kept: Vec<Kept>,
}

impl Past {
    /// Of what was read. A turn that is under way is not among it.
    pub(super) fn of(transcript: Transcript) -> Self {
        let mut past = Self { transcript, kept: Vec::new() };
        past.settle(past.transcript.entries().len());
        past
    }

    /// After something was read: with the turn that was begun at the entry `begun` or later.
    pub(super) fn settle(&mut self, begun: usize) {
        self.kept = conversation::kept(self.transcript.entries(), begun);
    }

    /// What the model is told again: the messages since the last compaction, without turns that nobody answered.
    #[must_use]
    pub fn conversation(&self) -> Vec<&Message> {
        let entries = self.transcript.entries();
        let message = |kept| match kept {
            &Kept::Whole(at) => match entries.get(at) {
                Some(Line::Message { message, .. }) => Some(message),
                _ => None,
            },
            Kept::Mended(message) => Some(&**message),
        };
        self.kept.iter().filter_map(message).collect()
    }

    /// The summary that stands before the conversation, where it was compacted.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        let summary = self.latest(|entry| match entry {
            Line::Compaction { summary, .. } => Some(summary.as_str()),
            _ => None,
        });
        summary.filter(|summary| !summary.is_empty())
    }

    /// The model that the session has chosen; `None` where it has not, or has taken it back.
    #[must_use]
    pub fn model(&self) -> Option<Reference> {
        let chosen = self.latest(|entry| match entry {
            Line::ModelChange { provider, model_id, .. } => {
                Some(Reference { provider: provider.clone(), model: model_id.clone() })
            }
            _ => None,
        });
        chosen.filter(|chosen| !chosen.provider.is_empty())
    }

    /// The level of thinking that it has chosen.
    #[must_use]
    pub fn thinking(&self) -> Option<&str> {
        self.latest(|entry| match entry {
            Line::ThinkingLevelChange { thinking_level, .. } => Some(thinking_level.as_str()),
            _ => None,
        })
    }

    fn latest<'s, T>(&'s self, of: impl FnMut(&'s Line) -> Option<T>) -> Option<T> {
        self.transcript.entries().iter().rev().find_map(of)
    }
}
