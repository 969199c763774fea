//! The folder of sessions, and their ids.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use jiff::Timestamp;

use crate::assistant::session::locked_file::{LockError, LockedFile};
use crate::assistant::session::summary::SessionSummary;
use crate::assistant::session::{History, SessionError, SessionStore};
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
        check_id(id)?;
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

    /// The history of a session, like [`Self::read`], also while a turn has locked it.
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
        SessionError(format!("{} is not a transcript of a session", self.path(id).display()))
    }

    /// Deletes a session that no turn holds. A process that waits for it starts a new one.
    ///
    /// # Errors
    /// An invalid id, or a disk error.
    pub fn delete(&self, id: &str) -> Result<DeleteOutcome, SessionError> {
        check_id(id)?;
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

/// With `.jsonl` behind it, a name of a file is half as long as it may be.
const MAX_ID_BYTES: usize = 128;
/// What cannot collide within a millisecond, as far as one person can begin sessions.
const RANDOM_DIGITS: usize = 4;

/// An id that no session has: its moment, to be sorted by, and something random (`20261122-002151-482-k3x9`).
#[must_use]
pub fn new_id() -> String {
    let random: String =
        std::iter::repeat_with(|| fastrand::digit(36).to_string()).take(RANDOM_DIGITS).collect();
    format!("{}-{random}", Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f"))
}

/// Whether a text may be an id: then it names a file in the folder and nothing else.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let fits = (1..=MAX_ID_BYTES).contains(&text.len()) && !text.starts_with('.');
    fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// # Errors
/// The text is not an id; the error describes a valid one.
pub(super) fn check_id(text: &str) -> Result<(), SessionError> {
    if is_id(text) {
        return Ok(());
    }
    let shown: String = text.chars().take(MAX_ID_BYTES).collect();
    Err(SessionError(format!(
        "{shown:?} is not a session id: 1 to {MAX_ID_BYTES} letters, digits, dots, dashes and underscores, and no dot first"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_names_a_file_in_the_folder_only() {
        let long = "x".repeat(MAX_ID_BYTES + 1);
        for no in ["", ".", "..", ".x", "../x", "a/b", "a\\b", "a b", "ä", "a\0", "a\n", "~", &long] {
            assert!(!is_id(no), "{no:?}");
        }
        for yes in ["x", "t1", "kimi-live.2_b", "-", "A..B", &long[1..]] {
            assert!(is_id(yes), "{yes:?}");
        }
        let message = check_id("../\u{1b}[31mx").unwrap_err().to_string();
        assert!(message.starts_with(r#""../\u{1b}[31mx" is not a session id: 1 to 128"#), "{message}");
    }

    #[test]
    fn new_ids_differ_and_sort_by_time() {
        let ids: Vec<String> = std::iter::repeat_with(new_id).take(200).collect();
        let moments: Vec<&str> = ids.iter().map(|id| id.rsplit_once('-').unwrap().0).collect();
        assert!(moments.is_sorted() && ids.iter().all(|id| is_id(id) && id.len() == 24), "{ids:?}");
        let different: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert!(different.len() > 190, "{}", different.len());
    }
}
