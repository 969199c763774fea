//! Records of requests that are over, until they are told: a client has its answer before anybody formats a line of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, sleep};

use crate::record::Record;

/// Whom records are told, those that wait together at once.
pub type Observer = Box<dyn Fn(Vec<Record>) + Send + Sync>;

/// What the first record waits for others: code that runs for many of them in a row is in the cache for all but the first,
/// and their lines are one write.
const GATHER: Duration = Duration::from_millis(2);

/// What waits to be told, in the order in which it ended.
pub struct Outbox {
    waiting: Mutex<Vec<Record>>,
    filled: Notify,
    /// One tells at a time, so that who asks for it finds everything told.
    observer: Mutex<Observer>,
}

impl Outbox {
    /// For this observer.
    #[must_use]
    pub fn new(observer: Observer) -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::default(), filled: Notify::new(), observer: Mutex::new(observer) })
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Record>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it told soon. It never waits.
    pub fn put(&self, record: Record) {
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push(record);
            waiting.len() == 1
        };
        if is_first {
            self.filled.notify_one();
        }
    }

    fn empty(&self) {
        let observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut *self.waiting());
        if !waiting.is_empty() {
            observer(waiting);
        }
    }

    /// Resolves when all that was put until now is told. Another thread tells it: a log that nobody takes in (a terminal
    /// that is halted, a journal without a disk) shall not hold the requests.
    pub async fn told(self: &Arc<Self>) {
        let outbox = self.clone();
        // It fails only where the process ends.
        let _ = spawn_blocking(move || outbox.empty()).await;
    }

    /// Tells what comes, for ever.
    pub async fn run(self: &Arc<Self>) {
        loop {
            self.filled.notified().await;
            sleep(GATHER).await;
            self.told().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::mpsc;

    use super::*;
    use crate::wire::face::Face;

    fn outbox() -> (Arc<Outbox>, mpsc::UnboundedReceiver<String>) {
        let (told, ids) = mpsc::unbounded_channel();
        let observer = Outbox::new(Box::new(move |records| {
            for record in records {
                let _ = told.send(record.request_id);
            }
        }));
        (observer, ids)
    }

    fn record(id: &str) -> Record {
        Record::begun(id.to_owned(), "client".to_owned(), Face::Chat)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_put_is_told_in_order_and_once() {
        let (outbox, mut ids) = outbox();
        let telling = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.run().await }
        });
        for id in ["1", "2"] {
            outbox.put(record(id));
        }
        assert!(ids.recv().now_or_never().is_none(), "whoever puts does not tell");
        assert_eq!((ids.recv().await.unwrap(), ids.recv().await.unwrap()), ("1".to_owned(), "2".to_owned()));
        outbox.put(record("3"));
        assert_eq!(ids.recv().await.unwrap(), "3");
        outbox.told().await;
        assert!(ids.recv().now_or_never().is_none());
        telling.abort();
    }

    #[tokio::test]
    async fn who_asks_finds_everything_told() {
        let (outbox, mut ids) = outbox();
        outbox.put(record("1"));
        outbox.told().await;
        assert_eq!(ids.try_recv().unwrap(), "1");
    }
}
