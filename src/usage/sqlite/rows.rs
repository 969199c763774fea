//! Entries as rows: writing, reading and removing them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource, RequestId};
use crate::usage::entry::{Label, UsageAttempt, UsageEntry};

const INSERT_REQUEST: &str = "INSERT INTO requests (number, client, requested, face, called, answered, streamed, thinking, \
     outcome, first_byte, took, rules, dropped) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (number) DO NOTHING";

const INSERT_ATTEMPT: &str = "INSERT INTO attempts (request, place, provider, model, outcome, detail, began, took, input, \
     output, cache_read, cache_write, cache_write_1h, reasoning, estimated, told, amount, currency, pricing) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";

const SELECT_REQUESTS: &str = "SELECT number, client, requested, face, called, answered, streamed, thinking, outcome, \
     first_byte, took, rules, dropped FROM requests";

const SELECT_ATTEMPTS: &str = "SELECT provider, model, outcome, detail, began, took, input, output, cache_read, cache_write, \
     cache_write_1h, reasoning, estimated, told, amount, currency, pricing FROM attempts WHERE request = ?1 ORDER BY place";

/// Requests that one transaction removes: a few milliseconds of work.
const DELETE_BATCH: i64 = 500;

/// Free pages that are returned at once.
const VACUUM_PAGES: i64 = 256;

/// Writes all entries in one transaction.
pub(super) fn append_batch(connection: &mut Connection, batch: &[Arc<UsageEntry>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut insert_request = transaction.prepare_cached(INSERT_REQUEST)?;
        let mut insert_attempt = transaction.prepare_cached(INSERT_ATTEMPT)?;
        for entry in batch {
            let number = entry.request_id.as_i64();
            let inserted = insert_request.execute(params![
                number,
                entry.client,
                entry.requested,
                entry.api,
                entry.target_api,
                entry.answered_by,
                entry.is_streamed,
                entry.thinking,
                entry.outcome,
                entry.first_byte.map(to_micros),
                to_micros(entry.duration),
                encode_labels(&entry.rules),
                encode_labels(&entry.losses),
            ])?;
            // An existing entry is left as it is.
            if inserted == 0 {
                continue;
            }
            for (place, attempt) in (0_i64..).zip(&entry.attempts) {
                let (usage, bill) = (attempt.usage.as_ref(), attempt.bill.as_ref());
                insert_attempt.execute(params![
                    number,
                    place,
                    attempt.provider,
                    attempt.model,
                    attempt.outcome,
                    attempt.detail,
                    to_micros(attempt.started_after),
                    to_micros(attempt.duration),
                    usage.map(|usage| to_sql_integer(usage.input)),
                    usage.map(|usage| to_sql_integer(usage.output)),
                    usage.map(|usage| to_sql_integer(usage.cache_read)),
                    usage.map(|usage| to_sql_integer(usage.cache_write)),
                    usage.map(|usage| to_sql_integer(usage.cache_write_1h)),
                    usage.map(|usage| to_sql_integer(usage.reasoning)),
                    usage.map(|usage| usage.is_estimated),
                    usage.and_then(|usage| usage.cost).map(|cost| to_sql_integer(cost.as_picos())),
                    bill.map(|bill| to_sql_integer(bill.amount.as_picos())),
                    bill.map(|bill| &bill.currency),
                    bill.map(|bill| bill.source.as_str()),
                ])?;
            }
        }
    }
    transaction.commit()
}

/// SQLite's integers have a sign. The largest is nine million units of money.
fn to_sql_integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Microseconds.
fn to_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A JSON array; `None` if it is empty.
fn encode_labels(labels: &[Label]) -> Option<String> {
    if labels.is_empty() { None } else { serde_json::to_string(labels).ok() }
}

