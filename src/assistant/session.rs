//! Sessions on the disk: one file each, appended to, held by one turn at a time.

mod conversation;
mod digest;
mod folder;
mod held;
mod id;
mod past;
#[cfg(test)]
mod tests;
mod total;

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use self::held::{Held, Inode};
use super::transcript::reader::Transcript;
use super::transcript::{Line, Message, Place, Stop, VERSION};
use crate::config::settings::Reference;

pub use self::digest::Digest;
pub use self::folder::Deleted;
pub use self::id::{fresh, is_id};
pub use self::past::Past;
pub use self::total::Total;

/// For their owner alone.
const MODE: u32 = 0o700;
/// So much of the end of what was read is compared before more is read behind it.
const COMPARED: usize = 256;

/// The sessions of a state directory. Its clones know of each other which session was read last, and how far.
#[derive(Clone, Debug)]
pub struct Sessions {
    directory: PathBuf,
    last: Arc<Mutex<Option<Known>>>,
}

/// A session as it was when it was let go.
#[derive(Debug)]
struct Known {
    id: String,
    inode: Inode,
    transcript: Transcript,
    /// The length of the whole lines that were read.
    read: u64,
    /// Their end.
    end: Vec<u8>,
}

/// A session that a turn holds: nobody else writes to it until this is dropped.
#[derive(Debug)]
pub struct Session {
    id: String,
    sessions: Sessions,
    held: Held,
    past: Past,
    read: u64,
    /// A piece without an end stands behind the whole lines.
    torn: bool,
    /// The file is something else.
    stranger: bool,
    /// How many entries there were when it was held.
    begun: usize,
}

/// Why a session cannot be used. For people, with the fix.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SessionError(pub String);

impl SessionError {
    fn file(path: &Path, what: &str, error: &io::Error) -> Self {
        Self(format!("cannot {what} {}: {error}", path.display()))
    }
}

impl Sessions {
    /// Below a state directory. Opens nothing.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { directory: state.join("sessions"), last: Arc::default() }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Holds a session, begun where there is none of that id. Waits for a turn of another process that holds it;
    /// `waiting` is called once where that is so.
    ///
    /// # Errors
    /// An id that is none, a file that is no transcript, a disk that refuses.
    pub async fn hold(&self, id: &str, waiting: impl FnOnce() + Send) -> Result<Session, SessionError> {
        id::check(id)?;
        self.make().map_err(|error| SessionError::file(&self.directory, "make", &error))?;
        let path = self.path(id);
        let held = Held::lock(&path, waiting).await;
        let held = held.map_err(|error| SessionError::file(&path, "hold", &error))?;
        let (transcript, read) = match self.known(id, &held) {
            Some(known) => (known.transcript, known.read),
            None => (Transcript::default(), 0),
        };
        let (id, sessions) = (id.to_owned(), self.clone());
        let mut session = Session {
            id,
            sessions,
            held,
            past: Past { transcript, kept: Vec::new() },
            read,
            torn: false,
            stranger: false,
            begun: 0,
        };
        session.open().map_err(|error| SessionError::file(&path, "continue", &error))?;
        Ok(session)
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(MODE).create(&self.directory)?;
        if std::fs::metadata(&self.directory)?.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(&self.directory, Permissions::from_mode(MODE))?;
        }
        Ok(())
    }

    /// What was read of a session before, where its file still begins with that.
    fn known(&self, id: &str, held: &Held) -> Option<Known> {
        let known =
            self.last.lock().unwrap_or_else(PoisonError::into_inner).take_if(|known| known.id == id)?;
        let from = known.read.checked_sub(known.end.len() as u64)?;
        let same = known.inode == held.inode().ok()? && held.part(from, known.end.len()).ok()? == known.end;
        same.then_some(known)
    }
}

impl Session {
    /// Reads what is there, ends a line that was torn, and makes sure that this may be written to.
    fn open(&mut self) -> io::Result<()> {
        self.catch_up()?;
        if self.stranger {
            return Err(io::Error::other(
                "it is no transcript of a session; move it away, or take another id",
            ));
        }
        let version = self.past.transcript.header().map_or(VERSION, |header| header.version);
        if version != VERSION {
            let later = if version > VERSION { " (a later Moonrelay or OpenClaw wrote it)" } else { "" };
            return Err(io::Error::other(format!(
                "it is of version {version}{later}, and version {VERSION} is written here; it can be shown and \
                 exported, but for new turns take another id"
            )));
        }
        if self.torn {
            self.write(Vec::new())?;
        }
        self.begun = self.past.transcript.entries().len();
        self.settle();
        Ok(())
    }

    /// Reads what was appended since it was read last.
    fn catch_up(&mut self) -> io::Result<()> {
        if self.held.length()? < self.read {
            // Somebody has cut it: from the beginning, then.
            (self.past.transcript, self.read) = (Transcript::default(), 0);
        }
        let new = self.held.from(self.read)?;
        let whole = self.past.transcript.feed(&new);
        self.read += whole as u64;
        self.torn = whole < new.len();
        self.stranger = !self.past.transcript.may_continue(new.get(whole..).unwrap_or_default());
        Ok(())
    }

