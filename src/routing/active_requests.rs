//! Owns the list of active requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::record::{Record, RequestId};

/// One active request.
#[derive(Debug)]
pub(super) struct ActiveRequest {
    record: Mutex<Record>,
    started: Instant,
}

impl ActiveRequest {
    pub(super) fn new(record: Record) -> Self {
        Self { record: Mutex::new(record), started: Instant::now() }
    }

    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its record so far, with the time elapsed.
    pub(super) fn snapshot(&self) -> Record {
        let record = self.record().clone();
        Record { duration: self.started.elapsed(), ..record }
    }

    /// Takes the record of a finished request.
    pub(super) fn take_final(&self) -> Record {
        let mut record = self.record();
        let rest = Record::new(RequestId::default(), String::new(), record.api);
        Record { duration: self.started.elapsed(), ..std::mem::replace(&mut record, rest) }
    }
}

/// All active requests, in order of arrival.
#[derive(Debug)]
pub struct ActiveRequests {
    requests: Mutex<RequestRegistry>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct RequestRegistry {
    last_number: u64,
    active: BTreeMap<u64, Arc<ActiveRequest>>,
}

impl ActiveRequests {
    pub(super) fn new() -> Self {
        Self { requests: Mutex::default(), changes: watch::Sender::new(0) }
    }

    fn requests(&self) -> MutexGuard<'_, RequestRegistry> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number.
    pub(super) fn add(&self, request: Arc<ActiveRequest>) -> u64 {
        let number = {
            let mut requests = self.requests();
            requests.last_number += 1;
            let number = requests.last_number;
            requests.active.insert(number, request);
            number
        };
        self.notify();
        number
    }

    pub(super) fn remove(&self, number: u64) {
        self.requests().active.remove(&number);
        self.notify();
    }

    /// Signals a change. A subscriber that starts now sees it too: it reads the requests after it subscribes,
    /// and each of them is behind a lock.
    pub(super) fn notify(&self) {
        if self.changes.receiver_count() > 0 {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// The number of requests without a complete response.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests().active.len()
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
            (requests.active.len(), requests.active.values().take(most).cloned().collect())
        };
        // A request whose record was just taken is about to be removed.
        let is_there = |record: &Record| record.request_id != RequestId::default();
        (count, oldest.iter().map(|request| request.snapshot()).filter(is_there).collect())
    }

    /// Changes whenever a request begins, an attempt begins, or a request ends.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
