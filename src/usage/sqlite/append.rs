//! Writing entries.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, TransactionBehavior};

use crate::usage::entry::{Entry, Try, Word};
use crate::usage::pace::Pace;

const REQUEST: &str = "INSERT INTO requests (number, client, requested, face, called, answered, streamed, thinking, \
     outcome, first_byte, took, rules, dropped) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (number) DO NOTHING";

const ATTEMPT: &str = "INSERT INTO attempts (request, place, provider, model, outcome, detail, began, took, input, \
     output, cache_read, cache_write, reasoning, estimated, told, amount, currency, pricing) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// Writes all of them, or nothing.
pub(super) fn batch(connection: &mut Connection, batch: &[Arc<Entry>], pace: Pace) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut requests = Rows::of(transaction.prepare_cached(REQUEST)?);
        let mut attempts = Rows::of(transaction.prepare_cached(ATTEMPT)?);
        let mut turns = pace.begin();
        for entry in batch {
            turns.give_way();
            // One that is there is left as it is.
            if requests.put(request(entry))? == 0 {
                continue;
            }
            let number = entry.request_id.number();
            for (place, one) in (0_i64..).zip(&entry.attempts) {
                attempts.put(attempt(number, place, one))?;
            }
        }
    }
    transaction.commit()
}

/// What inserts row after row. SQLite copies each text that it is given, and most requests of a batch have client, model and
/// outcome of the one before: that is bound still.
struct Rows<'c, 'e, const COLUMNS: usize> {
    statement: CachedStatement<'c>,
    bound: Option<[ToSqlOutput<'e>; COLUMNS]>,
}

impl<'c, 'e, const COLUMNS: usize> Rows<'c, 'e, COLUMNS> {
    const fn of(statement: CachedStatement<'c>) -> Self {
        Self { statement, bound: None }
    }

    /// How many rows that made.
    fn put(&mut self, row: [ToSqlOutput<'e>; COLUMNS]) -> rusqlite::Result<usize> {
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

fn request(entry: &Entry) -> [ToSqlOutput<'_>; 13] {
    [
        value(entry.request_id.number()),
        text(&entry.client),
        text(&entry.requested),
        text(&entry.face),
        text_or_null(entry.called.as_deref()),
        text_or_null(entry.answered.as_deref()),
        value(entry.streamed),
        text_or_null(entry.thinking.as_deref()),
        text(&entry.outcome),
        value(entry.first_byte.map(length)),
        value(length(entry.took)),
        value(words(&entry.rules)),
        value(words(&entry.dropped)),
    ]
}

fn attempt(number: i64, place: i64, attempt: &Try) -> [ToSqlOutput<'_>; 18] {
    let (usage, bill) = (attempt.usage.as_ref(), attempt.bill.as_ref());
    [
        value(number),
        value(place),
        text(&attempt.provider),
        text(&attempt.model),
        text(&attempt.outcome),
        text(&attempt.detail),
        value(length(attempt.began)),
        value(length(attempt.took)),
        value(usage.map(|usage| whole(usage.input))),
        value(usage.map(|usage| whole(usage.output))),
        value(usage.map(|usage| whole(usage.cache_read))),
        value(usage.map(|usage| whole(usage.cache_write))),
        value(usage.map(|usage| whole(usage.reasoning))),
        value(usage.map(|usage| usage.estimated)),
        value(usage.and_then(|usage| usage.cost).map(|cost| whole(cost.picos()))),
        value(bill.map(|bill| whole(bill.amount.picos()))),
        text_or_null(bill.map(|bill| bill.currency.as_str())),
        text_or_null(bill.map(|bill| bill.pricing.as_str())),
    ]
}

fn text(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(text.into())
}

fn text_or_null(text: Option<&str>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(text.map_or(ValueRef::Null, ValueRef::from))
}

fn value<'e>(value: impl Into<Value>) -> ToSqlOutput<'e> {
    ToSqlOutput::Owned(value.into())
}

/// SQLite's integers have a sign. The largest is nine million units of money.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// In microseconds.
fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// As a JSON array; nothing where there are none.
fn words(words: &[Word]) -> Option<String> {
    if words.is_empty() { None } else { serde_json::to_string(words).ok() }
}