    /// Appends whole lines, and reads them.
    fn write(&mut self, mut lines: Vec<u8>) -> io::Result<()> {
        if self.torn {
            lines.insert(0, b'\n');
        }
        self.held.append(&lines)?;
        self.catch_up()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What stands in its file, as far as it is understood.
    #[must_use]
    pub const fn transcript(&self) -> &Transcript {
        &self.past.transcript
    }

    /// What the model is told again: see [`Past::conversation`]. The turn that this holder has begun with a message of
    /// the person is there until an answer ends it: who asks with what this gives after [`Self::say`] need not add that
    /// message.
    #[must_use]
    pub fn conversation(&self) -> Vec<&Message> {
        self.past.conversation()
    }

    /// See [`Past::summary`].
    #[must_use]
    pub fn summary(&self) -> Option<&str> {
        self.past.summary()
    }

    /// See [`Past::model`].
    #[must_use]
    pub fn model(&self) -> Option<Reference> {
        self.past.model()
    }

    /// See [`Past::thinking`].
    #[must_use]
    pub fn thinking(&self) -> Option<&str> {
        self.past.thinking()
    }

    /// What all of its answers used, and what is known of their cost.
    #[must_use]
    pub fn spent(&self) -> Total {
        Total::of(self.past.transcript.entries())
    }

    /// Appends a message. It is in the file when this returns, and no SIGKILL takes it away; an answer that ends a turn
    /// is on the disk then, with all that stands before it.
    ///
    /// # Errors
    /// A disk that refuses; nothing of the line is left then. One that takes the line and cannot promise to keep it is
    /// an error, too, and the line stays.
    pub fn say(&mut self, message: Message) -> Result<(), SessionError> {
        let ends = matches!(&message, Message::Assistant(said) if said.stop_reason != Stop::ToolUse);
        self.append(ends, |at| Line::Message { at, message })
    }

    /// Chooses a model from here on.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn choose(&mut self, model: &Reference) -> Result<(), SessionError> {
        let (provider, model_id) = (model.provider.clone(), model.model.clone());
        self.append(false, |at| Line::ModelChange { at, provider, model_id })
    }

    /// Takes the choice of a model back: from here on the configuration's default is asked.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn unchoose(&mut self) -> Result<(), SessionError> {
        self.choose(&Reference { provider: String::new(), model: "default".to_owned() })
    }

    /// Chooses a level of thinking from here on; a word that is no level leaves it to the configuration again.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn think(&mut self, level: &str) -> Result<(), SessionError> {
        let thinking_level = level.to_owned();
        self.append(false, |at| Line::ThinkingLevelChange { at, thinking_level })
    }

    /// Puts a summary in the place of what was said so far; an empty one forgets it.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn compact(&mut self, summary: &str, tokens_before: u64) -> Result<(), SessionError> {
        let summary = summary.to_owned();
        self.append(true, |at| Line::Compaction { at, summary, tokens_before })
    }

    fn append(&mut self, sync: bool, entry: impl FnOnce(Place) -> Line) -> Result<(), SessionError> {
        let written = self.append_entry(sync, entry);
        written.map_err(|error| SessionError::file(&self.sessions.path(&self.id), "append to", &error))
    }

    fn append_entry(&mut self, sync: bool, entry: impl FnOnce(Place) -> Line) -> io::Result<()> {
        // Who does not lock may have written all the same (an editor, `cat >>`).
        self.catch_up()?;
        let mut lines = Vec::new();
        if self.past.transcript.header().is_none() {
            line(&self.header(), &mut lines)?;
        }
        line(&entry(self.place()), &mut lines)?;
        self.write(lines)?;
        self.settle();
        if sync { self.held.sync() } else { Ok(()) }
    }

    fn header(&self) -> Line {
        let cwd = std::env::current_dir().unwrap_or_default();
        Line::Session {
            version: VERSION,
            id: self.id.clone(),
            timestamp: now(),
            cwd: cwd.to_string_lossy().into_owned(),
        }
    }

    /// Of the next entry.
    fn place(&self) -> Place {
        let mut ids = std::iter::repeat_with(|| format!("{:08x}", fastrand::u32(..)));
        let id = ids.find(|id| !self.past.transcript.has(id)).unwrap_or_default();
        Place { id, parent_id: self.past.transcript.tip().map(str::to_owned), timestamp: now() }
    }

    fn settle(&mut self) {
        self.past.settle(self.begun);
    }

    /// What is known of it, for who holds it next in this process.
    fn known(&mut self) -> io::Result<Known> {
        let length = usize::try_from(self.read).unwrap_or(COMPARED).min(COMPARED);
        Ok(Known {
            id: std::mem::take(&mut self.id),
            inode: self.held.inode()?,
            end: self.held.part(self.read - length as u64, length)?,
            transcript: std::mem::take(&mut self.past.transcript),
            read: self.read,
        })
    }
}

impl Drop for Session {
    /// A session in which nothing was said leaves nothing behind.
    fn drop(&mut self) {
        if self.held.length().is_ok_and(|length| length == 0) {
            // An empty file does no harm either.
            let _ = self.held.delete();
        } else if let Ok(known) = self.known() {
            *self.sessions.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        }
    }
}

fn line(line: &Line, into: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *into, line)?;
    into.push(b'\n');
    Ok(())
}

/// RFC 3339, UTC, milliseconds.
fn now() -> String {
    format!("{:.3}", Timestamp::now())
}
