//! One edit at a time: two that read the same file would each write it without the other's change.

use std::fs::File;
use std::io;
use std::path::Path;

use super::atomic_write::{directory_of, resolve_links};

/// Waits until no other process edits files of this directory. The lock is on the directory itself, because the
/// file is replaced and no lock file must be left beside it. It ends with the file handle. `None` if the
/// directory does not exist yet, or the file system does not support locks: an edit continues without one.
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
