//! Between the requests and the writer: entries that wait, and what became of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};
use tracing::{error, info, warn};

use super::UsageHealth;
use super::database::{DatabaseError, UsageDatabase};
use super::entry::UsageEntry;
use crate::config::settings::UsageSettings;

/// Entries that may wait: some seconds of a busy team, of some kilobytes each.
pub(super) const QUEUE_CAPACITY: usize = 4_096;

/// Entries that are written at once.
pub(super) const MAX_BATCH: usize = 256;

/// Counts of entries by state. They change together, so that a task that waits for an entry never miscounts.
#[derive(Clone, Copy, Default)]
struct QueueCounts {
    queued: u64,
    written: u64,
    /// Refused by the store.
    failed: u64,
    /// Not taken: the queue was full.
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
    /// The store while it is open.
    pub(super) database: watch::Sender<Option<Arc<dyn UsageDatabase>>>,
    /// No more requests come.
    pub(super) is_closed: watch::Sender<bool>,
    /// Signals that a whole batch is ready, or that the writer must not wait for more entries.
    pub(super) batch_ready: Notify,
    counts: watch::Sender<QueueCounts>,
    /// Since the last entry that found a place there were some that did not.
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
        let mut took = false;
        // The writer may be faster; it counts what it took from here after this.
        self.counts.send_if_modified(|counts| {
            took = self.entries.try_send(entry).is_ok();
            counts.queued += u64::from(took);
            counts.overflowed += u64::from(!took);
            if took && counts.queued.is_multiple_of(MAX_BATCH as u64) {
                self.batch_ready.notify_one();
            }
            false
        });
        // Logged once: a store that hangs must not flood the log.
        if !took && !self.is_overflowing.swap(true, Ordering::Relaxed) {
            warn!("the ledger's queue of {QUEUE_CAPACITY} requests is full: what comes now is not kept");
        }
    }

    /// Whether there is a store that takes what waits, or is about to be one.
    pub(super) fn is_healthy(&self) -> bool {
        self.settings.borrow().is_enabled && self.lock_last_error().is_none()
    }

    /// Has what was put until now written at once, and waits for that, whether it goes or not.
    pub(super) async fn wait_until_written(&self) {
        // The senders are here.
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
        // The sender is here.
        let _ = self.is_closed.subscribe().wait_for(|ended| *ended).await;
    }

    /// So many were written.
    pub(super) fn record_written(&self, count: usize) {
        self.move_from_queue(count, |counts| &mut counts.written);
        self.clear_error();
    }

    /// So many will not be written.
    pub(super) fn record_lost(&self, count: usize) {
        self.move_from_queue(count, |counts| &mut counts.failed);
    }

    fn move_from_queue(&self, count: usize, to: impl Fn(&mut QueueCounts) -> &mut u64) {
        self.counts.send_modify(|counts| {
            *to(counts) += count as u64;
            counts.queued -= count as u64;
        });
    }

    /// Records that writing fails; logged once until it works again.
    pub(super) fn record_error(&self, why: &DatabaseError) {
        let before = self.lock_last_error().replace(why.to_string());
        if before.is_none() {
            error!(
                "{why}; the gateway serves on, and keeps up to {QUEUE_CAPACITY} requests for it in memory"
            );
        }
    }

    /// It can be written, or nothing is to be.
    pub(super) fn clear_error(&self) {
        let before = self.lock_last_error().take();
        if self.is_overflowing.swap(false, Ordering::Relaxed) || before.is_some() {
            let dropped = self.health().dropped;
            info!(dropped, "the ledger has no trouble any more");
        }
    }

    fn lock_last_error(&self) -> MutexGuard<'_, Option<String>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> UsageHealth {
        let QueueCounts { queued, written, failed: lost, overflowed: overflown } = *self.counts.borrow();
        UsageHealth { queued, written, dropped: lost + overflown, last_error: self.lock_last_error().clone() }
    }
}
