//! Sessions on disk: one append-only file each, locked by one turn at a time.

mod locked_file;
mod summary;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use self::locked_file::LockedFile;
use super::transcript::reader::Transcript;
use super::transcript::{EntryMeta, StopReason, TranscriptLine, TranscriptMessage, VERSION};
use crate::config::settings::Reference;
use crate::credentials::create_private_directory;

pub use self::summary::{SessionSummary, SessionUsage};

/// With `.jsonl`, about half of the longest file name.
const MAX_ID_BYTES: usize = 128;

/// Why a session cannot be used, and the fix, for the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SessionError(pub String);

impl SessionError {
    fn from_io(path: &Path, what: &str, error: &io::Error) -> Self {
        Self(format!("cannot {what} {}: {error}", path.display()))
    }
}

/// The outcome of deleting a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The session was deleted.
    Deleted,
    /// There was no such session.
    NotFound,
    /// A turn has locked it, so it stays.
    Locked,
}

/// The sessions of a state directory.
#[derive(Clone, Debug)]
pub struct SessionStore {
    directory: PathBuf,
}

impl SessionStore {
    /// Sessions below a state directory. Opens no file.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self { directory: state.join("sessions") }
    }

    /// The folder of the session files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a session's file, which may not exist.
    #[must_use]
    pub fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jsonl"))
    }

    /// The existing ids, in no order. Empty if the folder does not exist.
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

    /// A session's file, also of a later version, and also while a turn has locked it. `None` if there is none.
    ///
    /// # Errors
    /// An invalid id, or a file that cannot be read.
    pub fn bytes(&self, id: &str) -> Result<Option<Vec<u8>>, SessionError> {
        check_id(id)?;
        let path = self.path(id);
        // Opening a pipe would block until a writer opens it.
        let read = match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => Err(io::Error::other("it is not a file")),
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
        if transcript.is_foreign_file() {
            let path = self.path(id);
            return Err(SessionError(format!("{} is not a transcript of a session", path.display())));
        }
        Ok(Some(transcript))
    }

    /// A summary of a session, as [`Self::read`]. `None` also if it has no header yet.
    pub fn summary(&self, id: &str) -> Result<Option<SessionSummary>, SessionError> {
        Ok(self.read(id)?.as_ref().and_then(SessionSummary::from_transcript))
    }

    /// Deletes a session that no turn has locked. A process that waits for it starts a new one.
    pub fn delete(&self, id: &str) -> Result<DeleteOutcome, SessionError> {
        check_id(id)?;
        let path = self.path(id);
        let deleted = LockedFile::try_lock(&path).and_then(|file| match file {
            Some(file) => file.delete().map(|()| DeleteOutcome::Deleted),
            None => Ok(DeleteOutcome::Locked),
        });
        match deleted {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(DeleteOutcome::NotFound),
            deleted => deleted.map_err(|error| SessionError::from_io(&path, "delete", &error)),
        }
    }

    /// Locks a session, and creates it if the id is new. Waits while a turn of another process holds the lock;
    /// `waiting` is then called once.
    ///
    /// # Errors
    /// An invalid id, a file that is not a transcript, or an I/O error.
    pub async fn lock(&self, id: &str, waiting: impl FnOnce() + Send) -> Result<Session, SessionError> {
        check_id(id)?;
        create_private_directory(&self.directory)
            .map_err(|error| SessionError::from_io(&self.directory, "make", &error))?;
        let path = self.path(id);
        let file = LockedFile::lock(&path, waiting).await;
        let file = file.map_err(|error| SessionError::from_io(&path, "hold", &error))?;
        let mut session = Session {
            id: id.to_owned(),
            file,
            transcript: Transcript::default(),
            read_bytes: 0,
            has_partial_line: false,
            first_own_entry: 0,
        };
        session.open().map_err(|error| SessionError::from_io(&path, "continue", &error))?;
        Ok(session)
    }
}

