//! The ledger: every request's attempts, tokens and cost, in a store that outlives the process.
//!
//! Requests only put an [`Entry`] into a queue; whoever asks what happened a moment ago gets it from memory.

mod entry;
mod pace;
mod queue;
mod sqlite;
mod store;
mod writer;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

pub use entry::{Entry, Try, Word};
pub use pace::Pace;
pub use store::{By, Pending, Question, Store, StoreError, Sum, Tokens, Total};
pub use writer::Writer;

use self::queue::Queue;
use self::sqlite::Sqlite;
use self::writer::Open;
use crate::config::settings::Usage;
use crate::record::{Record, RequestId};

/// How many entries are kept in memory for whoever looks; of some kilobytes each.
pub const RECENT: usize = 200;

/// What whoever asks the store waits for the writer at most: a disk that takes longer shows what it had before.
const SETTLED: Duration = Duration::from_secs(3);

/// What keeps entries in a state directory; made where it is missing. It may block.
///
/// # Errors
/// When the file cannot be written, is damaged, is something else, or is of a newer Moonrelay. It is left as it is then.
pub fn open(directory: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Sqlite::open(directory)?))
}

/// What was kept in a state directory, for reading, whether the gateway runs or not; `None` where nothing was. It may
/// block.
///
/// # Errors
/// When the file cannot be read, is damaged, is something else, or has another version's tables.
pub fn read_only(directory: &Path) -> Result<Option<Arc<dyn Store>>, StoreError> {
    let found = Sqlite::read_only(directory)?;
    Ok(found.map(|store| Arc::new(store) as Arc<dyn Store>))
}

/// How the writing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Entries that wait to be written.
    pub queued: u64,
    /// Entries that the store has taken.
    pub written: u64,
    /// Entries that nobody will find: the queue was full, or the store refused them.
    pub dropped: u64,
    /// Why the last write failed; `None` when it did not.
    pub trouble: Option<String>,
}

/// The ledger of a running gateway.
pub struct Ledger {
    /// `None` where nothing is ever written.
    queue: Option<Arc<Queue>>,
    recent: Mutex<VecDeque<Arc<Entry>>>,
    changes: watch::Sender<u64>,
}

impl Ledger {
    /// One that keeps what is recent and forgets the rest.
    #[must_use]
    pub fn forgetful() -> Self {
        Self { queue: None, recent: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// One that keeps what `usage` asks for in this directory. The writer must run for that, and opens the store then:
    /// one that cannot be opened is told in [`Ledger::health`] and in the log, and tried again.
    #[must_use]
    pub fn kept(directory: Option<&Path>, usage: Usage) -> (Self, Writer) {
        let directory = directory.map(Path::to_path_buf);
        Self::kept_in(
            usage,
            Arc::new(move || directory.as_deref().ok_or_else(StoreError::nowhere).and_then(open)),
        )
    }

    fn kept_in(usage: Usage, open: Open) -> (Self, Writer) {
        let (queue, waiting) = Queue::new(usage);
        let writer = Writer { queue: queue.clone(), waiting, open };
        (Self { queue: Some(queue), ..Self::forgetful() }, writer)
    }

    /// Keeps what these settings ask for from now on. A store that could not be opened is tried again.
    pub fn settle(&self, usage: Usage) {
        if let Some(queue) = &self.queue {
            queue.usage.send_replace(usage);
        }
    }

    /// No more requests come: the writer writes what waits, and ends.
    pub fn end(&self) {
        if let Some(queue) = &self.queue {
            queue.ended.send_replace(true);
        }
    }

    /// Takes a request that is over. It never waits.
    pub fn note(&self, record: Record) {
        let entry = Arc::new(Entry::from(record));
        if let Some(queue) = &self.queue {
            queue.put(entry.clone());
        }
        {
            let mut recent = self.entries();
            if recent.len() == RECENT {
                recent.pop_back();
            }
            recent.push_front(entry);
        }
        self.changes.send_if_modified(|count| {
            *count = count.wrapping_add(1);
            // Who subscribes later finds it above.
            self.changes.receiver_count() > 0
        });
    }

    /// What was noted until now came together: the writer need not wait for more.
    pub fn hurry(&self) {
        if let Some(queue) = &self.queue {
            queue.batch.notify_one();
        }
    }

    /// How the writing goes.
    #[must_use]
    pub fn health(&self) -> Health {
        self.queue.as_ref().map(|queue| queue.health()).unwrap_or_default()
    }

    /// Where what is older stands; `None` where nothing is kept, and where the store cannot be opened.
    #[must_use]
    pub fn store(&self) -> Option<Arc<dyn Store>> {
        self.queue.as_ref().and_then(|queue| queue.store.borrow().clone())
    }

    /// Until the store is open and has what was noted before; the writer is asked to hurry. It waits for nothing that
    /// will not come: not where nothing is kept, not for a store that is in trouble, and never longer than some seconds.
    pub async fn settled(&self) {
        if let Some(queue) = self.queue.as_ref().filter(|queue| queue.is_sound()) {
            let _ = timeout(SETTLED, queue.settled()).await;
        }
    }

    /// The last requests that are over, the newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Entry>> {
        self.entries().iter().cloned().collect()
    }

    /// A request by its id: of the last ones from memory, of the rest from the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn find(&self, id: RequestId) -> Result<Option<Arc<Entry>>, StoreError> {
        let known = self.entries().iter().find(|entry| entry.request_id == id).cloned();
        match (known, self.store()) {
            (None, Some(store)) => Ok(store.request(id).await?.map(Arc::new)),
            (known, _) => Ok(known),
        }
    }

    /// Changes with each request that is over.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
