//! The folder of the sessions: which there are, and how one is read or deleted without a turn.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::locked_file::{LockError, LockedFile};
use super::summary::SessionSummary;
use super::{History, SessionError, SessionStore, id, is_id};
use crate::assistant::transcript::reader::Transcript;

/// What became of a session that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// It is gone.
    Deleted,
    /// There was none.
    NotFound,
    /// A turn holds it, so it stays.
    Locked,
}

impl SessionStore {
    /// Where one is, or would be.
    #[must_use]
    pub fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jsonl"))
    }

    /// The existing ids, in no order. Empty if the folder does not exist.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, SessionError> {
        let unreadable = |error: io::Error| SessionError::from_io(&self.directory, "read", &error);
        let folder = match std::fs::read_dir(&self.directory) {
            Ok(folder) => folder,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut ids = Vec::new();
        for entry in folder {
            let name = entry.map_err(unreadable)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
            ids.extend(id.filter(|id| is_id(id)).map(str::to_owned));
        }
        Ok(ids)
    }

    /// A session's file, also of a later version, and also while a turn holds it. `None`: there is none.
    ///
    /// # Errors
    /// An id that is none, a file that cannot be read.
    pub fn bytes(&self, id: &str) -> Result<Option<Vec<u8>>, SessionError> {
        id::check_id(id)?;
        let path = self.path(id);
        // Opening a pipe would block until a writer opens it.
        let read = match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is no file")),
            Ok(_) => std::fs::read(&path),
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SessionError::from_io(&path, "read", &error)),
        }
    }

    /// The content of a session, as [`Self::bytes`].
    ///
    /// # Errors
    /// As [`Self::bytes`], and if the file is not a transcript.
    pub fn read(&self, id: &str) -> Result<Option<Transcript>, SessionError> {
        let Some(bytes) = self.bytes(id)? else { return Ok(None) };
        let transcript = Transcript::from_bytes(&bytes);
        if transcript.is_foreign_file() { Err(self.foreign_file_error(id)) } else { Ok(Some(transcript)) }
    }

    /// What was said and chosen in a session, as [`Self::read`]; a turn that holds it goes on.
    ///
    /// # Errors
    /// As there.
    pub fn history(&self, id: &str) -> Result<Option<History>, SessionError> {
        Ok(self.read(id)?.map(History::from_transcript))
    }

    /// A summary of a session, as [`Self::bytes`]. `None` also if it has no messages yet.
    ///
    /// # Errors
    /// As [`Self::bytes`], and if the file is not a transcript.
    pub fn summary(&self, id: &str) -> Result<Option<SessionSummary>, SessionError> {
        match self.bytes(id)? {
            Some(bytes) if !bytes.is_empty() => {
                SessionSummary::from_bytes(&bytes).map(Some).ok_or_else(|| self.foreign_file_error(id))
            }
            _ => Ok(None),
        }
    }

    fn foreign_file_error(&self, id: &str) -> SessionError {
        SessionError(format!("{} is no transcript of a session", self.path(id).display()))
    }

    /// Deletes a session that no turn holds. A process that waits for it starts a new one.
    ///
    /// # Errors
    /// An invalid id, or a disk error.
    pub fn delete(&self, id: &str) -> Result<DeleteOutcome, SessionError> {
        id::check_id(id)?;
        let path = self.path(id);
        let deleted = match LockedFile::try_lock(&path) {
            Ok(Ok(held)) => held.delete().map(|()| DeleteOutcome::Deleted),
            Ok(Err(LockError::NotFound)) => Ok(DeleteOutcome::NotFound),
            Ok(Err(LockError::Locked)) => Ok(DeleteOutcome::Locked),
            Err(error) => Err(error),
        };
        deleted.map_err(|error| SessionError::from_io(&path, "delete", &error))
    }
}
