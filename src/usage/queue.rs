//! Between the requests and the writer: entries that wait, and what became of them.

use std::sync::atomic::{AtomicBool, Ordering};
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

/// Where entries are. All of them change at once: whoever waits for an entry must not miscount.
#[derive(Clone, Copy, Default)]
struct Counts {
    queued: u64,
    written: u64,
    /// Refused by the store.
    lost: u64,
    /// Not taken: the queue was full.
    overflown: u64,
}

impl Counts {
    /// Of those that the queue took, how many are no longer in it.
    const fn done(&self) -> u64 {
        self.written + self.lost
    }
}

/// What requests, the writer and whoever looks share.
pub(super) struct Queue {
    entries: mpsc::Sender<Arc<Entry>>,
    /// What is to be kept; told anew at each reload.
    pub(super) usage: watch::Sender<Usage>,
    /// The store while it is open.
    pub(super) store: watch::Sender<Option<Arc<dyn Store>>>,
    /// No more requests come.
    pub(super) ended: watch::Sender<bool>,
    /// There is a whole batch, or nobody is to wait for more of it.
    pub(super) batch: Notify,
    counts: watch::Sender<Counts>,
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
            counts: watch::Sender::default(),
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
        let mut took = false;
        // The writer may be faster; it counts what it took from here after this.
        self.counts.send_if_modified(|counts| {
            took = self.entries.try_send(entry).is_ok();
            counts.queued += u64::from(took);
            counts.overflown += u64::from(!took);
            if took && counts.queued.is_multiple_of(BATCH as u64) {
                self.batch.notify_one();
            }
            false
        });
        // Once: a store that hangs shall not drown the log.
        if !took && !self.overflows.swap(true, Ordering::Relaxed) {
            warn!("the ledger's queue of {WAITING} requests is full: what comes now is not kept");
        }
    }

    /// Whether there is a store that takes what waits, or is about to be one.
    pub(super) fn is_sound(&self) -> bool {
        self.usage.borrow().kept && self.why().is_none()
    }

    /// Has what was put until now written at once, and waits for that, whether it goes or not.
    pub(super) async fn settled(&self) {
        // The senders are here.
        let _ = self.store.subscribe().wait_for(Option::is_some).await;
        let mut counts = self.counts.subscribe();
        let now = *counts.borrow();
        if now.queued == 0 {
            return;
        }
        let all = now.done() + now.queued;
        self.batch.notify_one();
        let _ = counts.wait_for(|counts| counts.done() >= all).await;
    }

    /// Resolves when no more requests come.
    pub(super) async fn end(&self) {
        // The sender is here.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// So many were written.
    pub(super) fn written(&self, count: usize) {
        self.gone(count, |counts| &mut counts.written);
        self.calm();
    }

    /// So many will not be written.
    pub(super) fn lost(&self, count: usize) {
        self.gone(count, |counts| &mut counts.lost);
    }

    fn gone(&self, count: usize, to: impl Fn(&mut Counts) -> &mut u64) {
        self.counts.send_modify(|counts| {
            *to(counts) += count as u64;
            counts.queued -= count as u64;
        });
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
            let dropped = self.health().dropped;
            info!(dropped, "the ledger has no trouble any more");
        }
    }

    fn why(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> Health {
        let Counts { queued, written, lost, overflown } = *self.counts.borrow();
        Health { queued, written, dropped: lost + overflown, trouble: self.why().clone() }
    }
}
