//! The one task that writes: in batches, off the way of requests.

mod retention;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::entry::Entry;
use super::pace::Pace;
use super::queue::{BATCH, Queue};
use super::store::{Store, StoreError};

/// What the first entry of a batch waits for others where nobody says that there are no more
/// ([`super::Ledger::hurry`]). A batch costs one transaction.
const GATHER: Duration = Duration::from_millis(200);

/// How long a batch that was refused waits for its second and last try.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a store that could not be opened is left alone.
const REOPEN: Duration = Duration::from_secs(60);

/// Opens the store. It may block.
pub(super) type Open = Arc<dyn Fn() -> Result<Arc<dyn Store>, StoreError> + Send + Sync>;

/// Writes what a [`super::Ledger`] takes, once it runs.
pub struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) waiting: mpsc::Receiver<Arc<Entry>>,
    pub(super) open: Open,
}

impl Writer {
    /// Writes until [`super::Ledger::end`], and then what waits still.
    pub async fn run(mut self) {
        let queue = self.queue.clone();
        tokio::select! {
            () = retention::keep(&queue) => {}
            () = self.write() => {}
        }
    }

    async fn write(&mut self) {
        let queue = self.queue.clone();
        let mut usage = queue.usage.subscribe();
        self.turn().await;
        loop {
            let (is_open, kept) = (self.store().is_some(), usage.borrow().kept);
            tokio::select! {
                biased;
                () = queue.end() => break,
                _ = usage.changed() => self.turn().await,
                Some(first) = self.waiting.recv(), if is_open => {
                    self.gather().await;
                    self.write_from(Some(first), BATCH).await;
                }
                () = sleep(REOPEN), if kept && !is_open => self.turn().await,
            }
        }
        self.waiting.close();
        if self.store().is_none() && !self.waiting.is_empty() {
            self.turn().await;
        }
        self.write_from(None, 1).await;
        self.close().await;
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        self.queue.store.borrow().clone()
    }

    /// Does as the settings of now say: opens the store anew (somebody may have put a file right), or closes it.
    async fn turn(&mut self) {
        if !self.queue.usage.borrow().kept {
            self.write_from(None, 1).await;
            self.close().await;
            self.queue.calm();
            return;
        }
        if self.reopen().await {
            self.queue.calm();
        }
    }

    /// Whether it is open then.
    async fn reopen(&self) -> bool {
        self.close().await;
        let open = self.open.clone();
        let opened = tokio::task::spawn_blocking(move || open()).await;
        let opened = opened.unwrap_or_else(|error| Err(StoreError::broken_off("", &error)));
        let store = opened.inspect_err(|why| self.queue.troubled(why)).ok();
        let is_open = store.is_some();
        self.queue.store.send_replace(store);
        is_open
    }

    /// Whoever reads it has it for so long still. Closing writes, and may block.
    async fn close(&self) {
        if let Some(store) = self.queue.store.send_replace(None) {
            let _ = tokio::task::spawn_blocking(move || drop(store)).await;
        }
    }

    /// Until there is a batch, or its time is up.
    async fn gather(&self) {
        // A clock is set only where none of the others is there already.
        tokio::select! {
            biased;
            () = self.queue.batch.notified() => {}
            () = self.queue.end() => {}
            () = sleep(GATHER) => {}
        }
    }

    /// Writes this one and what waits, as long as so many do.
    async fn write_from(&mut self, first: Option<Arc<Entry>>, least: usize) {
        let mut batch: Vec<_> = first.into_iter().collect();
        loop {
            while batch.len() < BATCH
                && let Ok(entry) = self.waiting.try_recv()
            {
                batch.push(entry);
            }
            if batch.is_empty() {
                return;
            }
            self.put(&batch).await;
            batch.clear();
            if self.waiting.len() < least {
                return;
            }
        }
    }

    /// Writes a batch; one that is refused has a second chance.
    async fn put(&mut self, batch: &[Arc<Entry>]) {
        let mut done = self.append(batch).await;
        if let Err(why) = &done {
            self.queue.troubled(why);
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = self.queue.end() => {}
            }
            // The file may have been moved away, or put right.
            self.reopen().await;
            done = self.append(batch).await;
        }
        match done {
            Ok(()) => self.queue.written(batch.len()),
            Err(why) => {
                self.queue.troubled(&why);
                self.queue.lost(batch.len());
            }
        }
    }

    async fn append(&self, batch: &[Arc<Entry>]) -> Result<(), StoreError> {
        let pace = if self.waiting.len() < BATCH { Pace::GivesWay } else { Pace::InHaste };
        match self.store() {
            Some(store) => store.append(batch, pace).await,
            None => Err(StoreError { place: String::new(), problem: "is not open".to_owned() }),
        }
    }
}
