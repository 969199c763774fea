//! The database file: opening and configuring it, its tables and their migrations, and its errors for users.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use url::Url;

use crate::usage::database::DatabaseError;

/// How long to wait for another process that holds the file. Shorter than the time limit of a stop.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A checkpoint truncates the write-ahead log to this length, in bytes.
const MAX_WAL_BYTES: i64 = 4 * 1024 * 1024;

/// The library's own mutex is not needed: a connection is used by one thread at a time.
const COMMON_FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// Marks the file as ours (`PRAGMA application_id`): "Moon".
const APPLICATION_ID: i64 = 0x4d6f_6f6e;

/// The tables of a new file, in the current version.
const TABLES: &str = include_str!("schema/tables.sql");

/// Migrations to the next version, beginning with version 1. A released one is never changed; another one is added.
const MIGRATIONS: &[&str] = &[include_str!("schema/1-to-2.sql"), include_str!("schema/2-to-3.sql")];

/// The version of the tables.
const CURRENT_VERSION: usize = MIGRATIONS.len() + 1;

/// Whether the file exists.
pub(super) fn file_exists(path: &Path) -> Result<bool, DatabaseError> {
    path.try_exists().map_err(|error| DatabaseError::at_path(path, &error.to_string()))
}

/// Opens the connection for writing. Creates the file and its directory if they are missing.
pub(super) fn open_for_writing(directory: &Path, path: &Path) -> Result<Connection, DatabaseError> {
    let refused = |error: std::io::Error| {
        let directory = directory.display();
        let problem =
            format!("{error}. {directory} must be a directory that the user of the gateway can write");
        DatabaseError::at_path(path, &problem)
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(refused)?;
    // SQLite creates the -wal and -shm files with the mode of this one.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(refused(error)),
        _ => {}
    }
    let opened = Connection::open_with_flags(path, COMMON_FLAGS | OpenFlags::SQLITE_OPEN_READ_WRITE);
    let mut connection = opened.map_err(|error| database_error(path, &error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| database_error(path, &error))?;
    // Before anything is changed.
    read_version(&connection, path)?;
    configure(&connection).map_err(|error| database_error(path, &error))?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// The order matters: the first page of a new file decides whether it can shrink, and the journal mode writes that page.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // The file is in this mode already, or has no reader yet, so SQLite does not wait for a lock here.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // The bundled library enables them. A request and its attempts are written in one transaction; see `prune_batch`.
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "journal_size_limit", MAX_WAL_BYTES)
}

/// A read-only connection. `None` if there are no tables yet.
pub(super) fn open_for_reading(path: &Path) -> Result<Option<Connection>, DatabaseError> {
    let connection = match open_and_check(path, COMMON_FLAGS | OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(error) if is_missing_wal(&error) => open_immutable(path, error)?,
        opened => opened.map_err(|error| database_error(path, &error))?,
    };
    match read_version(&connection, path)? {
        0 => Ok(None),
        CURRENT_VERSION => Ok(Some(connection)),
        // A reader cannot migrate it.
        _ => Err(DatabaseError::at_path(
            path,
            "an older Moonrelay wrote it. Start the gateway once to migrate it",
        )),
    }
}

/// Opens the file and reads from it: SQLite opens the -wal and -shm files only then.
fn open_and_check(name: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Whether the -wal and -shm files are missing and cannot be created.
fn is_missing_wal(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// For a directory that cannot be written: without a write-ahead log the file is complete, and no process writes it.
fn open_immutable(path: &Path, error: rusqlite::Error) -> Result<Connection, DatabaseError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_written = fs::metadata(&log).is_ok_and(|facts| facts.len() > 0);
    let unreadable = || database_error(path, &error);
    if is_written {
        return Err(DatabaseError::at_path(
            path,
            "the last requests are in its -wal file, and reading that needs write permission for the directory: run \
             this command as the user of the gateway",
        ));
    }
    let absolute = fs::canonicalize(path).map_err(|_| unreadable())?;
    let mut uri = Url::from_file_path(absolute).map_err(|()| unreadable())?;
    uri.set_query(Some("immutable=1"));
    let flags = COMMON_FLAGS | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    open_and_check(Path::new(uri.as_str()), flags).map_err(|error| database_error(path, &error))
}

/// The version of the tables; 0 if there are none yet: a starting gateway has created the file and is about to create
/// them. Rejects files of other programs and of newer versions.
fn read_version(connection: &Connection, path: &Path) -> Result<usize, DatabaseError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    };
    let (application_id, version, tables) = read().map_err(|error| database_error(path, &error))?;
    if application_id != APPLICATION_ID && (application_id, tables) != (0, 0) {
        return Err(DatabaseError::at_path(
            path,
            "it is the database of another program. Move it away; the gateway creates a new one when it starts or \
             reloads",
        ));
    }
    usize::try_from(version).ok().filter(|version| *version <= CURRENT_VERSION).ok_or_else(|| {
        let problem = format!(
            "its tables have version {version}, and this Moonrelay supports {CURRENT_VERSION}. Use the newer Moonrelay \
             that wrote it, or move the file away; the gateway creates a new one when it starts or reloads"
        );
        DatabaseError::at_path(path, &problem)
    })
}

/// Creates the tables of a new file, or migrates an older one, one version per transaction.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), DatabaseError> {
    let failed = |error: rusqlite::Error| database_error(path, &error);
    let found = read_version(connection, path)?;
    if (1..CURRENT_VERSION).contains(&found) {
        back_up(connection, path, found)?;
    }
    loop {
        // Another process may do the same, so the version is read while no other process can write.
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let (text, version) = match read_version(&transaction, path)? {
            0 => (TABLES, CURRENT_VERSION),
            CURRENT_VERSION => return Ok(()),
            version => (MIGRATIONS[version - 1], version + 1),
        };
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        transaction.execute_batch(text).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.pragma_update(None, "user_version", version).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
}

/// A copy for users who go back to the Moonrelay version that wrote it. An existing copy is left as it is.
fn back_up(connection: &Connection, path: &Path, version: usize) -> Result<(), DatabaseError> {
    let copy = path.with_file_name(format!("ledger.{version}.sqlite"));
    if copy.exists() {
        return Ok(());
    }
    // A copy under another name is renamed, so that the copy is complete or missing.
    let draft = copy.with_extension("sqlite.new");
    let refused = |error: std::io::Error| DatabaseError::at_path(&copy, &error.to_string());
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(refused(error)),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(refused)?;
    let copied = connection.execute("VACUUM INTO ?1", [draft.to_string_lossy()]);
    copied.map_err(|error| database_error(&draft, &error))?;
    fs::rename(&draft, &copy).map_err(refused)
}

/// An error of SQLite with the fix.
pub(super) fn database_error(path: &Path, error: &rusqlite::Error) -> DatabaseError {
    DatabaseError::at_path(path, &describe_error(path, error))
}

fn describe_error(path: &Path, error: &rusqlite::Error) -> String {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            "it is not a SQLite database. Move it away; the gateway creates a new one when it starts or reloads"
                .to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => format!(
            "it is damaged ({error}). Move it away with {shown}-wal and {shown}-shm; the gateway creates a new one when \
             it starts or reloads. `sqlite3 FILE .recover` reads what is left in the old one"
        ),
        Some(ErrorCode::DiskFull) => "the disk or the quota is full. Free some space; writes resume automatically".to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "{error}. The file and its directory must belong to the user of the gateway and be writable for that user"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("another process holds it ({error}); the gateway retries")
        }
        _ => error.to_string(),
    }
}
