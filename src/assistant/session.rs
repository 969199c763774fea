//! Sessions on disk: one append-only file each, locked by one turn at a time.

mod folder;
mod history;
mod locked_file;
mod summary;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use self::locked_file::{Inode, LockedFile};
use super::transcript::reader::Transcript;
use super::transcript::{EntryMeta, StopReason, TranscriptLine, TranscriptMessage, VERSION};
use crate::config::settings::Reference;

pub use self::folder::{DeleteOutcome, is_id, new_id};
pub use self::history::History;
pub use self::summary::{SessionSummary, SessionUsage};

/// File mode: readable and writable by the owner only.
const DIRECTORY_MODE: u32 = 0o700;
/// Bytes at the end of the known content that are compared before appended lines are read.
const COMPARED_BYTES: usize = 256;

/// The sessions of a state directory. Clones share the state of the session read last.
#[derive(Clone, Debug)]
pub struct SessionStore {
    directory: PathBuf,
    last_read: Arc<Mutex<Option<CachedSession>>>,
}

/// A session's state when its lock was released.
#[derive(Debug)]
struct CachedSession {
    id: String,
    inode: Inode,
    transcript: Transcript,
    /// Length in bytes of the complete lines read.
    read_bytes: u64,
    /// The last bytes of these lines.
    tail: Vec<u8>,
}

/// A session locked by a turn. No other turn writes to it until this is dropped.
#[derive(Debug)]
pub struct Session {
    id: String,
    sessions: SessionStore,
    file: LockedFile,
    history: History,
    read_bytes: u64,
    /// An incomplete line follows the complete ones.
    has_partial_line: bool,
    /// The file is not a transcript.
    is_foreign_file: bool,
    /// Number of entries when the lock was taken.
    first_own_entry: usize,
}

/// Why a session cannot be used, and the fix, for the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SessionError(pub String);

impl SessionError {
    fn from_io(path: &Path, what: &str, error: &io::Error) -> Self {
        Self(format!("cannot {what} {}: {error}", path.display()))
    }
}

impl SessionStore {
    /// Sessions below a state directory. Opens no file.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self { directory: state.join("sessions"), last_read: Arc::default() }
    }

    /// The folder of the session files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Locks a session, and creates it if the id is new. Waits while a turn of another process holds the lock;
    /// `waiting` is then called once.
    ///
    /// # Errors
    /// An invalid id, a file that is not a transcript, or an I/O error.
    pub async fn lock(&self, id: &str, waiting: impl FnOnce() + Send) -> Result<Session, SessionError> {
        folder::check_id(id)?;
        self.create_directory().map_err(|error| SessionError::from_io(&self.directory, "make", &error))?;
        let path = self.path(id);
        let held = LockedFile::lock(&path, waiting).await;
        let held = held.map_err(|error| SessionError::from_io(&path, "hold", &error))?;
        let (transcript, read) = match self.take_cached(id, &held) {
            Some(known) => (known.transcript, known.read_bytes),
            None => (Transcript::default(), 0),
        };
        let (id, sessions) = (id.to_owned(), self.clone());
        let mut session = Session {
            id,
            sessions,
            file: held,
            history: History { transcript, messages: Vec::new() },
            read_bytes: read,
            has_partial_line: false,
            is_foreign_file: false,
            first_own_entry: 0,
        };
        session.open().map_err(|error| SessionError::from_io(&path, "continue", &error))?;
        Ok(session)
    }

    fn create_directory(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&self.directory)?;
        if std::fs::metadata(&self.directory)?.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(&self.directory, Permissions::from_mode(DIRECTORY_MODE))?;
        }
        Ok(())
    }

    /// The state read earlier, if the file still begins with it.
    fn take_cached(&self, id: &str, held: &LockedFile) -> Option<CachedSession> {
        let known =
            self.last_read.lock().unwrap_or_else(PoisonError::into_inner).take_if(|known| known.id == id)?;
        let from = known.read_bytes.checked_sub(known.tail.len() as u64)?;
        let same =
            known.inode == held.inode().ok()? && held.read_range(from, known.tail.len()).ok()? == known.tail;
        same.then_some(known)
    }
}