/// A new id, by its time for sorting, and random digits (`20261122-002151-482-k3x9`).
#[must_use]
pub fn new_id() -> String {
    let random: String = std::iter::repeat_with(|| fastrand::digit(36)).take(4).collect();
    format!("{}-{random}", Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f"))
}

/// Whether the text is a valid id, which names a file in the folder and nothing else.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let fits = (1..=MAX_ID_BYTES).contains(&text.len()) && !text.starts_with('.');
    fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn check_id(text: &str) -> Result<(), SessionError> {
    if is_id(text) {
        return Ok(());
    }
    let shown: String = text.chars().take(MAX_ID_BYTES).collect();
    Err(SessionError(format!(
        "{shown:?} is not a session id: 1 to {MAX_ID_BYTES} letters, digits, dots, dashes and underscores, and no dot first"
    )))
}

/// A session locked by a turn, which reads as its transcript. No other turn writes to it until this is dropped.
#[derive(Debug)]
pub struct Session {
    id: String,
    file: LockedFile,
    transcript: Transcript,
    /// Length in bytes of the complete lines read.
    read_bytes: u64,
    /// An incomplete line follows the complete ones.
    has_partial_line: bool,
    /// Number of entries when the lock was taken.
    first_own_entry: usize,
}

impl Deref for Session {
    type Target = Transcript;

    fn deref(&self) -> &Transcript {
        &self.transcript
    }
}

impl Session {
    /// Reads the file, terminates an incomplete line and checks that the file is writable.
    fn open(&mut self) -> io::Result<()> {
        let rest = self.catch_up()?;
        if !self.transcript.may_continue(&rest) {
            return Err(io::Error::other(
                "it is not a transcript of a session; move it away, or take another id",
            ));
        }
        let version = self.header().map_or(VERSION, |header| header.version);
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
        self.first_own_entry = self.entries().len();
        Ok(())
    }

    /// Reads the lines appended since the last read. Returns the incomplete line that follows them.
    fn catch_up(&mut self) -> io::Result<Vec<u8>> {
        if self.file.length()? < self.read_bytes {
            // The file was truncated; read it from the beginning.
            (self.transcript, self.read_bytes) = (Transcript::default(), 0);
        }
        let mut new = self.file.read_from(self.read_bytes)?;
        let whole = self.transcript.feed(&new);
        self.read_bytes += whole as u64;
        self.has_partial_line = whole < new.len();
        Ok(new.split_off(whole))
    }

    /// Appends complete lines and updates the state in memory.
    fn write(&mut self, mut lines: Vec<u8>) -> io::Result<()> {
        if self.has_partial_line {
            lines.insert(0, b'\n');
        }
        self.file.append(&lines)?;
        self.catch_up().map(drop)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The messages sent to the model again. They include the user message of a turn that has begun, so a
    /// caller must not add that message a second time.
    #[must_use]
    pub fn conversation(&self) -> Vec<TranscriptMessage> {
        self.transcript.conversation(self.first_own_entry)
    }

    /// Usage of all answers and their known cost.
    #[must_use]
    pub fn usage(&self) -> SessionUsage {
        SessionUsage::from_entries(self.entries())
    }

    /// Appends a message. When this returns, the message is in the file and survives SIGKILL. An answer that
    /// ends a turn is then synced to disk with all entries before it.
    ///
    /// # Errors
    /// An I/O error. If the write fails, nothing of the line remains; if the sync fails, the line stays.
    pub fn append_message(&mut self, message: TranscriptMessage) -> Result<(), SessionError> {
        let ends = matches!(&message, TranscriptMessage::Assistant(answer) if answer.stop_reason != StopReason::ToolUse);
        self.append(ends, |meta| TranscriptLine::Message { meta, message })
    }

    /// Sets the model for the following turns.
    pub fn set_model(&mut self, model: &Reference) -> Result<(), SessionError> {
        let (provider, model_id) = (model.provider.clone(), model.model.clone());
        self.append(false, |meta| TranscriptLine::ModelChange { meta, provider, model_id })
    }

    /// Resets the model to the configuration's default.
    pub fn reset_model(&mut self) -> Result<(), SessionError> {
        self.set_model(&Reference { provider: String::new(), model: "default".to_owned() })
    }

    /// Sets the thinking level; an unknown word resets it to the configuration's.
    pub fn set_thinking(&mut self, level: &str) -> Result<(), SessionError> {
        let thinking_level = level.to_owned();
        self.append(false, |meta| TranscriptLine::ThinkingLevelChange { meta, thinking_level })
    }

    /// Replaces the conversation so far by a summary; an empty summary resets the context.
    pub fn compact(&mut self, summary: &str, tokens_before: u64) -> Result<(), SessionError> {
        let summary = summary.to_owned();
        self.append(true, |meta| TranscriptLine::Compaction { meta, summary, tokens_before })
    }

    fn append(
        &mut self,
        sync: bool,
        entry: impl FnOnce(EntryMeta) -> TranscriptLine,
    ) -> Result<(), SessionError> {
        let written = self.append_entry(sync, entry);
        written.map_err(|error| SessionError::from_io(&self.file.path, "append to", &error))
    }

    fn append_entry(
        &mut self,
        sync: bool,
        entry: impl FnOnce(EntryMeta) -> TranscriptLine,
    ) -> io::Result<()> {
        // Programs that ignore the lock may have written (an editor, `cat >>`).
        self.catch_up()?;
        // RFC 3339, UTC, milliseconds.
        let timestamp = format!("{:.3}", Timestamp::now());
        let mut lines = Vec::new();
        if self.header().is_none() {
            let cwd = std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned();
            let (id, timestamp) = (self.id.clone(), timestamp.clone());
            write_line(&TranscriptLine::Session { version: VERSION, id, timestamp, cwd }, &mut lines)?;
        }
        let mut ids = std::iter::repeat_with(|| format!("{:08x}", fastrand::u32(..)));
        let id = ids.find(|id| !self.contains(id)).unwrap_or_default();
        write_line(&entry(EntryMeta { id, parent_id: self.last_id.clone(), timestamp }), &mut lines)?;
        self.write(lines)?;
        if sync { self.file.sync() } else { Ok(()) }
    }
}

impl Drop for Session {
    /// Removes the file of a session without entries.
    fn drop(&mut self) {
        if self.file.length().is_ok_and(|length| length == 0) {
            // A remaining empty file is harmless.
            let _ = self.file.delete();
        }
    }
}

fn write_line(line: &TranscriptLine, into: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *into, line)?;
    into.push(b'\n');
    Ok(())
}
