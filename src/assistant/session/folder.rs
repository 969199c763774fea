//! The folder of the sessions: which there are, and how one is read or deleted without a turn.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::digest::Digest;
use super::held::{Held, Refused};
use super::{Past, SessionError, Sessions, id, is_id};
use crate::assistant::transcript::reader::Transcript;

/// What became of a session that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// There was none.
    Absent,
    /// A turn holds it, so it stays.
    Held,
}

impl Sessions {
    /// Where one is, or would be.
    #[must_use]
    pub fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jsonl"))
    }

    /// The ids that there are, in no order. None where there is no folder.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, SessionError> {
        let unreadable = |error: io::Error| SessionError::file(&self.directory, "read", &error);
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
        id::check(id)?;
        let path = self.path(id);
        // To open a pipe would wait for who writes into it.
        let read = match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is no file")),
            Ok(_) => std::fs::read(&path),
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SessionError::file(&path, "read", &error)),
        }
    }

    /// What stands in a session, as [`Self::bytes`].
    ///
    /// # Errors
    /// As there, and a file that is no transcript.
    pub fn read(&self, id: &str) -> Result<Option<Transcript>, SessionError> {
        let Some(bytes) = self.bytes(id)? else { return Ok(None) };
        let transcript = Transcript::read(&bytes);
        if transcript.is_stranger() { Err(self.stranger(id)) } else { Ok(Some(transcript)) }
    }

    /// What was said and chosen in a session, as [`Self::read`]; a turn that holds it goes on.
    ///
    /// # Errors
    /// As there.
    pub fn past(&self, id: &str) -> Result<Option<Past>, SessionError> {
        Ok(self.read(id)?.map(Past::of))
    }

    /// A session in short, as [`Self::bytes`]. `None` also where nothing was said yet.
    ///
    /// # Errors
    /// As there, and a file that is no transcript.
    pub fn digest(&self, id: &str) -> Result<Option<Digest>, SessionError> {
        match self.bytes(id)? {
            Some(bytes) if !bytes.is_empty() => Digest::of(&bytes).map(Some).ok_or_else(|| self.stranger(id)),
            _ => Ok(None),
        }
    }

    fn stranger(&self, id: &str) -> SessionError {
        SessionError(format!("{} is no transcript of a session", self.path(id).display()))
    }

    /// Deletes a session that no turn holds. Who waits for it begins a new one.
    ///
    /// # Errors
    /// An id that is none, a disk that refuses.
    pub fn delete(&self, id: &str) -> Result<Deleted, SessionError> {
        id::check(id)?;
        let path = self.path(id);
        let deleted = match Held::try_lock(&path) {
            Ok(Ok(held)) => held.delete().map(|()| Deleted::Gone),
            Ok(Err(Refused::Absent)) => Ok(Deleted::Absent),
            Ok(Err(Refused::Held)) => Ok(Deleted::Held),
            Err(error) => Err(error),
        };
        deleted.map_err(|error| SessionError::file(&path, "delete", &error))
    }
}