impl Session {
    /// Reads the file, terminates an incomplete line and checks that the file is writable.
    fn open(&mut self) -> io::Result<()> {
        self.catch_up()?;
        if self.is_foreign_file {
            return Err(io::Error::other(
                "it is not a transcript of a session; move it away, or take another id",
            ));
        }
        let version = self.history.transcript.header().map_or(VERSION, |header| header.version);
        if version != VERSION {
            let later = if version > VERSION { " (a later Moonrelay or OpenClaw wrote it)" } else { "" };
            return Err(io::Error::other(format!(
                "it is of version {version}{later}, and version {VERSION} is written here; it can be shown and \
                 exported, but for new turns take another id"
            )));
        }
        if self.has_partial_line {
            self.write(Vec::new())?;
        }
        self.first_own_entry = self.history.transcript.entries().len();
        self.rebuild_conversation();
        Ok(())
    }

    /// Reads the lines appended since the last read.
    fn catch_up(&mut self) -> io::Result<()> {
        if self.file.length()? < self.read_bytes {
            // The file was truncated; read it from the beginning.
            (self.history.transcript, self.read_bytes) = (Transcript::default(), 0);
        }
        let new = self.file.read_from(self.read_bytes)?;
        let whole = self.history.transcript.feed(&new);
        self.read_bytes += whole as u64;
        self.has_partial_line = whole < new.len();
        self.is_foreign_file = !self.history.transcript.may_continue(new.get(whole..).unwrap_or_default());
        Ok(())
    }

    /// Appends complete lines and updates the state in memory.
    fn write(&mut self, mut lines: Vec<u8>) -> io::Result<()> {
        if self.has_partial_line {
            lines.insert(0, b'\n');
        }
        self.file.append(&lines)?;
        self.catch_up()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The entries of its file that could be parsed.
    #[must_use]
    pub const fn transcript(&self) -> &Transcript {
        &self.history.transcript
    }

    /// The messages sent to the model again. They include the user message of a turn that has begun, so a
    /// caller must not add that message a second time.
    #[must_use]
    pub fn conversation(&self) -> Vec<&TranscriptMessage> {
        self.history.conversation()
    }

    /// The summary of the compacted turns, if there is one.
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        self.history.summary()
    }

    /// The model that the session chose, if any.
    #[must_use]
    pub fn model(&self) -> Option<Reference> {
        self.history.model()
    }

    /// The thinking level that the session chose, if any.
    #[must_use]
    pub fn thinking(&self) -> Option<&str> {
        self.history.thinking()
    }

    /// Usage of all answers and their known cost.
    #[must_use]
    pub fn usage(&self) -> SessionUsage {
        SessionUsage::from_entries(self.history.transcript.entries())
    }

    /// Appends a message. When this returns, the message is in the file and survives SIGKILL. An answer that
    /// ends a turn is then synced to disk with all entries before it.
    ///
    /// # Errors
    /// An I/O error. If the write fails, nothing of the line remains; if the sync fails, the line stays.
    pub fn append_message(&mut self, message: TranscriptMessage) -> Result<(), SessionError> {
        let ends = matches!(&message, TranscriptMessage::Assistant(answer) if answer.stop_reason != StopReason::ToolUse);
        self.append(ends, |at| TranscriptLine::Message { meta: at, message })
    }

    /// Sets the model for the following turns.
    ///
    /// # Errors
    /// When the entry cannot be written.
    pub fn set_model(&mut self, model: &Reference) -> Result<(), SessionError> {
        let (provider, model_id) = (model.provider.clone(), model.model.clone());
        self.append(false, |at| TranscriptLine::ModelChange { meta: at, provider, model_id })
    }

