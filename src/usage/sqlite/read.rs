//! Reading entries.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Row};

use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource, RequestId};
use crate::usage::entry::{Label, UsageAttempt, UsageEntry};

const SELECT_REQUESTS: &str = "SELECT number, client, requested, face, called, answered, streamed, thinking, outcome, \
     first_byte, took, rules, dropped FROM requests";

const SELECT_ATTEMPTS: &str = "SELECT provider, model, outcome, detail, began, took, input, output, cache_read, cache_write, \
     reasoning, estimated, told, amount, currency, pricing FROM attempts WHERE request = ?1 ORDER BY place";

/// The newest from before a moment, the newest first.
pub(super) fn list_before(
    connection: &Connection,
    moment: SystemTime,
    limit: usize,
) -> rusqlite::Result<Vec<UsageEntry>> {
    // What is written meanwhile is not half seen.
    let transaction = connection.unchecked_transaction()?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let text = format!("{SELECT_REQUESTS} WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
    let mut statement = transaction.prepare_cached(&text)?;
    let rows = statement.query_map([RequestId::from_time(moment).as_i64(), limit], read_request)?;
    rows.map(|row| load_attempts(&transaction, row?)).collect()
}

/// The one with this id.
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
        reasoning: count("reasoning")?,
        is_estimated: row.get::<_, Option<bool>>("estimated")?.unwrap_or(false),
        cost: row.get::<_, Option<i64>>("told")?.map(to_amount),
    }))
}

fn read_bill(row: &Row<'_>) -> rusqlite::Result<Option<AttemptCost>> {
    let (Some(amount), Some(currency)) = (row.get("amount")?, row.get("currency")?) else { return Ok(None) };
    let told: Option<String> = row.get("pricing")?;
    let is_told = told.as_deref() == Some(CostSource::Provider.as_str());
    let pricing = if is_told { CostSource::Provider } else { CostSource::PriceTable };
    Ok(Some(AttemptCost { amount: to_amount(amount), currency, source: pricing }))
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
