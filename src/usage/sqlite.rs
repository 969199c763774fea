//! The store for one person: one SQLite file in the state directory.
//!
//! One connection writes; what reads has connections of its own that cannot write, so that a long question holds no
//! writing up. All work on the file is done on threads that may block.

mod aggregate;
mod append;
mod error;
mod open;
mod prune;
mod read;
mod schema;
#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::database::{DatabaseError, DatabaseFuture, UsageDatabase, UsageQuery, UsageRow};
use super::entry::UsageEntry;
use super::write_priority::WritePriority;
use crate::record::RequestId;
use error::database_error;

/// The file's name in the state directory.
pub(super) const FILE_NAME: &str = "ledger.sqlite";

/// So many questions are answered at once; each has a connection and a thread.
const MAX_READERS: usize = 4;

/// What a file is called by the kernel: its device and its number.
type Inode = (u64, u64);

fn read_inode(path: &Path) -> Option<Inode> {
    path.metadata().ok().map(|facts| (facts.dev(), facts.ino()))
}

/// A usage database in a SQLite file.
pub(super) struct SqliteDatabase {
    path: Arc<Path>,
    /// `None` where it is open for reading only.
    writer: Option<Arc<Mutex<Connection>>>,
    /// Which file it was when it was opened.
    opened_inode: Option<Inode>,
    readers: Arc<ReaderPool>,
}

/// Connections that cannot write.
struct ReaderPool {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl ReaderPool {
    fn new(idle: Vec<Connection>) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(MAX_READERS)) })
    }

    fn lock_idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SqliteDatabase {
    /// Opens the file for writing; makes it, and its directory, where they are missing. It may block.
    ///
    /// # Errors
    /// When it cannot be written, is damaged, is something else, or is of a newer Moonrelay. It stays as it is then.
    pub(super) fn open(directory: &Path) -> Result<Self, DatabaseError> {
        let path = directory.join(FILE_NAME);
        let connection = open::open_for_writing(directory, &path)?;
        let writer = Some(Arc::new(Mutex::new(connection)));
        let file = read_inode(&path);
        Ok(Self { path: path.into(), writer, opened_inode: file, readers: ReaderPool::new(Vec::new()) })
    }

    /// Opens the file for reading; `None` where there is none. It may block.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, is something else, or is of a newer Moonrelay.
    pub(super) fn read_only(directory: &Path) -> Result<Option<Self>, DatabaseError> {
        let path = directory.join(FILE_NAME);
        if !open::file_exists(&path)? {
            return Ok(None);
        }
        let Some(reader) = open::open_for_reading(&path)? else { return Ok(None) };
        let readers = ReaderPool::new(vec![reader]);
        Ok(Some(Self { path: path.into(), writer: None, opened_inode: None, readers }))
    }

    /// The location of the file.
    fn owned_path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// Runs this on a thread that may block, while no other task writes.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let place = self.owned_path();
        let Some(writer) = self.writer.clone() else {
            return Err(DatabaseError::at_path(&place, "it is open for reading only"));
        };
        let file = self.opened_inode;
        run_blocking(place, move |place| {
            // SQLite would continue with a file that no longer has a name.
            if read_inode(place) != file {
                return Err(DatabaseError::at_path(
                    place,
                    "it was moved away or removed while it was written",
                ));
            }
            let mut connection = writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection).map_err(|error| database_error(place, &error))
        })
        .await
    }

    /// Does this on a thread that may block, with a connection that cannot write.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let readers = self.readers.clone();
        // The semaphore is never closed. If the caller is dropped, the query still completes and holds its
        // permit until then.
        let permit = self.readers.permits.clone().acquire_owned().await;
        run_blocking(self.owned_path(), move |place| {
            let _permit = permit;
            let idle = readers.lock_idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open::open_for_reading(place)?
                    .ok_or_else(|| DatabaseError::at_path(place, "its tables are gone"))?,
            };
            let done = work(&connection).map_err(|error| database_error(place, &error))?;
            readers.lock_idle().push(connection);
            Ok(done)
        })
        .await
    }
}

/// Runs this on a thread where blocking is allowed.
async fn run_blocking<T: Send + 'static>(
    place: PathBuf,
    work: impl FnOnce(&Path) -> Result<T, DatabaseError> + Send + 'static,
) -> Result<T, DatabaseError> {
    let told = place.display().to_string();
    let done = tokio::task::spawn_blocking(move || work(&place)).await;
    done.unwrap_or_else(|error| Err(DatabaseError::task_failed(told, &error)))
}

impl UsageDatabase for SqliteDatabase {
    fn append<'a>(&'a self, batch: &'a [Arc<UsageEntry>], pace: WritePriority) -> DatabaseFuture<'a, ()> {
        let batch = batch.to_vec();
        Box::pin(self.write(move |connection| append::append_batch(connection, &batch, pace)))
    }

    fn prune(&self, before: SystemTime) -> DatabaseFuture<'_, u64> {
        Box::pin(async move {
            let mut removed = 0;
            // In steps, so that what waits to be written waits for one of them only.
            loop {
                let step = self.write(move |connection| prune::prune_batch(connection, before)).await?;
                removed += step;
                if step == 0 {
                    break;
                }
            }
            while self.write(|connection| prune::vacuum_pages(connection)).await? {}
            Ok(removed)
        })
    }

    fn query<'a>(&'a self, question: &'a UsageQuery) -> DatabaseFuture<'a, Vec<UsageRow>> {
        let question = question.clone();
        Box::pin(self.read(move |connection| aggregate::aggregate_usage(connection, &question)))
    }

    fn list_before(&self, moment: SystemTime, limit: usize) -> DatabaseFuture<'_, Vec<UsageEntry>> {
        Box::pin(self.read(move |connection| read::list_before(connection, moment, limit)))
    }

    fn find_request(&self, id: RequestId) -> DatabaseFuture<'_, Option<UsageEntry>> {
        Box::pin(self.read(move |connection| read::find_request(connection, id)))
    }
}
