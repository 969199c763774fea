//! One edit at a time: two that read the same file would each write it without the other's change.

use std::fs::File;
use std::io;
use std::path::Path;

use super::write::{directory_of, link_target};

/// Waits until nobody else edits files of this directory. The lock is on the directory itself, as the file is replaced
/// and nothing shall be left beside it; it ends with the file handle. `None` where there is no directory yet, or the
/// file system knows no locks: an edit goes on without.
pub(super) fn of(path: &Path) -> Option<File> {
    let target = link_target(path).ok()?;
    if target.starts_with(super::write::STORE) {
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
