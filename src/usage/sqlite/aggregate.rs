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

/// The sums of each combination of keys, in the order of the keys.
pub(super) fn aggregate_usage(
    connection: &Connection,
    query: &UsageQuery,
) -> rusqlite::Result<Vec<UsageRow>> {
    let first = |moment| RequestId::from_time(moment).as_i64();
    let until = query.until.map_or(i64::MAX, first);
    let mut statement = connection.prepare_cached(SELECT_ROWS)?;
    let mut rows = statement.query([first(query.since), until])?;
    let mut groups = Aggregator::new(query);
    while let Some(row) = rows.next()? {
        groups.add_row(row)?;
    }
    Ok(groups.into_rows())
}

/// The columns of [`SELECT_ROWS`].
mod column {
    pub(super) const NUMBER: usize = 0;
    pub(super) const AT: usize = 1;
    pub(super) const CLIENT: usize = 2;
    pub(super) const PROVIDER: usize = 3;
    pub(super) const MODEL: usize = 4;
    pub(super) const OUTCOME: usize = 5;
    pub(super) const INPUT: usize = 6;
    pub(super) const OUTPUT: usize = 7;
    pub(super) const CACHE_READ: usize = 8;
    pub(super) const CACHE_WRITE: usize = 9;
    pub(super) const REASONING: usize = 10;
    pub(super) const ESTIMATED: usize = 11;
    pub(super) const AMOUNT: usize = 12;
    pub(super) const CURRENCY: usize = 13;
}

struct Aggregator<'q> {
    group_by: &'q [GroupBy],
    /// Whether a request counts only where it was attempted.
    is_by_target: bool,
    days: PeriodNamer<'q>,
    hours: PeriodNamer<'q>,
    groups: BTreeMap<Vec<String>, UsageGroup>,
}

#[derive(Default)]
struct UsageGroup {
    row: UsageRow,
    /// The request that was counted last.
    last_request: Option<i64>,
}

impl<'q> Aggregator<'q> {
    fn new(query: &'q UsageQuery) -> Self {
        Self {
            group_by: &query.group_by,
            is_by_target: query.group_by.iter().any(|by| matches!(by, GroupBy::Model | GroupBy::Provider)),
            days: PeriodNamer::days(&query.zone),
            hours: PeriodNamer::hours(&query.zone),
            groups: BTreeMap::new(),
        }
    }

    fn add_row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let outcome = row.get_ref(column::OUTCOME)?.as_str_or_null()?;
        let is_attempted = outcome.is_some_and(entry::is_attempted_outcome);
        if self.is_by_target && !is_attempted {
            return Ok(());
        }
        let number = Some(row.get(column::NUMBER)?);
        let key = self.group_key(row)?;
        let group = self.groups.entry(key).or_default();
        if group.last_request != number {
            group.last_request = number;
            group.row.requests += 1;
        }
        let Some(outcome) = outcome else { return Ok(()) };
        group.row.failed += u64::from(entry::is_failed_outcome(outcome));
        if row.get::<_, Option<i64>>(column::INPUT)?.is_some() {
            let is_answered = entry::is_answered_outcome(outcome);
            add_attempt(if is_answered { &mut group.row.answered } else { &mut group.row.lost }, row)?;
        }
        Ok(())
    }

    fn group_key(&mut self, row: &Row<'_>) -> rusqlite::Result<Vec<String>> {
        let text = |column| -> rusqlite::Result<&str> {
            Ok(row.get_ref(column)?.as_str_or_null()?.unwrap_or_default())
        };
        let mut key = Vec::with_capacity(self.group_by.len());
        for by in self.group_by {
            key.push(match by {
                GroupBy::Model => format!("{}/{}", text(column::PROVIDER)?, text(column::MODEL)?),
                GroupBy::Provider => text(column::PROVIDER)?.to_owned(),
                GroupBy::Client => text(column::CLIENT)?.to_owned(),
                GroupBy::Day => self.days.name_at(row.get(column::AT)?).to_owned(),
                GroupBy::Hour => self.hours.name_at(row.get(column::AT)?).to_owned(),
            });
        }
        Ok(key)
    }

    fn into_rows(self) -> Vec<UsageRow> {
        self.groups.into_iter().map(|(keys, group)| UsageRow { keys, ..group.row }).collect()
    }
}

