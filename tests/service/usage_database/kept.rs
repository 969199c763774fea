//! The usage database's file, read by SQLite alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Params};
use serde_json::{Value, json};

/// The files of a state directory.
pub(super) struct Kept {
    directory: PathBuf,
    connection: Connection,
}

impl Kept {
    /// That of a gateway with this home.
    pub(super) fn of(home: &Path) -> Self {
        Self::at(&home.join("state/moonrelay"))
    }

    /// That in this directory; it must be there.
    pub(super) fn at(directory: &Path) -> Self {
        let path = directory.join("ledger.sqlite");
        assert!(path.exists(), "{}", path.display());
        Self { directory: directory.to_owned(), connection: Connection::open(path).unwrap() }
    }

    fn texts(&self, sql: &str, of: impl Params) -> Vec<String> {
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map(of, |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// A gateway that was killed just after its start may not have made them.
    fn has_tables(&self) -> bool {
        !self.texts("SELECT name FROM sqlite_schema WHERE name = 'attempts'", []).is_empty()
    }

    /// The ids of all requests.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        if !self.has_tables() {
            return BTreeSet::new();
        }
        self.texts("SELECT printf('%016x', number) FROM requests", []).into_iter().collect()
    }

    /// Fails if SQLite reports corruption, or an entry is incomplete.
    pub(super) fn is_sound(&self) {
        assert_eq!(self.texts("PRAGMA integrity_check", []), ["ok"]);
        if !self.has_tables() {
            return;
        }
        let faults = "SELECT 'no request for ' || request FROM attempts WHERE request NOT IN \
             (SELECT number FROM requests) \
             UNION ALL SELECT 'no answer for ' || printf('%016x', number) FROM requests WHERE outcome = 'ok' AND number NOT IN \
             (SELECT request FROM attempts WHERE outcome = 'ok' AND input IS NOT NULL)";
        assert_eq!(self.texts(faults, []), [""; 0]);
    }

    /// Of a request's last attempt; null without one.
    fn tokens(&self, request: i64) -> rusqlite::Result<Value> {
        let sql =
            "SELECT input, output, cache_read FROM attempts WHERE request = ?1 ORDER BY place DESC LIMIT 1";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query_map([request], |row| {
            let tokens: [Option<i64>; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
            Ok(json!(tokens))
        })?;
        rows.next().unwrap_or(Ok(Value::Null))
    }

    /// One request; `attempts` as the header has them, `tokens` of the last: input, output, cached.
    pub(super) fn request(&self, id: &str) -> Value {
        let sql = "SELECT outcome, client, requested, face, answered, took, first_byte, \
             (SELECT group_concat(provider || '/' || model || '=' || outcome, ', ') FROM \
             (SELECT * FROM attempts WHERE request = number ORDER BY place)), number \
             FROM requests WHERE printf('%016x', number) = ?1";
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map([id], |row| {
            let text = |column| row.get::<_, Option<String>>(column);
            let number = |column| row.get::<_, Option<i64>>(column);
            let entry = json!({
                "outcome": text(0)?, "client": text(1)?, "requested": text(2)?, "face": text(3)?, "answered": text(4)?,
                "took": number(5)?, "first_byte": number(6)?, "attempts": text(7)?,
                "tokens": self.tokens(row.get(8)?)?,
            });
            Ok(entry)
        });
        let mut found: Vec<Value> = rows.unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), 1, "{id} of {:?}", self.ids());
        found.remove(0)
    }

    /// Whether this text is anywhere in any of the files.
    pub(super) fn holds(&self, text: &str) -> bool {
        let files = self.directory.read_dir().unwrap();
        let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        contents.into_iter().any(|content| memchr::memmem::find(&content, text.as_bytes()).is_some())
    }
}
