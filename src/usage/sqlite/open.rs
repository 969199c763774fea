//! Opens the database file: which files are accepted, its permissions, and the SQLite settings.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use url::Url;

use super::error::database_error;
use super::schema;
use crate::usage::database::DatabaseError;

/// How long another process may hold the file; under the limit that a last flush has.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Behind a checkpoint the write-ahead log is cut to this length, in bytes.
const MAX_WAL_BYTES: i64 = 4 * 1024 * 1024;

/// The library's own mutex is not needed: a connection is used by one thread at a time.
const COMMON_FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// Whether there is a file.
pub(super) fn file_exists(path: &Path) -> Result<bool, DatabaseError> {
    path.try_exists().map_err(|error| DatabaseError::at_path(path, &error.to_string()))
}

/// The connection that writes.
pub(super) fn open_for_writing(directory: &Path, path: &Path) -> Result<Connection, DatabaseError> {
    let refused = |error: std::io::Error| {
        DatabaseError::at_path(
            path,
            &format!(
                "{error}; {} must be a directory that the user who runs the gateway can write",
                directory.display()
            ),
        )
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(refused)?;
    // SQLite gives the files beside it the mode that this one has.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(refused(error)),
        _ => {}
    }
    let opened = Connection::open_with_flags(path, COMMON_FLAGS | OpenFlags::SQLITE_OPEN_READ_WRITE);
    let mut connection = opened.map_err(|error| database_error(path, &error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| database_error(path, &error))?;
    schema::check_compatible(&connection, path)?;
    configure(&connection).map_err(|error| database_error(path, &error))?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// The order matters: the first page of a new file decides whether it can shrink, and the journal's mode writes that page.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // The file is in this mode already, or has no reader yet, so SQLite does not wait for a lock here.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // The bundled library has them on. A request and its attempts are written in one transaction; see `prune`.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "journal_size_limit", MAX_WAL_BYTES)
}

/// A read-only connection. `None` if there are no tables yet.
pub(super) fn open_for_reading(path: &Path) -> Result<Option<Connection>, DatabaseError> {
    let connection = match open_and_check(path, COMMON_FLAGS | OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(error) if is_missing_wal(&error) => open_immutable(path, error)?,
        opened => opened.map_err(|error| database_error(path, &error))?,
    };
    Ok(schema::check_current(&connection, path)?.then_some(connection))
}

/// Opens, and reads something: SQLite opens the files beside it only then.
fn open_and_check(name: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Whether the files beside it are missing and cannot be made.
fn is_missing_wal(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// For a directory that cannot be written: without a log the file is complete, and no process is writing it.
fn open_immutable(path: &Path, error: rusqlite::Error) -> Result<Connection, DatabaseError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_written = fs::metadata(&log).is_ok_and(|facts| facts.len() > 0);
    let unreadable = || database_error(path, &error);
    if is_written {
        return Err(DatabaseError::at_path(
            path,
            "the last requests are in the -wal file beside it, which can only be read by who can write the directory: \
             run this as the user who runs the gateway",
        ));
    }
    let absolute = fs::canonicalize(path).map_err(|_| unreadable())?;
    let mut uri = Url::from_file_path(absolute).map_err(|()| unreadable())?;
    uri.set_query(Some("immutable=1"));
    let flags = COMMON_FLAGS | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    open_and_check(Path::new(uri.as_str()), flags).map_err(|error| database_error(path, &error))
}
