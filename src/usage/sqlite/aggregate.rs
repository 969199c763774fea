//! Sums. They are added up here and not by SQLite: days are exact in every time zone, and no sum overflows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, Row};

use super::rows::to_unsigned;
use crate::protocol::amount::Amount;
use crate::record::RequestId;
use crate::usage::database::{GroupBy, UsageQuery, UsageRow, UsageTotals};
use crate::usage::entry;

/// The rows of one request follow each other. Requests are in the order of time, which is that of their numbers.
const SELECT_ROWS: &str = "SELECT r.number, r.at, r.client, a.provider, a.model, a.outcome, a.input, a.output, a.cache_read, \
     a.cache_write, a.reasoning, a.estimated, a.amount, a.currency \
     FROM requests r LEFT JOIN attempts a ON a.request = r.number \
     WHERE r.number >= ?1 AND r.number < ?2 ORDER BY r.number";

const DAY_FORMAT: &str = "%Y-%m-%d";
const HOUR_FORMAT: &str = "%Y-%m-%dT%H";

/// The sums of each combination of keys, in the order of the keys.
pub(super) fn aggregate_usage(
    connection: &Connection,
    query: &UsageQuery,
) -> rusqlite::Result<Vec<UsageRow>> {
    // A request then counts only where it was attempted.
    let is_by_target = query.group_by.iter().any(|by| matches!(by, GroupBy::Model | GroupBy::Provider));
    let first = |moment| RequestId::from_time(moment).as_i64();
    let mut statement = connection.prepare_cached(SELECT_ROWS)?;
    let mut rows = statement.query([first(query.since), query.until.map_or(i64::MAX, first)])?;
    // The sums, and the request that was counted last.
    let mut groups: BTreeMap<Vec<String>, (UsageRow, Option<i64>)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let outcome = row.get_ref("outcome")?.as_str_or_null()?;
        if is_by_target && !outcome.is_some_and(entry::is_attempted_outcome) {
            continue;
        }
        let (sums, last_request) = groups.entry(read_key(row, query)?).or_default();
        let number = Some(row.get("number")?);
        if *last_request != number {
            *last_request = number;
            sums.requests += 1;
        }
        let Some(outcome) = outcome else { continue };
        sums.failed += u64::from(entry::is_failed_outcome(outcome));
        if row.get::<_, Option<i64>>("input")?.is_some() {
            let is_answered = entry::is_answered_outcome(outcome);
            add_attempt(if is_answered { &mut sums.answered } else { &mut sums.lost }, row)?;
        }
    }
    Ok(groups.into_iter().map(|(keys, (sums, _))| UsageRow { keys, ..sums }).collect())
}

fn read_key(row: &Row<'_>, query: &UsageQuery) -> rusqlite::Result<Vec<String>> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?.unwrap_or_default());
    let keys = query.group_by.iter().map(|by| {
        Ok(match by {
            GroupBy::Model => format!("{}/{}", text("provider")?, text("model")?),
            GroupBy::Provider => text("provider")?.to_owned(),
            GroupBy::Client => text("client")?.to_owned(),
            GroupBy::Day => name_period(&query.zone, DAY_FORMAT, row.get("at")?),
            GroupBy::Hour => name_period(&query.zone, HOUR_FORMAT, row.get("at")?),
        })
    });
    keys.collect()
}

/// The day or hour of a moment in microseconds since 1970. Moments after the year 9999 count for its last day.
fn name_period(zone: &TimeZone, format: &str, micros: i64) -> String {
    let moment = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    zone.to_datetime(moment).strftime(format).to_string()
}

/// Adds an attempt that used tokens.
fn add_attempt(total: &mut UsageTotals, row: &Row<'_>) -> rusqlite::Result<()> {
    let tokens = &mut total.tokens;
    for (sum, column) in [
        (&mut tokens.input, "input"),
        (&mut tokens.output, "output"),
        (&mut tokens.cache_read, "cache_read"),
        (&mut tokens.cache_write, "cache_write"),
        (&mut tokens.reasoning, "reasoning"),
        (&mut total.estimated, "estimated"),
    ] {
        let count: Option<i64> = row.get(column)?;
        *sum = sum.saturating_add(to_unsigned(count.unwrap_or(0)));
    }
    total.attempts += 1;
    let (amount, currency): (Option<i64>, Option<String>) = (row.get("amount")?, row.get("currency")?);
    let (Some(amount), Some(currency)) = (amount, currency) else {
        total.unpriced += 1;
        return Ok(());
    };
    let sum = total.cost.entry(currency).or_default();
    *sum = sum.saturating_add(Amount::from_picos(to_unsigned(amount)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_when_clocks_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (moment, hour) in [
            ("2026-03-28T22:59:59.999999Z", "2026-03-28T23"),
            ("2026-03-28T23:00:00Z", "2026-03-29T00"),
            ("2026-03-29T00:59:59Z", "2026-03-29T01"),
            ("2026-03-29T01:00:00Z", "2026-03-29T03"),
            ("2026-03-29T21:59:59.9Z", "2026-03-29T23"),
            ("2026-03-29T22:00:00Z", "2026-03-30T00"),
            ("2026-10-24T21:59:59Z", "2026-10-24T23"),
            ("2026-10-24T22:00:00Z", "2026-10-25T00"),
            ("2026-10-25T00:30:00Z", "2026-10-25T02"),
            ("2026-10-25T01:30:00Z", "2026-10-25T02"),
            ("2026-10-25T02:00:00Z", "2026-10-25T03"),
            ("2026-10-25T22:59:59Z", "2026-10-25T23"),
            ("2026-10-25T23:00:00Z", "2026-10-26T00"),
        ] {
            let at = moment.parse::<Timestamp>().unwrap().as_microsecond();
            assert_eq!(name_period(&zone, HOUR_FORMAT, at), hour, "{moment}");
            assert_eq!(name_period(&zone, DAY_FORMAT, at), &hour[..10], "{moment}");
        }
    }

    #[test]
    fn zones_off_the_hour_and_moments_beyond_the_calendar_have_names() {
        let zone = TimeZone::posix("<+0537>-5:37").unwrap();
        assert_eq!(name_period(&zone, HOUR_FORMAT, 0), "1970-01-01T05");
        assert_eq!(name_period(&zone, HOUR_FORMAT, 23 * 60_000_000), "1970-01-01T06");
        assert!(name_period(&TimeZone::UTC, DAY_FORMAT, i64::MAX).starts_with("9999-12-3"));
    }
}
