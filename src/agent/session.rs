//! Sessions on the disk: one file each, appended to, held by one turn at a time.

use std::path::PathBuf;

use super::transcript::{Line, Message, Spent};
use crate::config::settings::Reference;

/// The sessions of a state directory.
#[derive(Clone, Debug)]
pub struct Sessions {
    directory: PathBuf,
}

/// A session that a turn holds: nobody else writes to it until this is dropped.
#[derive(Debug)]
pub struct Session {
    id: String,
    lines: Vec<Line>,
}

/// Why a session cannot be used. For people, with the fix.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SessionError(pub String);

impl Sessions {
    /// Below a state directory. Opens nothing.
    #[must_use]
    pub fn of(state: &std::path::Path) -> Self {
        Self { directory: state.join("sessions") }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// Holds a session, begun where there is none of that id. Waits for a turn of another process that holds it;
    /// `waiting` is called once where that is so.
    ///
    /// # Errors
    /// An id that is none, a file that is no transcript, a disk that refuses.
    pub async fn hold(&self, id: &str, waiting: impl FnOnce() + Send) -> Result<Session, SessionError> {
        let _ = waiting;
        Err(SessionError(format!("session {id} in {}: not built yet", self.directory.display())))
    }
}

impl Session {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the model is told again: the messages since the last compaction, without turns that nobody answered.
    #[must_use]
    pub fn conversation(&self) -> Vec<&Message> {
        Vec::new()
    }

    /// The summary that stands before the conversation, where it was compacted.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        None
    }

    /// The model that the session has chosen.
    #[must_use]
    pub fn model(&self) -> Option<Reference> {
        None
    }

    /// The level of thinking that it has chosen.
    #[must_use]
    pub fn thinking(&self) -> Option<&str> {
        None
    }

    /// What all of its answers used, and what is known of their cost.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent::default()
    }

    /// Appends a message, on the disk when this returns.
    ///
    /// # Errors
    /// A disk that refuses; nothing of the line is left then.
    pub fn say(&mut self, message: Message) -> Result<(), SessionError> {
        let _ = (message, &self.lines);
        Err(SessionError(String::new()))
    }

    /// Chooses a model from here on.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn choose(&mut self, model: &Reference) -> Result<(), SessionError> {
        let _ = model;
        Err(SessionError(String::new()))
    }

    /// Chooses a level of thinking from here on.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn think(&mut self, level: &str) -> Result<(), SessionError> {
        let _ = level;
        Err(SessionError(String::new()))
    }

    /// Puts a summary in the place of what was said so far; an empty one forgets it.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn compact(&mut self, summary: &str, tokens_before: u64) -> Result<(), SessionError> {
        let _ = (summary, tokens_before);
        Err(SessionError(String::new()))
    }
}
