//! Reading entries.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Row};

use crate::protocol::amount::Amount;
use crate::protocol::usage::Usage;
use crate::record::{Bill, Pricing, RequestId};
use crate::usage::entry::{Entry, Try, Word};

const REQUEST: &str = "SELECT number, client, requested, face, called, answered, streamed, thinking, outcome, \
     first_byte, took, rules, dropped FROM requests";

const ATTEMPTS: &str = "SELECT provider, model, outcome, detail, began, took, input, output, cache_read, cache_write, \
     reasoning, estimated, told, amount, currency, pricing FROM attempts WHERE request = ?1 ORDER BY place";

/// The newest from before a moment, the newest first.
pub(super) fn before(
    connection: &Connection,
    moment: SystemTime,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    // What is written meanwhile is not half seen.
    let transaction = connection.unchecked_transaction()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let text = format!("{REQUEST} WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
    let mut statement = transaction.prepare_cached(&text)?;
    let rows = statement.query_map([RequestId::first(moment).number(), limit], request_of)?;
    rows.map(|row| with_attempts(&transaction, row?)).collect()
}

/// The one with this id.
pub(super) fn request(connection: &Connection, id: RequestId) -> rusqlite::Result<Option<Entry>> {
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare_cached(&format!("{REQUEST} WHERE number = ?1"))?;
    let found = statement.query_row([id.number()], request_of).optional()?;
    found.map(|found| with_attempts(&transaction, found)).transpose()
}

fn with_attempts(connection: &Connection, entry: Entry) -> rusqlite::Result<Entry> {
    let mut statement = connection.prepare_cached(ATTEMPTS)?;
    let attempts =
        statement.query_map([entry.request_id.number()], attempt_of)?.collect::<rusqlite::Result<_>>()?;
    Ok(Entry { attempts, ..entry })
}

fn request_of(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        request_id: RequestId::of_number(row.get("number")?),
        client: row.get("client")?,
        requested: row.get("requested")?,
        face: row.get("face")?,
        called: row.get("called")?,
        answered: row.get("answered")?,
        streamed: row.get("streamed")?,
        thinking: row.get("thinking")?,
        outcome: row.get("outcome")?,
        first_byte: row.get::<_, Option<i64>>("first_byte")?.map(length),
        took: length(row.get("took")?),
        rules: words(row.get("rules")?),
        dropped: words(row.get("dropped")?),
        attempts: Vec::new(),
    })
}

fn attempt_of(row: &Row<'_>) -> rusqlite::Result<Try> {
    Ok(Try {
        provider: row.get("provider")?,
        model: row.get("model")?,
        outcome: row.get("outcome")?,
        detail: row.get("detail")?,
        began: length(row.get("began")?),
        took: length(row.get("took")?),
        usage: usage_of(row)?,
        bill: bill_of(row)?,
    })
}

fn usage_of(row: &Row<'_>) -> rusqlite::Result<Option<Usage>> {
    let count = |name| row.get::<_, Option<i64>>(name).map(|count| whole(count.unwrap_or(0)));
    if row.get::<_, Option<i64>>("input")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Usage {
        input: count("input")?,
        output: count("output")?,
        cache_read: count("cache_read")?,
        cache_write: count("cache_write")?,
        reasoning: count("reasoning")?,
        estimated: row.get::<_, Option<bool>>("estimated")?.unwrap_or(false),
        cost: row.get::<_, Option<i64>>("told")?.map(picos),
    }))
}

fn bill_of(row: &Row<'_>) -> rusqlite::Result<Option<Bill>> {
    let (Some(amount), Some(currency)) = (row.get("amount")?, row.get("currency")?) else { return Ok(None) };
    let told: Option<String> = row.get("pricing")?;
    let is_told = told.as_deref() == Some(Pricing::Provider.as_str());
    let pricing = if is_told { Pricing::Provider } else { Pricing::Price };
    Ok(Some(Bill { amount: picos(amount), currency, pricing }))
}

fn picos(number: i64) -> Amount {
    Amount::from_picos(whole(number))
}

/// A file that somebody else changed may say less than nothing.
pub(super) fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn length(micros: i64) -> Duration {
    Duration::from_micros(whole(micros))
}

fn words(text: Option<String>) -> Vec<Word> {
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}
