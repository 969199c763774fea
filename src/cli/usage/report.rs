//! The sums of a span of days.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::span::Span;
use crate::cli::exit::Ending;
use crate::usage::{By, Question, Store, Sum, Tokens, Total};

/// What is shown.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// One a key, the one with the most tokens first; days in their order, also those without requests.
    pub(super) rows: Vec<(String, Sum)>,
    /// Of all. A request is counted once here, and in each row that it was tried in.
    pub(super) total: Sum,
}

impl Report {
    /// Asks the ledger.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn gather(store: &dyn Store, span: &Span, by: By) -> Result<Self, Ending> {
        let question = |by| Question {
            since: span.since.timestamp().into(),
            until: None,
            by,
            zone: span.now.time_zone().clone(),
        };
        let unreadable = |error: crate::usage::StoreError| Ending::failure("ledger_error", error.to_string());
        let rows = store.sums(&question(vec![by])).await.map_err(unreadable)?;
        let total = store.sums(&question(Vec::new())).await.map_err(unreadable)?;
        let rows = rows.into_iter().map(|sum| (sum.keys.first().cloned().unwrap_or_default(), sum)).collect();
        let total = total.into_iter().next().unwrap_or_default();
        Ok(Self { rows: if by == By::Day { with_all_days(rows, span) } else { by_tokens(rows) }, total })
    }

    /// The currencies in which answers were paid, in their order.
    pub(super) fn currencies(&self) -> BTreeSet<&str> {
        let sums = self.rows.iter().map(|(_, sum)| sum).chain([&self.total]);
        sums.flat_map(|sum| sum.answered.cost.keys()).map(String::as_str).collect()
    }

    /// For `--json`.
    pub(super) fn members(&self) -> Map<String, Value> {
        let row = |(key, sum): &(String, Sum)| {
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
pub(in crate::cli) const fn all(tokens: &Tokens) -> u64 {
    let input = tokens.input.saturating_add(tokens.cache_read).saturating_add(tokens.cache_write);
    input.saturating_add(tokens.output)
}

fn by_tokens(mut rows: Vec<(String, Sum)>) -> Vec<(String, Sum)> {
    rows.sort_by_key(|(_, sum)| Reverse((all(&sum.answered.tokens), sum.requests)));
    rows
}

fn with_all_days(rows: Vec<(String, Sum)>, span: &Span) -> Vec<(String, Sum)> {
    let empty = span.dates().into_iter().map(|date| (date, Sum::default()));
    let mut days: BTreeMap<String, Sum> = empty.collect();
    days.extend(rows);
    days.into_iter().collect()
}

fn sum_json(sum: &Sum) -> Map<String, Value> {
    Map::from_iter([
        ("requests".to_owned(), json!(sum.requests)),
        ("failed".to_owned(), json!(sum.failed)),
        ("answered".to_owned(), total_json(&sum.answered)),
        ("lost".to_owned(), total_json(&sum.lost)),
    ])
}

fn total_json(total: &Total) -> Value {
    let Tokens { input, output, cache_read, cache_write, reasoning } = total.tokens;
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