/// Reads the newest entries from before a moment, the newest first.
pub(super) fn list_before(
    connection: &Connection,
    moment: SystemTime,
    limit: usize,
) -> rusqlite::Result<Vec<UsageEntry>> {
    // All reads see the same state.
    let transaction = connection.unchecked_transaction()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let text = format!("{SELECT_REQUESTS} WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
    let mut statement = transaction.prepare_cached(&text)?;
    let rows = statement.query_map([RequestId::from_time(moment).as_i64(), limit], read_request)?;
    rows.map(|row| load_attempts(&transaction, row?)).collect()
}

/// Reads the entry with this id.
pub(super) fn find_request(connection: &Connection, id: RequestId) -> rusqlite::Result<Option<UsageEntry>> {
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare_cached(&format!("{SELECT_REQUESTS} WHERE number = ?1"))?;
    let found = statement.query_row([id.as_i64()], read_request).optional()?;
    found.map(|found| load_attempts(&transaction, found)).transpose()
}

fn load_attempts(connection: &Connection, entry: UsageEntry) -> rusqlite::Result<UsageEntry> {
    let mut statement = connection.prepare_cached(SELECT_ATTEMPTS)?;
    let attempts =
        statement.query_map([entry.request_id.as_i64()], read_attempt)?.collect::<rusqlite::Result<_>>()?;
    Ok(UsageEntry { attempts, ..entry })
}

fn read_request(row: &Row<'_>) -> rusqlite::Result<UsageEntry> {
    Ok(UsageEntry {
        request_id: RequestId::from_i64(row.get("number")?),
        client: row.get("client")?,
        requested: row.get("requested")?,
        api: row.get("face")?,
        target_api: row.get("called")?,
        answered_by: row.get("answered")?,
        is_streamed: row.get("streamed")?,
        thinking: row.get("thinking")?,
        outcome: row.get("outcome")?,
        first_byte: row.get::<_, Option<i64>>("first_byte")?.map(to_duration),
        duration: to_duration(row.get("took")?),
        rules: decode_labels(row.get("rules")?),
        losses: decode_labels(row.get("dropped")?),
        attempts: Vec::new(),
    })
}

fn read_attempt(row: &Row<'_>) -> rusqlite::Result<UsageAttempt> {
    Ok(UsageAttempt {
        provider: row.get("provider")?,
        model: row.get("model")?,
        outcome: row.get("outcome")?,
        detail: row.get("detail")?,
        started_after: to_duration(row.get("began")?),
        duration: to_duration(row.get("took")?),
        usage: read_usage(row)?,
        bill: read_bill(row)?,
    })
}

fn read_usage(row: &Row<'_>) -> rusqlite::Result<Option<TokenUsage>> {
    let count = |name| row.get::<_, Option<i64>>(name).map(|count| to_unsigned(count.unwrap_or(0)));
    if row.get::<_, Option<i64>>("input")?.is_none() {
        return Ok(None);
    }
    Ok(Some(TokenUsage {
        input: count("input")?,
        output: count("output")?,
        cache_read: count("cache_read")?,
        cache_write: count("cache_write")?,
        cache_write_1h: count("cache_write_1h")?,
        reasoning: count("reasoning")?,
        is_estimated: row.get::<_, Option<bool>>("estimated")?.unwrap_or(false),
        cost: row.get::<_, Option<i64>>("told")?.map(to_amount),
    }))
}

fn read_bill(row: &Row<'_>) -> rusqlite::Result<Option<AttemptCost>> {
    let (Some(amount), Some(currency)) = (row.get("amount")?, row.get("currency")?) else { return Ok(None) };
    let pricing: Option<String> = row.get("pricing")?;
    let is_reported = pricing.as_deref() == Some(CostSource::Provider.as_str());
    let source = if is_reported { CostSource::Provider } else { CostSource::PriceTable };
    Ok(Some(AttemptCost { amount: to_amount(amount), currency, source }))
}

fn to_amount(number: i64) -> Amount {
    Amount::from_picos(to_unsigned(number))
}

/// A file changed by another program may contain negative numbers.
pub(super) fn to_unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn to_duration(micros: i64) -> Duration {
    Duration::from_micros(to_unsigned(micros))
}

fn decode_labels(text: Option<String>) -> Vec<Label> {
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Removes some of the oldest requests from before a moment and returns their number.
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
