//! The tables, and how those of an older version become those of this one.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::database_error;
use crate::usage::database::DatabaseError;

/// Marks the file as ours (`PRAGMA application_id`): "Moon".
const APPLICATION_ID: i64 = 0x4d6f_6f6e;

/// The tables of a new file, which has the newest version.
const TABLES: &str = include_str!("schema/tables.sql");

/// Each makes of a version, of the first one first, the next one. One that was released is never changed; another one is
/// added.
const MIGRATIONS: &[&str] = &[include_str!("schema/1-to-2.sql")];

/// What a file has behind all of them.
const CURRENT_VERSION: usize = MIGRATIONS.len() + 1;

/// What is in the file.
struct FileInfo {
    application_id: i64,
    version: i64,
    is_empty: bool,
}

impl FileInfo {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(Self {
            application_id: pragma("application_id")?,
            version: pragma("user_version")?,
            is_empty: tables == 0,
        })
    }

    /// The version of its tables; 0 where it has none.
    fn check_version(&self, path: &Path) -> Result<usize, DatabaseError> {
        let is_ours = self.application_id == APPLICATION_ID || (self.is_empty && self.application_id == 0);
        if !is_ours {
            return Err(DatabaseError::at_path(
                path,
                "it is the database of another program; move it away, and the gateway begins a new one when it \
                 starts or reloads",
            ));
        }
        usize::try_from(self.version).ok().filter(|version| *version <= CURRENT_VERSION).ok_or_else(|| {
            let version = self.version;
            DatabaseError::at_path(
                path,
                &format!(
                    "it has version {version} of the tables, and this Moonrelay knows {CURRENT_VERSION}: use the newer Moonrelay \
                     that wrote it, or move the file away, and the gateway begins a new one when it starts or reloads"
                ),
            )
        })
    }
}

/// Refuses what is not ours, or of a newer version, before anything is changed.
pub(super) fn check_compatible(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    let found = FileInfo::read(connection).map_err(|error| database_error(path, &error))?;
    found.check_version(path).map(|_| ())
}

/// Rejects a file of another version: a reader cannot migrate it.
///
/// Returns false if there are no tables yet: a starting gateway has created the file and is about to create
/// them.
pub(super) fn check_current(connection: &Connection, path: &Path) -> Result<bool, DatabaseError> {
    let found = FileInfo::read(connection).map_err(|error| database_error(path, &error))?;
    let version = found.check_version(path)?;
    if version == CURRENT_VERSION || (version == 0 && found.is_empty) {
        return Ok(version > 0);
    }
    Err(DatabaseError::at_path(
        path,
        "an older Moonrelay wrote it; start the gateway once, which brings it up to date",
    ))
}

/// Makes the tables of a new file, and brings another up to date, one version at a time; each as a whole or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), DatabaseError> {
    let failed = |error: rusqlite::Error| database_error(path, &error);
    let found = FileInfo::read(connection).map_err(failed)?.check_version(path)?;
    if (1..CURRENT_VERSION).contains(&found) {
        back_up(connection, path, found)?;
    }
    loop {
        // Another process may do the same, so the version is read while no other process can write.
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let (text, version) = match FileInfo::read(&transaction).map_err(failed)?.check_version(path)? {
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
    // Whole or not at all.
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
