//! Writing entries.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, TransactionBehavior};

use crate::usage::entry::{Label, UsageAttempt, UsageEntry};
use crate::usage::write_priority::WritePriority;

const INSERT_REQUEST: &str = "INSERT INTO requests (number, client, requested, face, called, answered, streamed, thinking, \
     outcome, first_byte, took, rules, dropped) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (number) DO NOTHING";

const INSERT_ATTEMPT: &str = "INSERT INTO attempts (request, place, provider, model, outcome, detail, began, took, input, \
     output, cache_read, cache_write, reasoning, estimated, told, amount, currency, pricing) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// Writes all of them, or nothing.
pub(super) fn append_batch(
    connection: &mut Connection,
    batch: &[Arc<UsageEntry>],
    pace: WritePriority,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut requests = RowInserter::new(transaction.prepare_cached(INSERT_REQUEST)?);
        let mut attempts = RowInserter::new(transaction.prepare_cached(INSERT_ATTEMPT)?);
        let mut turns = pace.start();
        for entry in batch {
            turns.yield_if_due();
            // One that is there is left as it is.
            if requests.insert(bind_request(entry))? == 0 {
                continue;
            }
            let number = entry.request_id.as_i64();
            for (place, one) in (0_i64..).zip(&entry.attempts) {
                attempts.insert(bind_attempt(number, place, one))?;
            }
        }
    }
    transaction.commit()
}

/// What inserts row after row. SQLite copies each text that it is given, and most requests of a batch have client, model and
/// outcome of the one before: that is bound still.
struct RowInserter<'c, 'e, const COLUMNS: usize> {
    statement: CachedStatement<'c>,
    bound: Option<[ToSqlOutput<'e>; COLUMNS]>,
}

impl<'c, 'e, const COLUMNS: usize> RowInserter<'c, 'e, COLUMNS> {
    const fn new(statement: CachedStatement<'c>) -> Self {
        Self { statement, bound: None }
    }

    /// How many rows that made.
    fn insert(&mut self, row: [ToSqlOutput<'e>; COLUMNS]) -> rusqlite::Result<usize> {
        let before = self.bound.take();
        for (place, value) in row.iter().enumerate() {
            let bound = before.as_ref().and_then(|before| before.get(place));
            if bound != Some(value) {
                self.statement.raw_bind_parameter(place + 1, value)?;
            }
        }
        self.bound = Some(row);
        self.statement.raw_execute()
    }
}

fn bind_request(entry: &UsageEntry) -> [ToSqlOutput<'_>; 13] {
    [
        owned_value(entry.request_id.as_i64()),
        text_value(&entry.client),
        text_value(&entry.requested),
        text_value(&entry.api),
        optional_text_value(entry.target_api.as_deref()),
        optional_text_value(entry.answered_by.as_deref()),
        owned_value(entry.is_streamed),
        optional_text_value(entry.thinking.as_deref()),
        text_value(&entry.outcome),
        owned_value(entry.first_byte.map(to_micros)),
        owned_value(to_micros(entry.duration)),
        owned_value(encode_labels(&entry.rules)),
        owned_value(encode_labels(&entry.losses)),
    ]
}

fn bind_attempt(number: i64, place: i64, attempt: &UsageAttempt) -> [ToSqlOutput<'_>; 18] {
    let (usage, bill) = (attempt.usage.as_ref(), attempt.bill.as_ref());
    [
        owned_value(number),
        owned_value(place),
        text_value(&attempt.provider),
        text_value(&attempt.model),
        text_value(&attempt.outcome),
        text_value(&attempt.detail),
        owned_value(to_micros(attempt.started_after)),
        owned_value(to_micros(attempt.duration)),
        owned_value(usage.map(|usage| to_sql_integer(usage.input))),
        owned_value(usage.map(|usage| to_sql_integer(usage.output))),
        owned_value(usage.map(|usage| to_sql_integer(usage.cache_read))),
        owned_value(usage.map(|usage| to_sql_integer(usage.cache_write))),
        owned_value(usage.map(|usage| to_sql_integer(usage.reasoning))),
        owned_value(usage.map(|usage| usage.is_estimated)),
        owned_value(usage.and_then(|usage| usage.cost).map(|cost| to_sql_integer(cost.as_picos()))),
        owned_value(bill.map(|bill| to_sql_integer(bill.amount.as_picos()))),
        optional_text_value(bill.map(|bill| bill.currency.as_str())),
        optional_text_value(bill.map(|bill| bill.source.as_str())),
    ]
}

fn text_value(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(text.into())
}

fn optional_text_value(text: Option<&str>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(text.map_or(ValueRef::Null, ValueRef::from))
}

fn owned_value<'e>(value: impl Into<Value>) -> ToSqlOutput<'e> {
    ToSqlOutput::Owned(value.into())
}

/// SQLite's integers have a sign. The largest is nine million units of money.
fn to_sql_integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// In microseconds.
fn to_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// As a JSON array; nothing where there are none.
fn encode_labels(words: &[Label]) -> Option<String> {
    if words.is_empty() { None } else { serde_json::to_string(words).ok() }
}
