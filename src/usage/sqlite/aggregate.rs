//! Sums. The rows are added up here and not by SQLite: days are exact in every zone, and no sum overflows.

mod calendar;

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use self::calendar::PeriodNamer;
use super::read::to_unsigned;
use crate::protocol::amount::Amount;
use crate::record::RequestId;
use crate::usage::database::{GroupBy, UsageQuery, UsageRow, UsageTotals};
use crate::usage::entry;

/// All rows of one request come together, and requests in the order of time, which is that of their numbers.
const SELECT_ROWS: &str = "SELECT r.number, r.at, r.client, a.provider, a.model, a.outcome, a.input, a.output, a.cache_read, \
     a.cache_write, a.reasoning, a.estimated, a.amount, a.currency \
     FROM requests r LEFT JOIN attempts a ON a.request = r.number \
     WHERE r.number >= ?1 AND r.number < ?2 ORDER BY r.number";

/// The sums of each combination, in the order of their keys.
pub(super) fn aggregate_usage(
    connection: &Connection,
    question: &UsageQuery,
) -> rusqlite::Result<Vec<UsageRow>> {
    let first = |moment| RequestId::from_time(moment).as_i64();
    let until = question.until.map_or(i64::MAX, first);
    let mut statement = connection.prepare_cached(SELECT_ROWS)?;
    let mut rows = statement.query([first(question.since), until])?;
    let mut groups = Aggregator::new(question);
    while let Some(row) = rows.next()? {
        groups.add_row(row)?;
    }
    Ok(groups.into_rows())
}

/// The columns of [`ROWS`].
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
    /// Whether a request counts only where it was tried.
    is_by_target: bool,
    names: NameIndex,
    days: PeriodNamer<'q>,
    hours: PeriodNamer<'q>,
    /// The index of each combination in `groups`.
    positions: HashMap<Vec<u32>, usize>,
    groups: Vec<UsageGroup>,
    key: Vec<u32>,
}

struct UsageGroup {
    row: UsageRow,
    /// The request that was counted last.
    last_request: i64,
}

impl<'q> Aggregator<'q> {
    fn new(question: &'q UsageQuery) -> Self {
        Self {
            group_by: &question.group_by,
            is_by_target: question.group_by.iter().any(|by| matches!(by, GroupBy::Model | GroupBy::Provider)),
            names: NameIndex::default(),
            days: PeriodNamer::days(&question.zone),
            hours: PeriodNamer::hours(&question.zone),
            positions: HashMap::new(),
            groups: Vec::new(),
            key: Vec::new(),
        }
    }

    fn add_row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let outcome = row.get_ref(column::OUTCOME)?.as_str_or_null()?;
        let is_tried = outcome.is_some_and(entry::is_attempted_outcome);
        if self.is_by_target && !is_tried {
            return Ok(());
        }
        let number = row.get(column::NUMBER)?;
        let group = self.find_or_insert_group(row)?;
        if group.last_request != number {
            group.last_request = number;
            group.row.requests += 1;
        }
        let Some(outcome) = outcome else { return Ok(()) };
        group.row.failed += u64::from(entry::is_failed_outcome(outcome));
        if row.get::<_, Option<i64>>(column::INPUT)?.is_some() {
            let sum = &mut group.row;
            add_attempt(
                if entry::is_answered_outcome(outcome) { &mut sum.answered } else { &mut sum.lost },
                row,
            )?;
        }
        Ok(())
    }

    /// The one that a row belongs to.
    fn find_or_insert_group(&mut self, row: &Row<'_>) -> rusqlite::Result<&mut UsageGroup> {
        let text = |column| -> rusqlite::Result<&str> {
            Ok(row.get_ref(column)?.as_str_or_null()?.unwrap_or_default())
        };
        self.key.clear();
        for by in self.group_by {
            match by {
                GroupBy::Model => {
                    self.key.push(self.names.intern(text(column::PROVIDER)?));
                    self.key.push(self.names.intern(text(column::MODEL)?));
                }
                GroupBy::Provider => self.key.push(self.names.intern(text(column::PROVIDER)?)),
                GroupBy::Client => self.key.push(self.names.intern(text(column::CLIENT)?)),
                GroupBy::Day => self.key.push(self.names.intern(self.days.name_at(row.get(column::AT)?))),
                GroupBy::Hour => self.key.push(self.names.intern(self.hours.name_at(row.get(column::AT)?))),
            }
        }
        let place = match self.positions.get(&self.key) {
            Some(place) => *place,
            None => {
                let sum = UsageRow { keys: self.format_keys(), ..UsageRow::default() };
                // No request has a number below nothing.
                self.groups.push(UsageGroup { row: sum, last_request: i64::MIN });
                self.positions.insert(self.key.clone(), self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        Ok(&mut self.groups[place])
    }

    /// The key as text.
    fn format_keys(&self) -> Vec<String> {
        let mut numbers = self.key.iter().map(|number| self.names.name(*number));
        let mut next = || numbers.next().unwrap_or_default();
        let text = |by: &GroupBy| match by {
            GroupBy::Model => format!("{}/{}", next(), next()),
            _ => next().to_owned(),
        };
        self.group_by.iter().map(text).collect()
    }

    fn into_rows(self) -> Vec<UsageRow> {
        let mut sums: Vec<UsageRow> = self.groups.into_iter().map(|group| group.row).collect();
        sums.sort_by(|one, other| one.keys.cmp(&other.keys));
        sums
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

/// Numbers instead of names, so that a row costs no allocation.
#[derive(Default)]
struct NameIndex {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl NameIndex {
    fn intern(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }
}
