//! Kimi Code's windows.
//!
//! `limits` and `usage` hold percent-like numbers as strings, rounded; any of them may be missing. `usages`, which newer
//! answers have beside or instead of them, holds exact shares by name (seen 2026-08 and 2026-09).

use serde_json::Value;

use super::{Allowance, compute_share, parse_number};
use crate::provider::classify::reset_time;
use crate::secret::Redactor;

const MINUTES_OF_AN_HOUR: u64 = 60;
const MINUTES_OF_A_DAY: u64 = 24 * MINUTES_OF_AN_HOUR;
const MINUTES_OF_A_WEEK: u64 = 7 * MINUTES_OF_A_DAY;

/// Each window once; if two fields report the same window, the exact share is used.
pub(super) fn read_windows(body: &Value, redactor: &Redactor) -> Vec<Allowance> {
    let exact = body.get("usages").and_then(Value::as_object).into_iter().flatten();
    let exact = exact.filter_map(|(key, window)| {
        let used = parse_number(window.get("used_ratio")?)?.clamp(0.0, 1.0);
        Some(Allowance {
            used_share: Some(used),
            resets_at: read_reset_time(window),
            ..Allowance::named(limit_name(key, redactor))
        })
    });
    let limits = body.get("limits").and_then(Value::as_array).into_iter().flatten();
    let limits = limits.filter_map(|limit| {
        read_rounded_window(window_name(limit.get("window")?)?, limit.get("detail").unwrap_or(limit))
    });
    let week = body.get("usage").and_then(|usage| read_rounded_window("week".to_owned(), usage));
    let mut found: Vec<Allowance> = Vec::new();
    for window in exact.chain(limits).chain(week) {
        match found.iter_mut().find(|known| known.name == window.name) {
            Some(known) => known.resets_at = known.resets_at.or(window.resets_at),
            None => found.push(window),
        }
    }
    found
}

/// `{"limit":"100","used":"7","remaining":"93","resetTime":"…"}`; `used` is missing in some.
fn read_rounded_window(name: String, detail: &Value) -> Option<Allowance> {
    let of = |key: &str| detail.get(key).and_then(parse_number);
    let limit = of("limit")?;
    let used = of("used").or_else(|| Some(limit - of("remaining")?))?;
    Some(Allowance {
        used_share: Some(compute_share(used, limit)?),
        resets_at: read_reset_time(detail),
        ..Allowance::named(name)
    })
}

fn read_reset_time(window: &Value) -> Option<std::time::SystemTime> {
    let names = ["resetTime", "reset_time", "resetAt", "reset_at"];
    names.iter().find_map(|name| reset_time::parse_time(window.get(*name)?))
}

/// `{"duration":300,"timeUnit":"TIME_UNIT_MINUTE"}` is `5 hours`.
fn window_name(window: &Value) -> Option<String> {
    let duration = parse_number(window.get("duration")?)?;
    let unit = window.get("timeUnit").and_then(Value::as_str).unwrap_or_default();
    let minutes = match unit.trim_start_matches("TIME_UNIT_") {
        "MINUTE" => 1,
        "HOUR" => MINUTES_OF_AN_HOUR,
        "DAY" => MINUTES_OF_A_DAY,
        "WEEK" => MINUTES_OF_A_WEEK,
        "MONTH" => return Some(format_count(duration, "month")),
        _ => return None,
    };
    let (length, minute) = (duration * minutes as f64, 1.0);
    let (unit, word) = [(MINUTES_OF_A_WEEK, "week"), (MINUTES_OF_A_DAY, "day"), (MINUTES_OF_AN_HOUR, "hour")]
        .into_iter()
        .map(|(minutes, word)| (minutes as f64, word))
        .find(|(unit, _)| length >= *unit && length % unit == 0.0)
        .unwrap_or((minute, "minute"));
    (length > 0.0).then(|| format_count(length / unit, word))
}

/// `limit_5h` is `5 hours`, `limit_month_code` is `month code`.
fn limit_name(key: &str, redactor: &Redactor) -> String {
    let key = key.strip_prefix("limit_").unwrap_or(key);
    let length = |unit: char| key.strip_suffix(unit)?.parse::<u32>().ok().map(f64::from);
    match (length('h'), length('d')) {
        (Some(hours), _) => format_count(hours, "hour"),
        (_, Some(7.0)) => "week".to_owned(),
        (_, Some(days)) => format_count(days, "day"),
        _ => redactor.redact(&key.strip_suffix("_total").unwrap_or(key).replace('_', " ")),
    }
}

fn format_count(count: f64, unit: &str) -> String {
    if count == 1.0 { unit.to_owned() } else { format!("{count} {unit}s") }
}
