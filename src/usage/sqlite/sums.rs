//! Sums. The rows are added up here and not by SQLite: days are exact in every zone, and no sum overflows.

mod calendar;

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use self::calendar::Calendar;
use super::read::whole;
use crate::protocol::amount::Amount;
use crate::record::RequestId;
use crate::usage::entry;
use crate::usage::store::{By, Question, Sum, Total};

/// All rows of one request come together, and requests in the order of time, which is that of their numbers.
const ROWS: &str = "SELECT r.number, r.at, r.client, a.provider, a.model, a.outcome, a.input, a.output, a.cache_read, \
     a.cache_write, a.reasoning, a.estimated, a.amount, a.currency \
     FROM requests r LEFT JOIN attempts a ON a.request = r.number \
     WHERE r.number >= ?1 AND r.number < ?2 ORDER BY r.number";

/// The sums of each combination, in the order of their keys.
pub(super) fn sums(connection: &Connection, question: &Question) -> rusqlite::Result<Vec<Sum>> {
    let first = |moment| RequestId::first(moment).number();
    let until = question.until.map_or(i64::MAX, first);
    let mut statement = connection.prepare_cached(ROWS)?;
    let mut rows = statement.query([first(question.since), until])?;
    let mut groups = Groups::new(question);
    while let Some(row) = rows.next()? {
        groups.add(row)?;
    }
    Ok(groups.sums())
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

struct Groups<'q> {
    by: &'q [By],
    /// Whether a request counts only where it was tried.
    is_by_target: bool,
    names: Names,
    days: Calendar<'q>,
    hours: Calendar<'q>,
    /// Where each combination stands in `groups`.
    places: HashMap<Vec<u32>, usize>,
    groups: Vec<Group>,
    key: Vec<u32>,
}

struct Group {
    sum: Sum,
    /// The request that was counted last.
    last: i64,
}

impl<'q> Groups<'q> {
    fn new(question: &'q Question) -> Self {
        Self {
            by: &question.by,
            is_by_target: question.by.iter().any(|by| matches!(by, By::Model | By::Provider)),
            names: Names::default(),
            days: Calendar::days(&question.zone),
            hours: Calendar::hours(&question.zone),
            places: HashMap::new(),
            groups: Vec::new(),
            key: Vec::new(),
        }
    }

    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let outcome = row.get_ref(column::OUTCOME)?.as_str_or_null()?;
        let is_tried = outcome.is_some_and(entry::was_tried);
        if self.is_by_target && !is_tried {
            return Ok(());
        }
        let number = row.get(column::NUMBER)?;
        let group = self.group(row)?;
        if group.last != number {
            group.last = number;
            group.sum.requests += 1;
        }
        let Some(outcome) = outcome else { return Ok(()) };
        group.sum.failed += u64::from(entry::has_failed(outcome));
        if row.get::<_, Option<i64>>(column::INPUT)?.is_some() {
            let sum = &mut group.sum;
            add(if entry::has_answered(outcome) { &mut sum.answered } else { &mut sum.lost }, row)?;
        }
        Ok(())
    }

    /// The one that a row belongs to.
    fn group(&mut self, row: &Row<'_>) -> rusqlite::Result<&mut Group> {
        let text = |column| -> rusqlite::Result<&str> {
            Ok(row.get_ref(column)?.as_str_or_null()?.unwrap_or_default())
        };
        self.key.clear();
        for by in self.by {
            match by {
                By::Model => {
                    self.key.push(self.names.number(text(column::PROVIDER)?));
                    self.key.push(self.names.number(text(column::MODEL)?));
                }
                By::Provider => self.key.push(self.names.number(text(column::PROVIDER)?)),
                By::Client => self.key.push(self.names.number(text(column::CLIENT)?)),
                By::Day => self.key.push(self.names.number(self.days.name(row.get(column::AT)?))),
                By::Hour => self.key.push(self.names.number(self.hours.name(row.get(column::AT)?))),
            }
        }
        let place = match self.places.get(&self.key) {
            Some(place) => *place,
            None => {
                let sum = Sum { keys: self.keys(), ..Sum::default() };
                // No request has a number below nothing.
                self.groups.push(Group { sum, last: i64::MIN });
                self.places.insert(self.key.clone(), self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        Ok(&mut self.groups[place])
    }

    /// The key as text.
    fn keys(&self) -> Vec<String> {
        let mut numbers = self.key.iter().map(|number| self.names.name(*number));
        let mut next = || numbers.next().unwrap_or_default();
        let text = |by: &By| match by {
            By::Model => format!("{}/{}", next(), next()),
            _ => next().to_owned(),
        };
        self.by.iter().map(text).collect()
    }

    fn sums(self) -> Vec<Sum> {
        let mut sums: Vec<Sum> = self.groups.into_iter().map(|group| group.sum).collect();
        sums.sort_by(|one, other| one.keys.cmp(&other.keys));
        sums
    }
}

/// Adds an attempt that used tokens.
fn add(total: &mut Total, row: &Row<'_>) -> rusqlite::Result<()> {
    let count = |column| row.get::<_, Option<i64>>(column).map(|count| whole(count.unwrap_or(0)));
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
    let amount = Amount::from_picos(whole(amount));
    match total.cost.get_mut(currency) {
        Some(sum) => *sum = sum.plus(amount),
        None => {
            total.cost.insert(currency.to_owned(), amount);
        }
    }
    Ok(())
}

/// Numbers instead of names, so that a row costs no allocation.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
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
