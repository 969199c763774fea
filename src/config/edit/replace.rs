//! Whole files: units, a configuration that is imported, the file with secrets.

use std::io;
use std::path::Path;

use super::{EditError, SaveOutcome, atomic_write, backup, find_manager, lock};
use crate::config::environment::Environment;

/// Writes or replaces a file atomically.
///
/// # Errors
/// When the file is managed externally, or when it cannot be written.
pub fn replace_file(path: &Path, text: &str, environment: &Environment) -> Result<(), EditError> {
    change_file(path, environment, |_| atomic_write::write_atomically(path, text))
}

/// As [`replace_file`], for a whole configuration. A file with the same content is not touched; different
/// content is kept.
///
/// # Errors
/// When the file is managed externally, or when it cannot be written.
pub fn replace_config(path: &Path, text: &str, environment: &Environment) -> Result<SaveOutcome, EditError> {
    change_file(path, environment, |before| {
        if before == Some(text.as_bytes()) {
            return Ok(SaveOutcome::Unchanged);
        }
        let backup = before.map(|before| backup::back_up(path, before)).transpose()?;
        atomic_write::write_atomically(path, text)?;
        Ok(SaveOutcome::Written { backup })
    })
}

/// Changes a file under the lock. `change` gets its content, or `None` if the file does not exist.
pub(super) fn change_file<T>(
    path: &Path,
    environment: &Environment,
    change: impl FnOnce(Option<&[u8]>) -> io::Result<T>,
) -> Result<T, EditError> {
    if let Some(managed) = find_manager(path, environment) {
        return Err(EditError::Managed(managed));
    }
    let failed = |source| EditError::File { path: path.to_owned(), source };
    atomic_write::create_directory(path).map_err(failed)?;
    let lock = lock::lock_directory(path);
    let before = match std::fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed(source)),
    };
    let changed = change(before.as_deref()).map_err(failed);
    drop(lock);
    changed
}
