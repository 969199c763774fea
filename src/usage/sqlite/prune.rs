//! Forgetting what is too old, a little at a time.

use std::time::SystemTime;

use rusqlite::Connection;

use crate::record::RequestId;

/// Requests that go at once: a few milliseconds of work.
const DELETE_BATCH: i64 = 500;

/// Free pages that are given back at once.
const VACUUM_PAGES: i64 = 256;

/// Removes some of the oldest from before a moment; how many.
pub(super) fn prune_batch(connection: &Connection, before: SystemTime) -> rusqlite::Result<u64> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM requests WHERE number IN \
         (SELECT number FROM requests WHERE number < ?1 ORDER BY number LIMIT ?2)",
    )?;
    // Attempts are deleted with their request. Writes do without foreign keys: each attempt would cost a
    // lookup in the other table.
    let cascade = |is_on: bool| connection.pragma_update(None, "foreign_keys", is_on);
    cascade(true)?;
    let removed = delete.execute([RequestId::from_time(before).as_i64(), DELETE_BATCH]);
    let off = cascade(false);
    let removed = removed?;
    off?;
    Ok(removed as u64)
}

/// Returns some of the free space to the file system. The result says whether there is more.
pub(super) fn vacuum_pages(connection: &Connection) -> rusqlite::Result<bool> {
    let free = |connection: &Connection| {
        connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0))
    };
    let before = free(connection)?;
    // SQLite frees one page for each row that is read.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    let after = free(connection)?;
    Ok(after > 0 && after < before)
}
