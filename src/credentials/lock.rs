//! Only one process at a time changes a login.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::{LoginFile, file};

/// A lock on changes to a login. It ends when this is dropped, or with the process.
pub struct LoginLock(File);

impl LoginLock {
    /// Notifies watchers of the file that a login began or ended. It is written in place, because the lock is
    /// on it.
    pub(super) fn write_marker(&self, word: &str) -> io::Result<()> {
        let mut file = &self.0;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{word}")
    }
}

impl LoginFile {
    /// Takes the lock on changes to the login; `None` while it is held elsewhere.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn try_lock(&self) -> io::Result<Option<LoginLock>> {
        file::create_directory(&self.directory)?;
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.lock_path())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(LoginLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            // The file system does not support locks: continue without one.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                Ok(Some(LoginLock(file)))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
