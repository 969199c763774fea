//! The usage database: attempts, tokens and cost of every request.
//!
//! A request only adds a [`UsageEntry`] to a queue; one task writes. Recent requests are answered from memory.

mod entry;
mod database;
mod queue;
mod retention;
mod sqlite;
mod writer;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

pub use database::{
    DatabaseError, DatabaseFuture, GroupBy, TokenTotals, UsageDatabase, UsageQuery, UsageRow, UsageTotals,
};
pub use entry::{Label, UsageAttempt, UsageEntry};
pub use queue::UsageHealth;
pub use writer::UsageWriter;

use self::queue::UsageQueue;
use self::sqlite::SqliteDatabase;
use self::writer::OpenDatabase;
use crate::config::settings::UsageSettings;
use crate::record::{Record, RequestId};

/// The number of recent entries kept in memory for readers. Each takes some kilobytes.
pub const RECENT_CAPACITY: usize = 200;

/// The longest time that a reader waits for the writer. If the disk takes longer, the reader gets the earlier
/// state.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens the database in a state directory. Creates it if it is missing. It may block.
///
/// # Errors
/// If the file cannot be written, is damaged, is not a usage database, or is of a newer version. It is not changed then.
pub fn open_database(directory: &Path) -> Result<Arc<dyn UsageDatabase>, DatabaseError> {
    Ok(Arc::new(SqliteDatabase::open(directory)?))
}

/// Opens the database in a state directory for reading, whether the gateway runs or not. Returns `None` if it does not
/// exist. It may block.
///
/// # Errors
/// If the file cannot be read, is damaged, is not a usage database, or is of another version.
pub fn open_read_only(directory: &Path) -> Result<Option<Arc<dyn UsageDatabase>>, DatabaseError> {
    let database = SqliteDatabase::read_only(directory)?;
    Ok(database.map(|database| Arc::new(database) as Arc<dyn UsageDatabase>))
}

/// The usage database of a running gateway.
pub struct UsageStore {
    /// `None` if nothing is ever written.
    queue: Option<Arc<UsageQueue>>,
    recent: Mutex<VecDeque<Arc<UsageEntry>>>,
    changes: watch::Sender<u64>,
}

impl UsageStore {
    /// Creates a store that keeps only recent entries, in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { queue: None, recent: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Creates a store that keeps what `usage` configures in this directory. The writer must run; it opens the
    /// file. A failure to open is reported in [`UsageStore::health`] and in the log, and opening is retried.
    #[must_use]
    pub fn persistent(directory: Option<&Path>, usage: UsageSettings) -> (Self, UsageWriter) {
        let directory = directory.map(Path::to_path_buf);
        let open = move || directory.as_deref().ok_or_else(no_directory_error).and_then(open_database);
        Self::with_opener(usage, Arc::new(open))
    }

    fn with_opener(usage: UsageSettings, open: OpenDatabase) -> (Self, UsageWriter) {
        let (queue, receiver) = UsageQueue::new(usage);
        let writer = UsageWriter { queue: queue.clone(), receiver, open };
        (Self { queue: Some(queue), ..Self::in_memory() }, writer)
    }

    /// Applies these settings from now on. A database that could not be opened is opened again.
    pub fn apply_settings(&self, usage: UsageSettings) {
        if let Some(queue) = &self.queue {
            queue.settings.send_replace(usage);
        }
    }

    /// Ends the writer, which first writes the waiting entries.
    pub fn close(&self) {
        if let Some(queue) = &self.queue {
            queue.is_closed.send_replace(true);
        }
    }

    /// Records a finished request. Never waits.
    pub fn record(&self, record: Record) {
        let entry = Arc::new(UsageEntry::from(record));
        if let Some(queue) = &self.queue {
            queue.push(entry.clone());
        }
        {
            let mut recent = self.lock_entries();
            if recent.len() == RECENT_CAPACITY {
                recent.pop_back();
            }
            recent.push_front(entry);
        }
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The state of writes.
    #[must_use]
    pub fn health(&self) -> UsageHealth {
        self.queue.as_ref().map(|queue| queue.health()).unwrap_or_default()
    }

    /// Where older entries are stored. `None` if nothing is stored, or if the database cannot be opened.
    #[must_use]
    pub fn database(&self) -> Option<Arc<dyn UsageDatabase>> {
        self.queue.as_ref().and_then(|queue| queue.database.borrow().clone())
    }

    /// Has all earlier entries written at once and waits for that, at most `FLUSH_TIMEOUT`. Returns at once if nothing
    /// is stored or the last write failed.
    pub async fn flush(&self) {
        if let Some(queue) = self.queue.as_ref().filter(|queue| queue.is_healthy()) {
            let _ = timeout(FLUSH_TIMEOUT, queue.wait_until_written()).await;
        }
    }

    /// The last finished requests, the newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<UsageEntry>> {
        self.lock_entries().iter().cloned().collect()
    }

    /// Finds a request by its id: a recent one in memory, an older one in the database.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find_request(&self, id: RequestId) -> Result<Option<Arc<UsageEntry>>, DatabaseError> {
        let known = self.lock_entries().iter().find(|entry| entry.request_id == id).cloned();
        match (known, self.database()) {
            (None, Some(database)) => Ok(database.find_request(id).await?.map(Arc::new)),
            (known, _) => Ok(known),
        }
    }

    /// Changes with each finished request.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn lock_entries(&self) -> MutexGuard<'_, VecDeque<Arc<UsageEntry>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_directory_error() -> DatabaseError {
    let problem =
        "no state directory: set HOME, XDG_STATE_HOME or STATE_DIRECTORY, or set usage.store to \"none\"";
    DatabaseError { location: sqlite::FILE_NAME.to_owned(), problem: problem.to_owned() }
}