/// Adds an attempt that used tokens.
fn add_attempt(total: &mut UsageTotals, row: &Row<'_>) -> rusqlite::Result<()> {
    let count = |column| row.get::<_, Option<i64>>(column).map(|count| to_unsigned(count.unwrap_or(0)));
    let tokens = &mut total.tokens;
    for (sum, column) in [
        (&mut tokens.input, column::INPUT),
        (&mut tokens.output, column::OUTPUT),
        (&mut tokens.cache_read, column::CACHE_READ),
        (&mut tokens.cache_write, column::CACHE_WRITE),
        (&mut tokens.reasoning, column::REASONING),
        (&mut total.estimated, column::ESTIMATED),
    ] {
        *sum = sum.saturating_add(count(column)?);
    }
    total.attempts += 1;
    let amount: Option<i64> = row.get(column::AMOUNT)?;
    let currency = row.get_ref(column::CURRENCY)?.as_str_or_null()?;
    let (Some(amount), Some(currency)) = (amount, currency) else {
        total.unpriced += 1;
        return Ok(());
    };
    let amount = Amount::from_picos(to_unsigned(amount));
    match total.cost.get_mut(currency) {
        Some(sum) => *sum = sum.saturating_add(amount),
        None => {
            total.cost.insert(currency.to_owned(), amount);
        }
    }
    Ok(())
}

/// Names days and hours. Moments must be in the order of time; all moments of one period cost one look at the zone.
struct PeriodNamer<'z> {
    zone: &'z TimeZone,
    /// In seconds.
    unit: i64,
    format: &'static str,
    /// The name holds from here to there, in microseconds since 1970.
    valid_for: std::ops::Range<i64>,
    name: String,
}

impl<'z> PeriodNamer<'z> {
    /// `2026-11-21`.
    fn days(zone: &'z TimeZone) -> Self {
        Self { zone, unit: 86_400, format: "%Y-%m-%d", valid_for: 0..0, name: String::new() }
    }

    /// `2026-11-21T20`.
    fn hours(zone: &'z TimeZone) -> Self {
        Self { zone, unit: 3_600, format: "%Y-%m-%dT%H", valid_for: 0..0, name: String::new() }
    }

    /// The name of a moment in microseconds since 1970.
    fn name_at(&mut self, at: i64) -> &str {
        if !self.valid_for.contains(&at) {
            self.advance_to(at);
        }
        &self.name
    }

    fn advance_to(&mut self, at: i64) {
        // Moments after the year 9999 count for its last day.
        let moment = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX);
        let offset = i64::from(self.zone.to_offset(moment).seconds());
        let end = ((moment.as_second() + offset).div_euclid(self.unit) + 1) * self.unit - offset;
        // A change of the clocks ends the period.
        let change = self.zone.following(moment).next().map(|change| change.timestamp().as_second());
        let end = change.map_or(end, |change| change.min(end));
        self.valid_for = at..end.saturating_mul(1_000_000);
        self.name = self.zone.to_datetime(moment).strftime(self.format).to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::{PeriodNamer, TimeZone, Timestamp};

    #[test]
    fn days_begin_at_midnight_when_clocks_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let (mut days, mut hours) = (PeriodNamer::days(&zone), PeriodNamer::hours(&zone));
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
            assert_eq!(hours.name_at(at), hour, "{moment}");
            assert_eq!(days.name_at(at), &hour[..10], "{moment}");
        }
    }

    #[test]
    fn zones_off_the_hour_and_moments_beyond_the_calendar_have_names() {
        let zone = TimeZone::posix("<+0537>-5:37").unwrap();
        let mut hours = PeriodNamer::hours(&zone);
        assert_eq!(hours.name_at(0), "1970-01-01T05");
        assert_eq!(hours.name_at(23 * 60_000_000), "1970-01-01T06");
        assert!(PeriodNamer::days(&TimeZone::UTC).name_at(i64::MAX).starts_with("9999-12-3"));
    }
}
