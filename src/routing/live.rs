//! Requests under way, for whoever looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::record::{Record, RequestId};

/// One request, as far as it has come.
#[derive(Debug)]
pub(super) struct Live {
    record: Mutex<Record>,
    started: Instant,
}

impl Live {
    pub(super) fn new(record: Record) -> Self {
        Self { record: Mutex::new(record), started: Instant::now() }
    }

    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record, with the time that it took until now.
    pub(super) fn now(&self) -> Record {
        let record = self.record().clone();
        Record { took: self.started.elapsed(), ..record }
    }

    /// The record of a request that is over; none is left here.
    pub(super) fn over(&self) -> Record {
        let mut record = self.record();
        let rest = Record::begun(RequestId::default(), String::new(), record.face);
        Record { took: self.started.elapsed(), ..std::mem::replace(&mut record, rest) }
    }
}

/// All of them, in the order in which they came.
#[derive(Debug)]
pub struct UnderWay {
    requests: Mutex<Requests>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Requests {
    next: u64,
    live: BTreeMap<u64, Arc<Live>>,
}

impl UnderWay {
    pub(super) fn new() -> Self {
        Self { requests: Mutex::default(), changes: watch::Sender::new(0) }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number.
    pub(super) fn enter(&self, request: Arc<Live>) -> u64 {
        let number = {
            let mut requests = self.requests();
            requests.next += 1;
            let number = requests.next;
            requests.live.insert(number, request);
            number
        };
        self.tell();
        number
    }

    pub(super) fn leave(&self, number: u64) {
        self.requests().live.remove(&number);
        self.tell();
    }

    /// Something of one has changed. Whoever begins to look in this moment finds it changed: it asks for the requests
    /// afterwards, and each of them is behind a lock.
    pub(super) fn tell(&self) {
        if self.changes.receiver_count() > 0 {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// How many have no complete answer yet.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests().live.len()
    }

    /// Resolves when none is under way, and each is out to be told.
    pub async fn over(&self) {
        // The sender is here.
        let _ = self.changes.subscribe().wait_for(|_| self.count() == 0).await;
    }

    /// Each as far as it has come, the oldest first.
    /// Of these no more than `most`, and before them how many there are.
    #[must_use]
    pub fn oldest(&self, most: usize) -> (usize, Vec<Record>) {
        let (count, oldest): (usize, Vec<Arc<Live>>) = {
            let requests = self.requests();
            (requests.live.len(), requests.live.values().take(most).cloned().collect())
        };
        // One whose record was taken in this moment is about to leave.
        let is_there = |record: &Record| record.request_id != RequestId::default();
        (count, oldest.iter().map(|request| request.now()).filter(is_there).collect())
    }

    /// Changes whenever one begins, is tried somewhere, or ends.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
