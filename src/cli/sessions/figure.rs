//! Moments, tokens and costs of sessions as people and programs read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::assistant::session::Total;
use crate::assistant::transcript::{Costs, Spent};
use crate::cli::usage::figure::{counted, digits_beside, grouped, money};
use crate::cli::usage::screen::harmless;

/// `2026-11-22 01:02:03`, where the reader is; what is no moment as it is.
pub(super) fn moment(at: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => harmless(at),
    }
}

/// `0.001434 USD`, each currency by itself; empty where no cost is known.
pub(super) fn cost(costs: &[Costs]) -> String {
    let each = costs
        .iter()
        .map(|cost| format!("{} {}", money(cost.total, digits_beside(cost.total)), cost.currency));
    each.collect::<Vec<_>>().join(" + ")
}

/// `moonshot/kimi-k2.6`; the name alone where no provider is known: nobody answered, or `default` is asked again.
pub(super) fn model(provider: &str, model: &str) -> String {
    let provider = if provider.is_empty() { String::new() } else { format!("{provider}/") };
    harmless(&format!("{provider}{model}"))
}

/// `600 in, 400 cached, 200 out, 0.001434 USD`.
pub(super) fn spent(spent: &Spent) -> String {
    let mut parts = vec![format!("{} in", grouped(spent.input))];
    let caches = [(spent.cache_read, "cached"), (spent.cache_write, "written to the cache")];
    parts.extend(caches.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n))));
    parts.push(format!("{} out", grouped(spent.output)));
    parts.push(spent.cost.map_or_else(|| "no price known".to_owned(), |known| cost(&[known])));
    parts.join(", ")
}

/// `3 turns, 3,600 tokens, 0.0029 USD`.
pub(super) fn summary(turns: u64, total: &Total) -> String {
    let mut parts = vec![counted(turns, "turn"), counted(total.tokens.total_tokens, "token")];
    parts.extend(Some(cost(&total.costs)).filter(|cost| !cost.is_empty()));
    if total.unpriced > 0 {
        parts.push(format!("no price known of {}", counted(total.unpriced, "answer")));
    }
    parts.join(", ")
}

/// `tokens`, `cost` by currency, `unpriced`.
pub(super) fn members(total: &Total) -> Map<String, Value> {
    let costs = total.costs.iter().map(|cost| (cost.currency.code().to_owned(), json!(cost.total.as_f64())));
    Map::from_iter([
        ("tokens".to_owned(), json!(total.tokens)),
        ("cost".to_owned(), Value::Object(costs.collect())),
        ("unpriced".to_owned(), json!(total.unpriced)),
    ])
}
