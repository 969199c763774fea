//! A session's file while a turn holds it: one writer at a time, whole lines or nothing.
//!
//! The lock is the kernel's (`flock`), on the file itself: it ends with its process, however that ends. What was
//! written is safe from SIGKILL at once, as the kernel has it then; from a power loss it is safe after [`Held::sync`].

use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};

/// Readable by its owner only, because it stores the user's prompts and the answers.
const FILE_MODE: u32 = 0o600;

/// A file that is locked, open to be read and appended to.
#[derive(Debug)]
pub(super) struct LockedFile {
    file: File,
    path: PathBuf,
    name_durability: NameDurability,
}

/// Whether the disk has the file's name; what it has of a file without one is lost with the power.
#[derive(Debug)]
enum NameDurability {
    /// It was there before.
    Durable,
    /// The file is new.
    New,
    /// A thread has the disk keep it, while the model answers.
    Syncing(JoinHandle<io::Result<()>>),
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inode(u64, u64);

impl Inode {
    fn from_metadata(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }

    /// Of the file now at a path. A symbolic link is followed, because the file was opened through it.
    fn at_path(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::from_metadata(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl LockedFile {
    /// Opens the file, made where there is none, and locks it. While another turn holds it this waits on a thread that
    /// may block, and calls `waiting` once.
    pub(super) async fn lock(path: &Path, waiting: impl FnOnce() + Send) -> io::Result<Self> {
        let mut waiting = Some(waiting);
        loop {
            let file = open_file(path)?;
            let file = match file.try_lock() {
                Ok(()) => file,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    tokio::task::spawn_blocking(move || wait_for_lock(file))
                        .await
                        .map_err(io::Error::other)??
                }
            };
            // The previous holder may have deleted it, or another process may have replaced it.
            let metadata = file.metadata()?;
            if Inode::at_path(path)? == Some(Inode::from_metadata(&metadata)) {
                if metadata.mode() & 0o077 != 0 {
                    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
                }
                let name = if metadata.len() == 0 { NameDurability::New } else { NameDurability::Durable };
                return Ok(Self { file, path: path.to_owned(), name_durability: name });
            }
        }
    }

    /// The file that is there, locked; `None` where there is none, or where another one holds it.
    pub(super) fn try_lock(path: &Path) -> io::Result<Result<Self, LockError>> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err(LockError::NotFound)),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(LockError::Locked)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let ours = Inode::from_metadata(&file.metadata()?);
        Ok(match Inode::at_path(path)? {
            Some(there) if there == ours => {
                Ok(Self { file, path: path.to_owned(), name_durability: NameDurability::Durable })
            }
            Some(_) => Err(LockError::Locked),
            None => Err(LockError::NotFound),
        })
    }

    pub(super) fn inode(&self) -> io::Result<Inode> {
        Ok(Inode::from_metadata(&self.file.metadata()?))
    }

    /// The content from an offset on.
    pub(super) fn read_from(&self, place: u64) -> io::Result<Vec<u8>> {
        let rest = self.file.metadata()?.len().saturating_sub(place);
        self.read_range(place, usize::try_from(rest).map_err(io::Error::other)?)
    }

    pub(super) fn read_range(&self, place: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, place)?;
        Ok(bytes)
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Appends all of it, or leaves the file as it was.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let metadata = self.file.metadata()?;
        if Inode::at_path(&self.path)? != Some(Inode::from_metadata(&metadata)) {
            return Err(io::Error::other("it was deleted or renamed while a turn held it"));
        }
        self.file.write_all(bytes).map_err(|error| match self.file.set_len(metadata.len()) {
            Ok(()) => error,
            Err(other) => io::Error::new(
                error.kind(),
                format!(
                    "{error}; what was written of the line could not be taken back ({other}) and will be skipped"
                ),
            ),
        })?;
        if matches!(self.name_durability, NameDurability::New) {
            let path = self.path.clone();
            let keeps = Builder::new().spawn(move || sync_directory(&path));
            self.name_durability = keeps.map_or(NameDurability::New, NameDurability::Syncing);
        }
        Ok(())
    }

    /// Has the disk keep what was written. A file system that cannot promise that is not blamed for it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let name = match std::mem::replace(&mut self.name_durability, NameDurability::Durable) {
            NameDurability::Durable => Ok(()),
            NameDurability::New => sync_directory(&self.path),
            NameDurability::Syncing(keeps) => keeps.join().unwrap_or_else(|_| sync_directory(&self.path)),
        };
        match self.file.sync_data().and(name) {
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            done => done,
        }
    }

    /// Deletes the file. A process that waits for it notices and creates another one. A file that another
    /// process has put in its place is kept.
    pub(super) fn delete(&self) -> io::Result<()> {
        match Inode::at_path(&self.path)? == Some(self.inode()?) {
            true => std::fs::remove_file(&self.path),
            false => Ok(()),
        }
    }
}

impl Drop for LockedFile {
    /// The lock would end with the file's last descriptor, and a process that is being started has one of them until
    /// it runs a program of its own.
    fn drop(&mut self) {
        // It ends with the descriptors then.
        let _ = self.file.unlock();
    }
}

/// Why a file is not locked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockError {
    NotFound,
    Locked,
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no file")),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn wait_for_lock(file: File) -> io::Result<File> {
    loop {
        match file.lock() {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
