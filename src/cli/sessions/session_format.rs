//! Moments, tokens and costs of sessions as people and programs read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::assistant::session::SessionUsage;
use crate::assistant::transcript::{AnswerCosts, AnswerUsage};
use crate::cli::usage::number_format::{cost_digits, format_count, format_money, group_digits};
use crate::cli::usage::output_style::sanitize_line;

/// `2026-11-22 01:02:03` in local time; other text is only sanitized.
pub(super) fn format_time(at: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => sanitize_line(at),
    }
}

/// `0.001434 USD`, each currency by itself; empty where no cost is known.
pub(super) fn format_cost(costs: &[AnswerCosts]) -> String {
    let each = costs
        .iter()
        .map(|cost| format!("{} {}", format_money(cost.total, cost_digits(cost.total)), cost.currency));
    each.collect::<Vec<_>>().join(" + ")
}

/// `moonshot/kimi-k2.6`; only the name if the provider is unknown: no model answered, or `default` was selected
/// again.
pub(super) fn model_name(provider: &str, model: &str) -> String {
    let provider = if provider.is_empty() { String::new() } else { format!("{provider}/") };
    sanitize_line(&format!("{provider}{model}"))
}

/// `600 in, 400 cached, 200 out, 0.001434 USD`.
pub(super) fn format_usage(spent: &AnswerUsage) -> String {
    let mut parts = vec![format!("{} in", group_digits(spent.input))];
    let caches = [(spent.cache_read, "cached"), (spent.cache_write, "written to the cache")];
    parts.extend(
        caches.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", group_digits(*n))),
    );
    parts.push(format!("{} out", group_digits(spent.output)));
    parts.push(spent.cost.map_or_else(|| "no price known".to_owned(), |known| format_cost(&[known])));
    parts.join(", ")
}

/// `3 turns, 3,600 tokens, 0.0029 USD`.
pub(super) fn format_summary(turns: u64, total: &SessionUsage) -> String {
    let mut parts = vec![format_count(turns, "turn"), format_count(total.tokens.total_tokens, "token")];
    parts.extend(Some(format_cost(&total.costs)).filter(|cost| !cost.is_empty()));
    if total.unpriced_answers > 0 {
        parts.push(format!("no price known of {}", format_count(total.unpriced_answers, "answer")));
    }
    parts.join(", ")
}

/// `tokens`, `cost` by currency, `unpriced`.
pub(super) fn total_json(total: &SessionUsage) -> Map<String, Value> {
    let costs = total.costs.iter().map(|cost| (cost.currency.code().to_owned(), json!(cost.total.as_f64())));
    Map::from_iter([
        ("tokens".to_owned(), json!(total.tokens)),
        ("cost".to_owned(), Value::Object(costs.collect())),
        ("unpriced".to_owned(), json!(total.unpriced_answers)),
    ])
}
