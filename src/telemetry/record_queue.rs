//! Queues the records of finished requests for observers: a client has its answer before a log line is
//! formatted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use std::{io, mem};

use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};

use crate::record::Record;

/// Receives record batches: all records that are waiting.
pub type RecordObserver = Box<dyn Fn(Vec<Record>) + Send + Sync>;

/// How long the first record waits for others. Code that runs for many records in a row is in the cache for all
/// but the first, and their lines are one write. Each turn also takes that cache from the requests. The delay
/// is too short to matter to a reader of the log, and clients do not wait.
pub const GATHER_DELAY: Duration = Duration::from_millis(200);

/// A batch of this size waits no longer: requests wait while many records are processed.
pub const MAX_BATCH: usize = 200;

/// Records that wait for the observer, in the order in which their requests ended.
pub struct RecordQueue {
    waiting: Mutex<Waiting>,
    /// For the task that wakes the thread.
    filled: Notify,
    /// For the thread.
    woken: Condvar,
    /// Only one thread delivers at a time, so that a flush finds every record delivered.
    observer: Mutex<RecordObserver>,
    gather: Duration,
}

#[derive(Default)]
struct Waiting {
    records: Vec<Record>,
    /// The worker must not wait for more records.
    is_closed: bool,
}

impl Waiting {
    fn is_ripe(&self) -> bool {
        self.is_closed || self.records.len() >= MAX_BATCH
    }
}

/// The thread that delivers records. When dropped, it delivers the waiting records and ends.
pub struct TelemetryWorker {
    outbox: Arc<RecordQueue>,
    /// Wakes it. To do so is a call of the system, after which the thread may push the one aside that is about to write an
    /// answer; a task has its turn when that is written.
    _waking: JoinSet<()>,
}

impl RecordQueue {
    /// Creates a queue for this observer. A record waits for others for this long: [`GATHER_DELAY`], or less if
    /// a caller waits for each record.
    #[must_use]
    pub fn new(observer: RecordObserver, gather: Duration) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            filled: Notify::new(),
            woken: Condvar::new(),
            observer: Mutex::new(observer),
            gather,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the record for delivery. Never waits.
    pub fn push(&self, record: Record) {
        let count = {
            let mut waiting = self.waiting();
            waiting.records.push(record);
            waiting.records.len()
        };
        if matches!(count, 1 | MAX_BATCH) {
            self.filled.notify_one();
        }
    }

    fn empty(&self) {
        let observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        let records = mem::take(&mut self.waiting().records);
        if !records.is_empty() {
            observer(records);
        }
    }

    /// Resolves when all records queued until now are delivered. Another thread delivers them: a blocked log (a
    /// stopped terminal, a journal without a disk) must not block the requests.
    pub async fn flush(self: &Arc<Self>) {
        let outbox = self.clone();
        // It fails only where the process ends.
        let _ = spawn_blocking(move || outbox.empty()).await;
    }

    /// Delivers records on a separate thread, which waits and gathers without waking the serving thread. Must
    /// be called within a runtime.
    ///
    /// # Errors
    /// When the system cannot create the thread.
    pub fn spawn_worker(self: &Arc<Self>) -> io::Result<TelemetryWorker> {
        let outbox = self.clone();
        thread::Builder::new().name("telling".to_owned()).spawn(move || outbox.run())?;
        let (outbox, mut waking) = (self.clone(), JoinSet::new());
        waking.spawn(async move {
            loop {
                outbox.filled.notified().await;
                outbox.woken.notify_one();
            }
        });
        Ok(TelemetryWorker { outbox: self.clone(), _waking: waking })
    }

    fn run(&self) {
        loop {
            let is_closed = {
                let is_idle = |waiting: &mut Waiting| waiting.records.is_empty() && !waiting.is_closed;
                let waiting = self.woken.wait_while(self.waiting(), is_idle);
                let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
                let gathered =
                    self.woken.wait_timeout_while(waiting, self.gather, |waiting| !waiting.is_ripe());
                gathered.unwrap_or_else(PoisonError::into_inner).0.is_closed
            };
            // An observer that panicked on one batch still gets the next one.
            let _ = catch_unwind(AssertUnwindSafe(|| self.empty()));
            if is_closed {
                return;
            }
        }
    }
}

impl Drop for TelemetryWorker {
    fn drop(&mut self) {
        self.outbox.waiting().is_closed = true;
        self.outbox.woken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::protocol::api::Api;
    use crate::record::RequestId;

    /// A request whose record cannot be delivered.
    const TOO_MUCH: u64 = 99;

    fn outbox() -> (Arc<RecordQueue>, mpsc::UnboundedReceiver<u64>) {
        let (told, ids) = mpsc::unbounded_channel();
        let observer = move |records| {
            for record in records {
                let Record { duration: took, .. } = record;
                let _ = told.send(took.as_secs());
                assert_ne!(took.as_secs(), TOO_MUCH);
            }
        };
        (RecordQueue::new(Box::new(observer), GATHER_DELAY), ids)
    }

    fn record(number: u64) -> Record {
        let record = Record::new(RequestId::now(), "client".to_owned(), Api::ChatCompletions);
        Record { duration: Duration::from_secs(number), ..record }
    }

    #[tokio::test]
    async fn what_is_put_is_told_in_order_and_once() {
        let (outbox, mut ids) = outbox();
        for number in [1, 2] {
            outbox.push(record(number));
        }
        assert!(ids.try_recv().is_err(), "whoever puts does not tell");
        let telling = outbox.spawn_worker().unwrap();
        assert_eq!((ids.recv().await.unwrap(), ids.recv().await.unwrap()), (1, 2));
        outbox.push(record(TOO_MUCH));
        assert_eq!(ids.recv().await.unwrap(), TOO_MUCH);
        outbox.push(record(3));
        assert_eq!(ids.recv().await.unwrap(), 3, "it tells on");
        drop((telling, outbox));
        assert!(ids.recv().await.is_none(), "the thread ends");
    }

    #[test]
    fn many_wait_for_no_more() {
        let (outbox, _) = outbox();
        for number in 1..MAX_BATCH {
            outbox.push(record(number as u64));
        }
        assert!(!outbox.waiting().is_ripe());
        outbox.push(record(MAX_BATCH as u64));
        assert!(outbox.waiting().is_ripe());
    }

    #[tokio::test]
    async fn who_asks_finds_everything_told() {
        let (outbox, mut ids) = outbox();
        outbox.push(record(1));
        outbox.flush().await;
        assert_eq!(ids.try_recv().unwrap(), 1);
    }
}
