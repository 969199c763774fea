//! What SQLite says, with what to do about it.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::usage::database::DatabaseError;

impl DatabaseError {
    /// Of a file.
    pub(in crate::usage) fn at_path(path: &Path, problem: &str) -> Self {
        Self { location: path.display().to_string(), problem: problem.to_owned() }
    }

    /// The directory does not exist.
    pub(in crate::usage) fn no_directory() -> Self {
        let problem =
            "it has no directory: set HOME, XDG_STATE_HOME or STATE_DIRECTORY, or usage.store to \"none\"";
        Self { location: super::FILE_NAME.to_owned(), problem: problem.to_owned() }
    }

    /// The thread that worked on it did not come back.
    pub(in crate::usage) fn task_failed(place: impl Into<String>, error: &tokio::task::JoinError) -> Self {
        Self { location: place.into(), problem: format!("the work on it broke off: {error}") }
    }
}

/// An error of SQLite as a person can use it.
pub(super) fn database_error(path: &Path, error: &rusqlite::Error) -> DatabaseError {
    DatabaseError::at_path(path, &describe_error(path, error))
}

fn describe_error(path: &Path, error: &rusqlite::Error) -> String {
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
