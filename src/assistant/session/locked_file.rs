//! A session's file while a turn has locked it: one writer at a time, complete lines or nothing.
//!
//! The lock is the kernel's (`flock`), on the file itself, so it ends with its process in any case. Written data
//! survives SIGKILL at once, and a power loss after [`LockedFile::sync`].

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Readable by its owner only, because it stores the user's prompts and the answers.
const FILE_MODE: u32 = 0o600;

/// A locked file, open for reading and appending.
#[derive(Debug)]
pub(super) struct LockedFile {
    file: File,
    pub(super) path: PathBuf,
    /// The disk may not have the file's name yet.
    is_new: bool,
}

impl LockedFile {
    /// Opens or creates the file and locks it. While another turn holds the lock, this waits on a blocking thread,
    /// and calls `waiting` once.
    pub(super) async fn lock(path: &Path, waiting: impl FnOnce() + Send) -> io::Result<Self> {
        let mut waiting = Some(waiting);
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            let file = match file.try_lock() {
                Ok(()) => file,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    let locked = tokio::task::spawn_blocking(move || wait_for_lock(file)).await;
                    locked.map_err(io::Error::other)??
                }
            };
            let metadata = file.metadata()?;
            let locked = Self { file, path: path.to_owned(), is_new: metadata.len() == 0 };
            // The previous holder may have deleted it, or another process may have replaced it.
            if locked.is_at_path()? {
                if metadata.mode() & 0o077 != 0 {
                    locked.file.set_permissions(Permissions::from_mode(FILE_MODE))?;
                }
                return Ok(locked);
            }
        }
    }

    /// Locks an existing file; `None` if another process has locked or replaced it.
    pub(super) fn try_lock(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let locked = Self { file, path: path.to_owned(), is_new: false };
        Ok(locked.is_at_path()?.then_some(locked))
    }

    /// Whether the path still names this file. A symbolic link is followed, because the file was opened through it.
    fn is_at_path(&self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The content from an offset on.
    pub(super) fn read_from(&self, offset: u64) -> io::Result<Vec<u8>> {
        let rest = self.length()?.saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(rest).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Appends all of it, or leaves the file as it was.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = self.length()?;
        if !self.is_at_path()? {
            return Err(io::Error::other("it was deleted or renamed while a turn held it"));
        }
        self.file.write_all(bytes).map_err(|error| match self.file.set_len(length) {
            Ok(()) => error,
            Err(other) => io::Error::new(
                error.kind(),
                format!(
                    "{error}; what was written of the line could not be taken back ({other}) and will be skipped"
                ),
            ),
        })
    }

    /// Syncs the file to disk, and the name of a new one. A file system without support for that is not an error.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let synced = self.file.sync_data().and_then(|()| match self.path.parent().filter(|_| self.is_new) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        });
        self.is_new = false;
        match synced {
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            synced => synced,
        }
    }

    /// Deletes the file. A process that waits for it notices and creates another one. A file that another
    /// process has put in its place is kept.
    pub(super) fn delete(&self) -> io::Result<()> {
        if self.is_at_path()? { std::fs::remove_file(&self.path) } else { Ok(()) }
    }
}

impl Drop for LockedFile {
    /// Unlocks explicitly: a child process that is being started may still have a copy of the descriptor.
    fn drop(&mut self) {
        // Otherwise the lock ends with the last descriptor.
        let _ = self.file.unlock();
    }
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
