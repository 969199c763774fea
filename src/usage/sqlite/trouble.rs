//! What SQLite says, with what to do about it.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::usage::store::StoreError;

impl StoreError {
    /// Of a file.
    pub(in crate::usage) fn at(path: &Path, problem: &str) -> Self {
        Self { place: path.display().to_string(), problem: problem.to_owned() }
    }

    /// There is no directory for it.
    pub(in crate::usage) fn nowhere() -> Self {
        let problem =
            "it has no directory: set HOME, XDG_STATE_HOME or STATE_DIRECTORY, or usage.store to \"none\"";
        Self { place: super::FILE.to_owned(), problem: problem.to_owned() }
    }

    /// The thread that worked on it did not come back.
    pub(in crate::usage) fn broken_off(place: impl Into<String>, error: &tokio::task::JoinError) -> Self {
        Self { place: place.into(), problem: format!("the work on it broke off: {error}") }
    }
}

/// An error of SQLite as a person can use it.
pub(super) fn trouble(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::at(path, &told(path, error))
}

fn told(path: &Path, error: &rusqlite::Error) -> String {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            "it is no SQLite database; move it away, and the gateway begins a new one when it starts or reloads"
                .to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => format!(
            "it is damaged ({error}); move it away with {shown}-wal and {shown}-shm, and the gateway begins a new one \
             when it starts or reloads; `sqlite3 FILE .recover` reads what is left in the old one"
        ),
        Some(ErrorCode::DiskFull) => "the disk is full, or its quota is used up; make room".to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "{error}; the file and its directory must belong to the user who runs the gateway, and let that user write"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("another process holds it ({error}); it is tried again")
        }
        _ => error.to_string(),
    }
}
