//! Between the requests and the writer: entries that wait, and what became of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};
use tracing::{error, info, warn};

use super::Health;
use super::entry::Entry;
use super::store::{Store, StoreError};
use crate::config::settings::Usage;

/// Entries that may wait: some seconds of a busy team, of some kilobytes each.
pub(super) const WAITING: usize = 4_096;

/// Entries that are written at once.
pub(super) const BATCH: usize = 256;

/// What requests, the writer and whoever looks share.
pub(super) struct Queue {
    entries: mpsc::Sender<Arc<Entry>>,
    /// What is to be kept; told anew at each reload.
    pub(super) usage: watch::Sender<Usage>,
    /// The store while it is open.
    pub(super) store: watch::Sender<Option<Arc<dyn Store>>>,
    /// No more requests come.
    pub(super) ended: watch::Sender<bool>,
    /// There is a whole batch.
    pub(super) batch: Notify,
    queued: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    /// Since the last entry that found a place there were some that did not.
    overflows: AtomicBool,
    trouble: Mutex<Option<String>>,
}

impl Queue {
    pub(super) fn new(usage: Usage) -> (Arc<Self>, mpsc::Receiver<Arc<Entry>>) {
        let (entries, waiting) = mpsc::channel(WAITING);
        let queue = Self {
            entries,
            usage: watch::Sender::new(usage),
            store: watch::Sender::new(None),
            ended: watch::Sender::new(false),
            batch: Notify::new(),
            queued: AtomicU64::default(),
            written: AtomicU64::default(),
            dropped: AtomicU64::default(),
            overflows: AtomicBool::default(),
            trouble: Mutex::default(),
        };
        (Arc::new(queue), waiting)
    }

    /// Has it written, where there is room. It never waits.
    pub(super) fn put(&self, entry: Arc<Entry>) {
        if !self.usage.borrow().kept {
            return;
        }
        // Before it is there: the writer may be faster.
        let queued = self.queued.fetch_add(1, Ordering::Relaxed) + 1;
        if self.entries.try_send(entry).is_ok() {
            if queued.is_multiple_of(BATCH as u64) {
                self.batch.notify_one();
            }
            return;
        }
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        // Once: a store that hangs shall not drown the log.
        if !self.overflows.swap(true, Ordering::Relaxed) {
            warn!("the ledger's queue of {WAITING} requests is full: what comes now is not kept");
        }
    }

    /// Resolves when no more requests come.
    pub(super) async fn end(&self) {
        // The sender is here.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// So many were written.
    pub(super) fn written(&self, count: usize) {
        self.gone(&self.written, count);
        self.calm();
    }

    /// So many will not be written.
    pub(super) fn lost(&self, count: usize) {
        self.gone(&self.dropped, count);
    }

    fn gone(&self, to: &AtomicU64, count: usize) {
        to.fetch_add(count as u64, Ordering::Relaxed);
        self.queued.fetch_sub(count as u64, Ordering::Relaxed);
    }

    /// Writing does not go; told once until it does.
    pub(super) fn troubled(&self, why: &StoreError) {
        let before = self.why().replace(why.to_string());
        if before.is_none() {
            error!("{why}; the gateway serves on, and keeps up to {WAITING} requests for it in memory");
        }
    }

    /// It can be written, or nothing is to be.
    pub(super) fn calm(&self) {
        let before = self.why().take();
        if self.overflows.swap(false, Ordering::Relaxed) || before.is_some() {
            let dropped = self.dropped.load(Ordering::Relaxed);
            info!(dropped, "the ledger has no trouble any more");
        }
    }

    fn why(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> Health {
        Health {
            queued: self.queued.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            trouble: self.why().clone(),
        }
    }
}
