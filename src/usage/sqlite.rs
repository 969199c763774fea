//! The store for one person: one SQLite file in the state directory.
//!
//! One connection writes; what reads has connections of its own that cannot write, so that a long question holds no
//! writing up. All work on the file is done on threads that may block.

mod append;
mod open;
mod prune;
mod read;
mod schema;
mod sums;
#[cfg(test)]
mod tests;
mod trouble;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::entry::Entry;
use super::pace::Pace;
use super::store::{Pending, Question, Store, StoreError, Sum};
use crate::record::RequestId;
use trouble::trouble;

/// The file's name in the state directory.
pub(super) const FILE: &str = "ledger.sqlite";

/// So many questions are answered at once; each has a connection and a thread.
const READERS: usize = 4;

/// What a file is called by the kernel: its device and its number.
type Inode = (u64, u64);

fn inode(path: &Path) -> Option<Inode> {
    path.metadata().ok().map(|facts| (facts.dev(), facts.ino()))
}

/// A ledger in a file.
pub(super) struct Sqlite {
    path: Arc<Path>,
    /// `None` where it is open for reading only.
    writer: Option<Arc<Mutex<Connection>>>,
    /// Which file it was when it was opened.
    file: Option<Inode>,
    readers: Arc<Readers>,
}

/// Connections that cannot write.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    fn new(idle: Vec<Connection>) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(READERS)) })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sqlite {
    /// Opens the file for writing; makes it, and its directory, where they are missing. It may block.
    ///
    /// # Errors
    /// When it cannot be written, is damaged, is something else, or is of a newer Moonrelay. It stays as it is then.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let connection = open::writing(directory, &path)?;
        let writer = Some(Arc::new(Mutex::new(connection)));
        let file = inode(&path);
        Ok(Self { path: path.into(), writer, file, readers: Readers::new(Vec::new()) })
    }

    /// Opens the file for reading; `None` where there is none. It may block.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, is something else, or is of a newer Moonrelay.
    pub(super) fn read_only(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE);
        if !open::exists(&path)? {
            return Ok(None);
        }
        let Some(reader) = open::reading(&path)? else { return Ok(None) };
        let readers = Readers::new(vec![reader]);
        Ok(Some(Self { path: path.into(), writer: None, file: None, readers }))
    }

    /// Where it stands.
    fn place(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// Does this on a thread that may block, while nobody else writes.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.place();
        let Some(writer) = self.writer.clone() else {
            return Err(StoreError::at(&place, "it is open for reading only"));
        };
        let file = self.file;
        blocking(place, move |place| {
            // SQLite would go on with a file that nobody finds.
            if inode(place) != file {
                return Err(StoreError::at(place, "it was moved away or removed while it was written"));
            }
            let mut connection = writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection).map_err(|error| trouble(place, &error))
        })
        .await
    }

    /// Does this on a thread that may block, with a connection that cannot write.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.readers.clone();
        // It is never closed. Who asked may go away; the question is answered all the same, and takes its place until then.
        let permit = self.readers.permits.clone().acquire_owned().await;
        blocking(self.place(), move |place| {
            let _permit = permit;
            let idle = readers.idle().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open::reading(place)?.ok_or_else(|| StoreError::at(place, "its tables are gone"))?,
            };
            let done = work(&connection).map_err(|error| trouble(place, &error))?;
            readers.idle().push(connection);
            Ok(done)
        })
        .await
    }
}

/// Runs this where blocking is no harm.
async fn blocking<T: Send + 'static>(
    place: PathBuf,
    work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let told = place.display().to_string();
    let done = tokio::task::spawn_blocking(move || work(&place)).await;
    done.unwrap_or_else(|error| Err(StoreError::broken_off(told, &error)))
}

impl Store for Sqlite {
    fn append<'a>(&'a self, batch: &'a [Arc<Entry>], pace: Pace) -> Pending<'a, ()> {
        let batch = batch.to_vec();
        Box::pin(self.write(move |connection| append::batch(connection, &batch, pace)))
    }

    fn prune(&self, before: SystemTime) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut removed = 0;
            // In steps, so that what waits to be written waits for one of them only.
            loop {
                let step = self.write(move |connection| prune::step(connection, before)).await?;
                removed += step;
                if step == 0 {
                    break;
                }
            }
            while self.write(|connection| prune::give_back(connection)).await? {}
            Ok(removed)
        })
    }

    fn sums<'a>(&'a self, question: &'a Question) -> Pending<'a, Vec<Sum>> {
        let question = question.clone();
        Box::pin(self.read(move |connection| sums::sums(connection, &question)))
    }

    fn before(&self, moment: SystemTime, limit: usize) -> Pending<'_, Vec<Entry>> {
        Box::pin(self.read(move |connection| read::before(connection, moment, limit)))
    }

    fn request(&self, id: RequestId) -> Pending<'_, Option<Entry>> {
        Box::pin(self.read(move |connection| read::request(connection, id)))
    }
}
