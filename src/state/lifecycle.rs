//! Owns the list of active requests, and the stages of the shutdown. Long waits watch them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::record::{Record, RequestId};

/// One active request and its record so far.
#[derive(Debug)]
pub struct ActiveRequest {
    record: Mutex<Record>,
    started: Instant,
}

impl ActiveRequest {
    /// Creates a request that starts now.
    #[must_use]
    pub fn new(record: Record) -> Self {
        Self { record: Mutex::new(record), started: Instant::now() }
    }

    /// When it was received.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The record, to be changed.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its record so far, with the time elapsed.
    fn snapshot(&self) -> Record {
        let record = self.record().clone();
        Record { duration: self.started.elapsed(), ..record }
    }

    /// Takes the record of a finished request.
    #[must_use]
    pub fn take_final(&self) -> Record {
        let mut record = self.record();
        let empty = Record::new(RequestId::default(), String::new(), record.api);
        Record { duration: self.started.elapsed(), ..std::mem::replace(&mut record, empty) }
    }
}

/// All active requests, in order of arrival.
#[derive(Debug, Default)]
pub struct ActiveRequests {
    requests: Mutex<BTreeMap<u64, Arc<ActiveRequest>>>,
    last_number: AtomicU64,
    changes: watch::Sender<u64>,
}

impl ActiveRequests {
    fn requests(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ActiveRequest>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request and returns its number.
    pub fn add(&self, request: Arc<ActiveRequest>) -> u64 {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed);
        self.requests().insert(number, request);
        self.notify();
        number
    }

    /// Removes a request by its number.
    pub fn remove(&self, number: u64) {
        self.requests().remove(&number);
        self.notify();
    }

    /// Signals a change.
    pub fn notify(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The number of requests without a complete response.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests().len()
    }

    /// Resolves when no request is active and every record was delivered.
    pub async fn wait_until_empty(&self) {
        // `self` holds the sender, so the channel is open.
        let _ = self.changes.subscribe().wait_for(|_| self.count() == 0).await;
    }

    /// The number of active requests, and the oldest `most` of them, oldest first.
    #[must_use]
    pub fn oldest(&self, most: usize) -> (usize, Vec<Record>) {
        let (count, oldest): (usize, Vec<Arc<ActiveRequest>>) = {
            let requests = self.requests();
            (requests.len(), requests.values().take(most).cloned().collect())
        };
        // A request whose record was just taken is about to be removed.
        let is_unfinished = |record: &Record| record.request_id != RequestId::default();
        (count, oldest.iter().map(|request| request.snapshot()).filter(is_unfinished).collect())
    }

    /// Changes whenever a request begins, an attempt begins, or a request ends.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The stages, in order; a stage is never left backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownPhase {
    /// All requests are served.
    Running,
    /// New requests are rejected, active requests run to their end.
    Draining,
    /// Active requests end with an error to their clients.
    Interrupting,
    /// Remaining requests are dropped, and recorded as far as they came.
    Terminated,
}

/// Watches the shutdown.
#[derive(Clone, Debug)]
pub struct ShutdownWatch(pub(super) watch::Receiver<ShutdownPhase>);

impl ShutdownWatch {
    /// A watch that never reports a shutdown.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::channel(ShutdownPhase::Running).1)
    }

    /// Resolves when this stage is reached, at once if it is past.
    pub async fn wait_for(&mut self, stage: ShutdownPhase) {
        if self.0.wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending().await
        }
    }
}
