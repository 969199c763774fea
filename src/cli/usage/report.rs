//! The sums of a span of days.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::date_range::DateRange;
use crate::cli::exit::CommandError;
use crate::usage::{GroupBy, TokenTotals, UsageDatabase, UsageQuery, UsageRow, UsageTotals};

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct UsageReport {
    /// One a key, the one with the most tokens first; days in their order, also those without requests.
    pub(super) rows: Vec<(String, UsageRow)>,
    /// Of all. A request is counted once here, and in each row that it was tried in.
    pub(super) total: UsageRow,
}

impl UsageReport {
    /// Queries the usage database.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn gather(
        store: &dyn UsageDatabase,
        span: &DateRange,
        by: GroupBy,
    ) -> Result<Self, CommandError> {
        let question = |by| UsageQuery {
            since: span.since.timestamp().into(),
            until: None,
            group_by: by,
            zone: span.now.time_zone().clone(),
        };
        let unreadable =
            |error: crate::usage::DatabaseError| CommandError::failure("ledger_error", error.to_string());
        let rows = store.query(&question(vec![by])).await.map_err(unreadable)?;
        let total = store.query(&question(Vec::new())).await.map_err(unreadable)?;
        let rows = rows.into_iter().map(|sum| (sum.keys.first().cloned().unwrap_or_default(), sum)).collect();
        let total = total.into_iter().next().unwrap_or_default();
        Ok(Self {
            rows: if by == GroupBy::Day { fill_missing_days(rows, span) } else { sort_by_tokens(rows) },
            total,
        })
    }

    /// The currencies in which answers were paid, in their order.
    pub(super) fn currencies(&self) -> BTreeSet<&str> {
        let sums = self.rows.iter().map(|(_, sum)| sum).chain([&self.total]);
        sums.flat_map(|sum| sum.answered.cost.keys()).map(String::as_str).collect()
    }

    /// For `--json`.
    pub(super) fn to_json_members(&self) -> Map<String, Value> {
        let row = |(key, sum): &(String, UsageRow)| {
            let mut row = Map::from_iter([("key".to_owned(), json!(key))]);
            row.extend(sum_json(sum));
            Value::Object(row)
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        Map::from_iter([
            ("rows".to_owned(), rows.into()),
            ("total".to_owned(), Value::Object(sum_json(&self.total))),
        ])
    }
}

/// All of them, as one figure to compare by.
pub(in crate::cli) const fn total_tokens(tokens: &TokenTotals) -> u64 {
    let input = tokens.input.saturating_add(tokens.cache_read).saturating_add(tokens.cache_write);
    input.saturating_add(tokens.output)
}

fn sort_by_tokens(mut rows: Vec<(String, UsageRow)>) -> Vec<(String, UsageRow)> {
    rows.sort_by_key(|(_, sum)| Reverse((total_tokens(&sum.answered.tokens), sum.requests)));
    rows
}

fn fill_missing_days(rows: Vec<(String, UsageRow)>, span: &DateRange) -> Vec<(String, UsageRow)> {
    let empty = span.dates().into_iter().map(|date| (date, UsageRow::default()));
    let mut days: BTreeMap<String, UsageRow> = empty.collect();
    days.extend(rows);
    days.into_iter().collect()
}

fn sum_json(sum: &UsageRow) -> Map<String, Value> {
    Map::from_iter([
        ("requests".to_owned(), json!(sum.requests)),
        ("failed".to_owned(), json!(sum.failed)),
        ("answered".to_owned(), total_json(&sum.answered)),
        ("lost".to_owned(), total_json(&sum.lost)),
    ])
}

fn total_json(total: &UsageTotals) -> Value {
    let TokenTotals { input, output, cache_read, cache_write, reasoning } = total.tokens;
    let cost = total.cost.iter().map(|(currency, amount)| (currency.clone(), amount.to_string().into()));
    json!({
        "attempts": total.attempts,
        "estimated": total.estimated,
        "unpriced": total.unpriced,
        "tokens": {
            "input": input,
            "cacheRead": cache_read,
            "cacheWrite": cache_write,
            "output": output,
            "reasoning": reasoning,
        },
        "cost": cost.collect::<Map<String, Value>>(),
    })
}
