//! The usage database: attempts, tokens and cost of every request, in a store that outlives the process.
//!
//! A request only adds a [`UsageEntry`] to a queue. Queries for recent requests are answered from memory.

mod database;
mod entry;
mod queue;
mod sqlite;
mod write_priority;
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
pub use write_priority::WritePriority;
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

/// What keeps entries in a state directory; made where it is missing. It may block.
///
/// # Errors
/// When the file cannot be written, is damaged, is something else, or is of a newer Moonrelay. It is left as it is then.
pub fn open_database(directory: &Path) -> Result<Arc<dyn UsageDatabase>, DatabaseError> {
    Ok(Arc::new(SqliteDatabase::open(directory)?))
}

/// What was kept in a state directory, for reading, whether the gateway runs or not; `None` where nothing was. It may
/// block.
///
/// # Errors
/// When the file cannot be read, is damaged, is something else, or has another version's tables.
pub fn open_read_only(directory: &Path) -> Result<Option<Arc<dyn UsageDatabase>>, DatabaseError> {
    let found = SqliteDatabase::read_only(directory)?;
    Ok(found.map(|store| Arc::new(store) as Arc<dyn UsageDatabase>))
}

/// How the writing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageHealth {
    /// Entries that wait to be written.
    pub queued: u64,
    /// Entries that the store has taken.
    pub written: u64,
    /// Entries that were lost: the queue was full, or the store refused them.
    pub dropped: u64,
    /// Why the last write failed; `None` when it did not.
    pub last_error: Option<String>,
}

/// The usage database of a running gateway.
pub struct UsageStore {
    /// `None` where nothing is ever written.
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
        Self::with_opener(
            usage,
            Arc::new(move || {
                directory.as_deref().ok_or_else(DatabaseError::no_directory).and_then(open_database)
            }),
        )
    }

    fn with_opener(usage: UsageSettings, open: OpenDatabase) -> (Self, UsageWriter) {
        let (queue, waiting) = UsageQueue::new(usage);
        let writer = UsageWriter { queue: queue.clone(), receiver: waiting, open };
        (Self { queue: Some(queue), ..Self::in_memory() }, writer)
    }

    /// Keeps what these settings ask for from now on. A store that could not be opened is tried again.
    pub fn apply_settings(&self, usage: UsageSettings) {
        if let Some(queue) = &self.queue {
            queue.settings.send_replace(usage);
        }
    }

    /// No more requests come: the writer writes what waits, and ends.
    pub fn close(&self) {
        if let Some(queue) = &self.queue {
            queue.is_closed.send_replace(true);
        }
    }

    /// Takes a request that is over. It never waits.
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
        self.changes.send_if_modified(|count| {
            *count = count.wrapping_add(1);
            // Later subscribers find the entry in the recent entries above.
            self.changes.receiver_count() > 0
        });
    }

    /// What was noted until now came together: the writer need not wait for more.
    pub fn request_flush(&self) {
        if let Some(queue) = &self.queue {
            queue.batch_ready.notify_one();
        }
    }

    /// How the writing goes.
    #[must_use]
    pub fn health(&self) -> UsageHealth {
        self.queue.as_ref().map(|queue| queue.health()).unwrap_or_default()
    }

    /// Where older entries are stored. `None` if nothing is kept, or if the store cannot be opened.
    #[must_use]
    pub fn database(&self) -> Option<Arc<dyn UsageDatabase>> {
        self.queue.as_ref().and_then(|queue| queue.database.borrow().clone())
    }

    /// Waits until the store is open and contains all earlier entries; the writer is asked to hurry. Returns
    /// early if nothing is kept or the store has failed, and never waits longer than some seconds.
    pub async fn flush(&self) {
        if let Some(queue) = self.queue.as_ref().filter(|queue| queue.is_healthy()) {
            let _ = timeout(FLUSH_TIMEOUT, queue.wait_until_written()).await;
        }
    }

    /// The last requests that are over, the newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<UsageEntry>> {
        self.lock_entries().iter().cloned().collect()
    }

    /// Finds a request by its id: a recent one in memory, an older one in the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find_request(&self, id: RequestId) -> Result<Option<Arc<UsageEntry>>, DatabaseError> {
        let known = self.lock_entries().iter().find(|entry| entry.request_id == id).cloned();
        match (known, self.database()) {
            (None, Some(store)) => Ok(store.find_request(id).await?.map(Arc::new)),
            (known, _) => Ok(known),
        }
    }

    /// Changes with each request that is over.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn lock_entries(&self) -> MutexGuard<'_, VecDeque<Arc<UsageEntry>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
