//! The one task that writes. It writes in batches, outside request handling.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::database::{DatabaseError, UsageDatabase};
use super::entry::UsageEntry;
use super::queue::{MAX_BATCH, UsageQueue};
use super::retention;

/// How long the first entry of a batch waits for more entries, unless a reader asks the writer to hurry. A
/// batch costs one transaction.
const BATCH_DELAY: Duration = Duration::from_millis(200);

/// How long a rejected batch waits for its second and last attempt.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How long the writer waits before it opens the database again.
const REOPEN_DELAY: Duration = Duration::from_secs(60);

/// Opens the database. It may block.
pub(super) type OpenDatabase = Arc<dyn Fn() -> Result<Arc<dyn UsageDatabase>, DatabaseError> + Send + Sync>;

/// Writes the entries of a [`super::UsageStore`] to the database.
pub struct UsageWriter {
    pub(super) queue: Arc<UsageQueue>,
    pub(super) receiver: mpsc::Receiver<Arc<UsageEntry>>,
    pub(super) open: OpenDatabase,
}

impl UsageWriter {
    /// Writes until the store is closed, and then writes the remaining entries.
    pub async fn run(mut self) {
        let queue = self.queue.clone();
        tokio::select! {
            () = retention::run(&queue) => {}
            () = self.run_loop() => {}
        }
    }

    async fn run_loop(&mut self) {
        let queue = self.queue.clone();
        let mut usage = queue.settings.subscribe();
        self.apply_settings().await;
        loop {
            let (is_open, is_enabled) = (self.database().is_some(), usage.borrow().is_enabled);
            tokio::select! {
                biased;
                () = queue.wait_until_closed() => break,
                _ = usage.changed() => self.apply_settings().await,
                Some(first) = self.receiver.recv(), if is_open => {
                    self.wait_for_batch().await;
                    self.write_batches(Some(first), MAX_BATCH).await;
                }
                () = sleep(REOPEN_DELAY), if is_enabled && !is_open => self.apply_settings().await,
            }
        }
        self.receiver.close();
        if self.database().is_none() && !self.receiver.is_empty() {
            self.apply_settings().await;
        }
        self.write_batches(None, 1).await;
        self.close().await;
    }

    fn database(&self) -> Option<Arc<dyn UsageDatabase>> {
        self.queue.database.borrow().clone()
    }

    /// Applies the current settings: reopens the database (the user may have repaired the file), or closes it.
    async fn apply_settings(&mut self) {
        if !self.queue.settings.borrow().is_enabled {
            self.write_batches(None, 1).await;
            self.close().await;
            self.queue.clear_error();
            return;
        }
        if self.reopen().await {
            self.queue.clear_error();
        }
    }

    /// Returns whether the database is open.
    async fn reopen(&self) -> bool {
        self.close().await;
        let open = self.open.clone();
        let opened = tokio::task::spawn_blocking(move || open()).await;
        let opened = opened.unwrap_or_else(|error| Err(DatabaseError::task_failed("", &error)));
        let database = opened.inspect_err(|why| self.queue.record_error(why)).ok();
        let is_open = database.is_some();
        self.queue.database.send_replace(database);
        is_open
    }

    /// A reader keeps the database open until it has finished. Closing writes, and may block.
    async fn close(&self) {
        if let Some(database) = self.queue.database.send_replace(None) {
            let _ = tokio::task::spawn_blocking(move || drop(database)).await;
        }
    }

    /// Resolves when a batch is complete, or after [`BATCH_DELAY`].
    async fn wait_for_batch(&self) {
        tokio::select! {
            biased;
            () = self.queue.batch_ready.notified() => {}
            () = self.queue.wait_until_closed() => {}
            () = sleep(BATCH_DELAY) => {}
        }
    }

    /// Writes this entry and the waiting ones, until fewer than `least` wait.
    async fn write_batches(&mut self, first: Option<Arc<UsageEntry>>, least: usize) {
        let mut batch: Vec<_> = first.into_iter().collect();
        loop {
            while batch.len() < MAX_BATCH
                && let Ok(entry) = self.receiver.try_recv()
            {
                batch.push(entry);
            }
            if batch.is_empty() {
                return;
            }
            self.write_batch(&batch).await;
            batch.clear();
            if self.receiver.len() < least {
                return;
            }
        }
    }

    /// Writes a batch. A rejected batch is retried once.
    async fn write_batch(&mut self, batch: &[Arc<UsageEntry>]) {
        let mut done = self.append(batch).await;
        if let Err(why) = &done {
            self.queue.record_error(why);
            tokio::select! {
                () = sleep(RETRY_DELAY) => {}
                () = self.queue.wait_until_closed() => {}
            }
            // The user may have moved or repaired the file.
            self.reopen().await;
            done = self.append(batch).await;
        }
        if let Err(why) = &done {
            self.queue.record_error(why);
        }
        self.queue.record_batch(batch.len(), done.is_ok());
    }

    async fn append(&self, batch: &[Arc<UsageEntry>]) -> Result<(), DatabaseError> {
        match self.database() {
            Some(database) => database.append(batch).await,
            None => Err(DatabaseError { location: String::new(), problem: "is not open".to_owned() }),
        }
    }
}