    /// Resets the model to the configuration's default.
    ///
    /// # Errors
    /// When the entry cannot be written.
    pub fn reset_model(&mut self) -> Result<(), SessionError> {
        self.set_model(&Reference { provider: String::new(), model: "default".to_owned() })
    }

    /// Sets the thinking level; an unknown word resets it to the configuration's.
    ///
    /// # Errors
    /// When the entry cannot be written.
    pub fn set_thinking(&mut self, level: &str) -> Result<(), SessionError> {
        let thinking_level = level.to_owned();
        self.append(false, |at| TranscriptLine::ThinkingLevelChange { meta: at, thinking_level })
    }

    /// Replaces the conversation so far by a summary; an empty summary resets the context.
    ///
    /// # Errors
    /// When the entry cannot be written.
    pub fn compact(&mut self, summary: &str, tokens_before: u64) -> Result<(), SessionError> {
        let summary = summary.to_owned();
        self.append(true, |at| TranscriptLine::Compaction { meta: at, summary, tokens_before })
    }

    fn append(
        &mut self,
        sync: bool,
        entry: impl FnOnce(EntryMeta) -> TranscriptLine,
    ) -> Result<(), SessionError> {
        let written = self.append_entry(sync, entry);
        written.map_err(|error| SessionError::from_io(&self.sessions.path(&self.id), "append to", &error))
    }

    fn append_entry(
        &mut self,
        sync: bool,
        entry: impl FnOnce(EntryMeta) -> TranscriptLine,
    ) -> io::Result<()> {
        // Programs that ignore the lock may have written (an editor, `cat >>`).
        self.catch_up()?;
        let mut lines = Vec::new();
        if self.history.transcript.header().is_none() {
            write_line(&self.header(), &mut lines)?;
        }
        write_line(&entry(self.next_entry_meta()), &mut lines)?;
        self.write(lines)?;
        self.rebuild_conversation();
        if sync { self.file.sync() } else { Ok(()) }
    }

    fn header(&self) -> TranscriptLine {
        let cwd = std::env::current_dir().unwrap_or_default();
        TranscriptLine::Session {
            version: VERSION,
            id: self.id.clone(),
            timestamp: timestamp_now(),
            cwd: cwd.to_string_lossy().into_owned(),
        }
    }

    /// Position of the next entry.
    fn next_entry_meta(&self) -> EntryMeta {
        let mut ids = std::iter::repeat_with(|| format!("{:08x}", fastrand::u32(..)));
        let id = ids.find(|id| !self.history.transcript.contains(id)).unwrap_or_default();
        EntryMeta {
            id,
            parent_id: self.history.transcript.last_id().map(str::to_owned),
            timestamp: timestamp_now(),
        }
    }

    fn rebuild_conversation(&mut self) {
        self.history.rebuild_conversation(self.first_own_entry);
    }

    /// Keeps the state for the next lock in this process.
    fn build_cached(&mut self) -> io::Result<CachedSession> {
        let length = usize::try_from(self.read_bytes).unwrap_or(COMPARED_BYTES).min(COMPARED_BYTES);
        Ok(CachedSession {
            id: std::mem::take(&mut self.id),
            inode: self.file.inode()?,
            tail: self.file.read_range(self.read_bytes - length as u64, length)?,
            transcript: std::mem::take(&mut self.history.transcript),
            read_bytes: self.read_bytes,
        })
    }
}

impl Drop for Session {
    /// Removes the file of a session without entries.
    fn drop(&mut self) {
        if self.file.length().is_ok_and(|length| length == 0) {
            // A remaining empty file is harmless.
            let _ = self.file.delete();
        } else if let Ok(known) = self.build_cached() {
            *self.sessions.last_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        }
    }
}

fn write_line(line: &TranscriptLine, into: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *into, line)?;
    into.push(b'\n');
    Ok(())
}

/// RFC 3339, UTC, milliseconds.
fn timestamp_now() -> String {
    format!("{:.3}", Timestamp::now())
}
