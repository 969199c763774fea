//! The quota that OpenRouter reports for a key.

use std::time::SystemTime;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::{Allowance, compute_share, parse_money, parse_number};

/// The key's budget, which may have none, and of a free account the requests of the day.
pub(super) fn read_key_limits(body: &Value, currency: &str, now: SystemTime) -> Vec<Allowance> {
    let Some(data) = body.get("data").filter(|data| data.is_object()) else { return Vec::new() };
    let of = |key: &str| data.get(key).and_then(parse_number);
    let left = data.get("limit_remaining").and_then(|left| parse_money(left, currency));
    let budget = || parse_money(data.pointer("/effective_budget/remaining_usd")?, "USD");
    let used =
        of("limit").zip(of("limit_remaining")).and_then(|(limit, left)| compute_share(limit - left, limit));
    let period = data.get("limit_reset").and_then(Value::as_str).unwrap_or_default();
    let key = Allowance {
        used_share: used,
        remaining: left.or_else(budget),
        resets_at: next_reset(period, now),
        ..Allowance::named("key")
    };
    let free = data.get("free_model_daily_requests");
    let free = free.filter(|_| data.get("is_free_tier") == Some(&Value::Bool(true))).and_then(|free| {
        let used = compute_share(parse_number(free.get("used")?)?, parse_number(free.get("limit")?)?);
        Some(Allowance { used_share: Some(used?), ..Allowance::named("free requests of the day") })
    });
    std::iter::once(key).chain(free).collect()
}

/// Budgets begin anew at midnight UTC, weeks on Monday (OpenRouter's API reference, 2026).
fn next_reset(period: &str, now: SystemTime) -> Option<SystemTime> {
    let today = Timestamp::try_from(now).ok()?.to_zoned(TimeZone::UTC).date();
    let day: Date = match period.to_ascii_lowercase().as_str() {
        "daily" => today.tomorrow().ok()?,
        "weekly" => today.nth_weekday(1, Weekday::Monday).ok()?,
        "monthly" => today.first_of_month().checked_add(1.month()).ok()?,
        _ => return None,
    };
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}
