//! One edit at a time: two that read the same file would each write it without the other's change.

use std::fs::File;
use std::io;
use std::path::Path;

use super::atomic_write::{directory_of, resolve_links};

/// Waits until nobody else edits files of this directory. The lock is on the directory itself, as the file is replaced
/// and nothing shall be left beside it; it ends with the file handle. `None` where there is no directory yet, or the
/// file system knows no locks: an edit goes on without.
pub(super) fn lock_directory(path: &Path) -> Option<File> {
    let target = resolve_links(path).ok()?;
    if target.starts_with(super::atomic_write::NIX_STORE) {
        return None;
    }
    let directory = File::open(directory_of(&target)).ok()?;
    loop {
        match directory.lock() {
            Ok(()) => return Some(directory),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
