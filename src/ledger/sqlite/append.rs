//! Writing entries.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, TransactionBehavior, params};

use super::read::micros;
use crate::ledger::entry::{Entry, Try};

const REQUEST: &str = "INSERT INTO requests (request_id, at, client, requested, face, called, answered, streamed, \
     thinking, outcome, first_byte, took, rules, dropped) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT (request_id) DO NOTHING";

const ATTEMPT: &str = "INSERT INTO attempts (request, place, provider, model, outcome, detail, began, took, input, \
     output, cache_read, cache_write, reasoning, estimated, told, amount, currency, pricing) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";

/// Writes all of them, or nothing.
pub(super) fn batch(connection: &mut Connection, batch: &[Arc<Entry>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut request = transaction.prepare_cached(REQUEST)?;
        let mut attempt = transaction.prepare_cached(ATTEMPT)?;
        for entry in batch {
            // One that is there is left as it is.
            if put_request(&mut request, entry)? == 0 {
                continue;
            }
            let number = transaction.last_insert_rowid();
            for (place, one) in (0_i64..).zip(&entry.attempts) {
                put_attempt(&mut attempt, number, place, one)?;
            }
        }
    }
    transaction.commit()
}

fn put_request(statement: &mut CachedStatement<'_>, entry: &Entry) -> rusqlite::Result<usize> {
    statement.execute(params![
        entry.request_id,
        micros(entry.at),
        entry.client,
        entry.requested,
        entry.face,
        entry.called,
        entry.answered,
        entry.streamed,
        entry.thinking,
        entry.outcome,
        entry.first_byte.map(length),
        length(entry.took),
        words(&entry.rules),
        words(&entry.dropped),
    ])
}

fn put_attempt(
    statement: &mut CachedStatement<'_>,
    number: i64,
    place: i64,
    attempt: &Try,
) -> rusqlite::Result<usize> {
    let (usage, bill) = (attempt.usage.as_ref(), attempt.bill.as_ref());
    statement.execute(params![
        number,
        place,
        attempt.provider,
        attempt.model,
        attempt.outcome,
        attempt.detail,
        length(attempt.began),
        length(attempt.took),
        usage.map(|usage| whole(usage.input)),
        usage.map(|usage| whole(usage.output)),
        usage.map(|usage| whole(usage.cache_read)),
        usage.map(|usage| whole(usage.cache_write)),
        usage.map(|usage| whole(usage.reasoning)),
        usage.map(|usage| usage.estimated),
        usage.and_then(|usage| usage.cost).map(|cost| whole(cost.picos())),
        bill.map(|bill| whole(bill.amount.picos())),
        bill.map(|bill| bill.currency.as_str()),
        bill.map(|bill| bill.pricing.as_str()),
    ])
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
fn words(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| serde_json::Value::from(words).to_string())
}
