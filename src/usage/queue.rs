//! The queue between requests and the writer, and counts of what became of the entries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};
use tracing::{error, info, warn};

use super::database::{DatabaseError, UsageDatabase};
use super::entry::UsageEntry;
use crate::config::settings::UsageSettings;

/// Entries that may wait: some seconds of a busy team. Each takes some kilobytes.
pub(super) const QUEUE_CAPACITY: usize = 4_096;

/// Entries in one transaction.
pub(super) const MAX_BATCH: usize = 256;

/// The state of writes to the usage database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageHealth {
    /// Entries that wait to be written.
    pub queued: u64,
    /// Entries in the database.
    pub written: u64,
    /// Entries that were lost: the queue was full, or the database rejected them.
    pub dropped: u64,
    /// Why the last write failed; `None` if it succeeded.
    pub last_error: Option<String>,
}

/// Counts of entries by state. They change together, so that a task that waits for an entry never miscounts.
#[derive(Clone, Copy, Default)]
struct QueueCounts {
    queued: u64,
    written: u64,
    /// The database rejected them.
    failed: u64,
    /// The queue was full.
    overflowed: u64,
}

impl QueueCounts {
    /// The number of accepted entries that have left the queue.
    const fn finished(&self) -> u64 {
        self.written + self.failed
    }
}

/// State shared by requests, the writer and readers.
pub(super) struct UsageQueue {
    entries: mpsc::Sender<Arc<UsageEntry>>,
    /// What to keep; updated at each reload.
    pub(super) settings: watch::Sender<UsageSettings>,
    /// The database while it is open.
    pub(super) database: watch::Sender<Option<Arc<dyn UsageDatabase>>>,
    /// Whether no more requests come.
    pub(super) is_closed: watch::Sender<bool>,
    /// Signals that a whole batch is ready, or that the writer must not wait for more entries.
    pub(super) batch_ready: Notify,
    counts: watch::Sender<QueueCounts>,
    /// Whether entries were dropped since the last successful write.
    is_overflowing: AtomicBool,
    last_error: Mutex<Option<String>>,
}

impl UsageQueue {
    pub(super) fn new(usage: UsageSettings) -> (Arc<Self>, mpsc::Receiver<Arc<UsageEntry>>) {
        let (entries, waiting) = mpsc::channel(QUEUE_CAPACITY);
        let queue = Self {
            entries,
            settings: watch::Sender::new(usage),
            database: watch::Sender::new(None),
            is_closed: watch::Sender::new(false),
            batch_ready: Notify::new(),
            counts: watch::Sender::default(),
            is_overflowing: AtomicBool::default(),
            last_error: Mutex::default(),
        };
        (Arc::new(queue), waiting)
    }

    /// Queues the entry for writing if the queue has space. Never waits.
    pub(super) fn push(&self, entry: Arc<UsageEntry>) {
        if !self.settings.borrow().is_enabled {
            return;
        }
        let mut is_queued = false;
        // Within the lock: the writer must not count an entry as written before it is counted as queued.
        self.counts.send_if_modified(|counts| {
            is_queued = self.entries.try_send(entry).is_ok();
            counts.queued += u64::from(is_queued);
            counts.overflowed += u64::from(!is_queued);
            if is_queued && counts.queued.is_multiple_of(MAX_BATCH as u64) {
                self.batch_ready.notify_one();
            }
            false
        });
        // Logged once: a database that hangs must not flood the log.
        if !is_queued && !self.is_overflowing.swap(true, Ordering::Relaxed) {
            warn!(
                "the queue of the usage database ({QUEUE_CAPACITY} requests) is full: requests are not recorded"
            );
        }
    }

    /// Whether the database accepts entries, or is about to be opened.
    pub(super) fn is_healthy(&self) -> bool {
        self.settings.borrow().is_enabled && self.lock_last_error().is_none()
    }

    /// Has all entries written at once. Waits until that has succeeded or failed.
    pub(super) async fn wait_until_written(&self) {
        // It cannot fail: `self` owns the senders.
        let _ = self.database.subscribe().wait_for(Option::is_some).await;
        let mut counts = self.counts.subscribe();
        let now = *counts.borrow();
        if now.queued == 0 {
            return;
        }
        let all = now.finished() + now.queued;
        self.batch_ready.notify_one();
        let _ = counts.wait_for(|counts| counts.finished() >= all).await;
    }

    /// Resolves when no more requests come.
    pub(super) async fn wait_until_closed(&self) {
        // It cannot fail: `self` owns the sender.
        let _ = self.is_closed.subscribe().wait_for(|is_closed| *is_closed).await;
    }

    /// Counts entries that were written, or will not be.
    pub(super) fn record_batch(&self, count: usize, is_written: bool) {
        self.counts.send_modify(|counts| {
            let to = if is_written { &mut counts.written } else { &mut counts.failed };
            *to += count as u64;
            counts.queued -= count as u64;
        });
        if is_written {
            self.clear_error();
        }
    }

    /// Records that writing fails; logged once until it works again.
    pub(super) fn record_error(&self, why: &DatabaseError) {
        let before = self.lock_last_error().replace(why.to_string());
        if before.is_none() {
            error!("{why}; the gateway continues and keeps up to {QUEUE_CAPACITY} requests in memory");
        }
    }

    /// Records that writing works, or is disabled.
    pub(super) fn clear_error(&self) {
        let before = self.lock_last_error().take();
        if self.is_overflowing.swap(false, Ordering::Relaxed) || before.is_some() {
            let dropped = self.health().dropped;
            info!(dropped, "the usage database can be written again");
        }
    }

    fn lock_last_error(&self) -> MutexGuard<'_, Option<String>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> UsageHealth {
        let QueueCounts { queued, written, failed, overflowed } = *self.counts.borrow();
        UsageHealth {
            queued,
            written,
            dropped: failed + overflowed,
            last_error: self.lock_last_error().clone(),
        }
    }
}
