//! One change of a login at a time, whichever process makes it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::{LoginFile, file};

/// Leave to change a login. It ends when this is dropped, or with the process.
pub struct LoginLock(File);

impl LoginLock {
    /// A login began or ended: who watches the file learns it. It is written in place, because the lock is on it.
    pub(super) fn write_marker(&self, word: &str) -> io::Result<()> {
        let mut file = &self.0;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{word}")
    }
}

impl LoginFile {
    /// Leave to change the login; `None` while another has it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn try_lock(&self) -> io::Result<Option<LoginLock>> {
        file::create_directory(&self.directory)?;
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.lock_path())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(LoginLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            // A file system that knows no locks: there it is no worse than without.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                Ok(Some(LoginLock(file)))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
