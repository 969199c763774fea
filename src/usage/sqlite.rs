//! The usage database of one user: a SQLite file in the state directory.
//!
//! One connection writes. Readers have connections of their own that cannot write, so that a long query does not delay
//! writes. All work on the file is done on threads that may block.

mod file;
mod rows;
mod aggregate;
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
use crate::record::RequestId;
use file::database_error;

/// The file's name in the state directory.
pub(super) const FILE_NAME: &str = "ledger.sqlite";

/// The number of concurrent queries. Each has a connection and a thread.
const MAX_READERS: usize = 4;

/// Device and inode number.
type Inode = (u64, u64);

fn read_inode(path: &Path) -> Option<Inode> {
    path.metadata().ok().map(|facts| (facts.dev(), facts.ino()))
}

/// A usage database in a SQLite file.
pub(super) struct SqliteDatabase {
    path: Arc<Path>,
    /// `None` if the file is open for reading only.
    writer: Option<Arc<Mutex<Connection>>>,
    /// The file that was opened.
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
    /// Opens the file for writing. Creates it and its directory if they are missing. It may block.
    ///
    /// # Errors
    /// If it cannot be written, is damaged, is not a usage database, or is of a newer version. It is not changed then.
    pub(super) fn open(directory: &Path) -> Result<Self, DatabaseError> {
        let path = directory.join(FILE_NAME);
        let connection = file::open_for_writing(directory, &path)?;
        let writer = Some(Arc::new(Mutex::new(connection)));
        let file = read_inode(&path);
        Ok(Self { path: path.into(), writer, opened_inode: file, readers: ReaderPool::new(Vec::new()) })
    }

    /// Opens the file for reading. Returns `None` if it does not exist. It may block.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, is not a usage database, or is of another version.
    pub(super) fn read_only(directory: &Path) -> Result<Option<Self>, DatabaseError> {
        let path = directory.join(FILE_NAME);
        if !file::file_exists(&path)? {
            return Ok(None);
        }
        let Some(reader) = file::open_for_reading(&path)? else { return Ok(None) };
        let readers = ReaderPool::new(vec![reader]);
        Ok(Some(Self { path: path.into(), writer: None, opened_inode: None, readers }))
    }

    /// Runs this on a thread that may block, while no other task writes.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let path = self.path.to_path_buf();
        let Some(writer) = self.writer.clone() else {
            return Err(DatabaseError::at_path(&path, "it is open for reading only"));
        };
        let file = self.opened_inode;
        run_blocking(path, move |path| {
            // SQLite would continue with a file that no longer has a name.
            if read_inode(path) != file {
                return Err(DatabaseError::at_path(path, "it was moved away or removed"));
            }
            let mut connection = writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection).map_err(|error| database_error(path, &error))
        })
        .await
    }

    /// Runs this on a thread that may block, with a connection that cannot write.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let readers = self.readers.clone();
        // The semaphore is never closed. If the caller is dropped, the query still completes and holds its
        // permit until then.
        let permit = self.readers.permits.clone().acquire_owned().await;
        run_blocking(self.path.to_path_buf(), move |path| {
            let _permit = permit;
            let idle = readers.lock_idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => file::open_for_reading(path)?
                    .ok_or_else(|| DatabaseError::at_path(path, "its tables are missing"))?,
            };
            let done = work(&connection).map_err(|error| database_error(path, &error))?;
            readers.lock_idle().push(connection);
            Ok(done)
        })
        .await
    }
}

/// Runs this on a thread that may block.
async fn run_blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> Result<T, DatabaseError> + Send + 'static,
) -> Result<T, DatabaseError> {
    let location = path.display().to_string();
    let done = tokio::task::spawn_blocking(move || work(&path)).await;
    done.unwrap_or_else(|error| Err(DatabaseError::task_failed(location, &error)))
}

impl UsageDatabase for SqliteDatabase {
    fn append<'a>(&'a self, batch: &'a [Arc<UsageEntry>]) -> DatabaseFuture<'a, ()> {
        let batch = batch.to_vec();
        Box::pin(self.write(move |connection| rows::append_batch(connection, &batch)))
    }

    fn prune(&self, before: SystemTime) -> DatabaseFuture<'_, u64> {
        Box::pin(async move {
            let mut removed = 0;
            // In steps, so that a waiting batch waits for one of them only.
            loop {
                let step = self.write(move |connection| rows::prune_batch(connection, before)).await?;
                removed += step;
                if step == 0 {
                    break;
                }
            }
            while self.write(|connection| rows::vacuum_pages(connection)).await? {}
            Ok(removed)
        })
    }

    fn query<'a>(&'a self, query: &'a UsageQuery) -> DatabaseFuture<'a, Vec<UsageRow>> {
        let query = query.clone();
        Box::pin(self.read(move |connection| aggregate::aggregate_usage(connection, &query)))
    }

    fn list_before(&self, moment: SystemTime, limit: usize) -> DatabaseFuture<'_, Vec<UsageEntry>> {
        Box::pin(self.read(move |connection| rows::list_before(connection, moment, limit)))
    }

    fn find_request(&self, id: RequestId) -> DatabaseFuture<'_, Option<UsageEntry>> {
        Box::pin(self.read(move |connection| rows::find_request(connection, id)))
    }
}
