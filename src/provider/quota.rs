//! A provider's account quota: what is used, what is left, and when it resets.
//!
//! Nothing here fails a request. An incomplete body gives fewer values; a body without any is an error.

use std::time::SystemTime;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::wait_time;
use crate::catalog::AdapterId;
use crate::protocol::amount::Amount;
use crate::protocol::api::Api;
use crate::secret::Redactor;

/// One limit of an account: a window, a balance, a key's budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowance {
    /// `5 hours`, `week`, `balance`, `key`.
    pub name: String,
    /// The used share, from 0 to 1; `None` where the provider reports no limit.
    pub used_share: Option<f64>,
    /// The remaining money; `None` where the provider reports none.
    pub remaining: Option<Balance>,
    /// The time of the next reset.
    pub resets_at: Option<SystemTime>,
}

/// Money that is left, or owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// It is owed.
    pub is_negative: bool,
    /// How much.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: String,
}

/// With its sign: `49.58894`, `-3.5`.
impl std::fmt::Display for Balance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.is_negative { "-" } else { "" }, self.amount)
    }
}

impl Allowance {
    fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), used_share: None, remaining: None, resets_at: None }
    }
}

/// The URL of a provider's quota or balance, derived from its base URLs. `None` where the provider reports
/// neither.
///
/// Moonshot: `GET /v1/users/me/balance` (its API reference, 2026-09), beside the base URL of its Messages API,
/// not under it. Kimi Code: `GET /coding/v1/usages` (kimi-code 2.1.0). `OpenRouter`: `GET /api/v1/key` (its SDK
/// 1.3.19).
pub fn quota_url(adapter: AdapterId, apis: &[(Api, String)]) -> Option<String> {
    let path = match adapter {
        AdapterId::Moonshot => "/users/me/balance",
        AdapterId::KimiCode => "/usages",
        AdapterId::OpenRouter => "/key",
        AdapterId::Generic => return None,
    };
    let other = |(api, _): &&(Api, String)| *api != Api::Messages;
    let (_, base) = apis.iter().find(other).or_else(|| apis.first())?;
    let root = base.strip_suffix("/anthropic/v1").filter(|_| adapter == AdapterId::Moonshot);
    Some(root.map_or_else(|| format!("{base}{path}"), |root| format!("{root}/v1{path}")))
}

/// Reads the body of a successful response. `currency` is that of the provider's account; `redactor` has the
/// secrets of the call.
///
/// # Errors
/// A message, where the body is not an object, reports a failure, or has no known limit.
pub fn parse_response(
    adapter: AdapterId,
    body: &[u8],
    currency: &str,
    now: SystemTime,
    redactor: &Redactor,
) -> Result<Vec<Allowance>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "the response is not JSON".to_owned())?;
    if let Some(message) = find_error(&body, redactor) {
        return Err(message);
    }
    let found = match adapter {
        AdapterId::Moonshot => read_moonshot_balance(&body, currency),
        AdapterId::KimiCode => read_kimi_code_windows(&body, redactor),
        AdapterId::OpenRouter => read_openrouter_limits(&body, currency, now),
        AdapterId::Generic => Vec::new(),
    };
    if found.is_empty() { Err("the response has no known quota".to_owned()) } else { Ok(found) }
}

/// Moonshot puts a `code` that is not zero, and `status: false`, into what failed; the others an `error`.
fn find_error(body: &Value, redactor: &Redactor) -> Option<String> {
    let error = body.get("error").filter(|error| !error.is_null());
    let code = body.get("code").and_then(parse_number).filter(|code| *code != 0.0);
    let failed = body.get("status") == Some(&Value::Bool(false));
    if error.is_none() && code.is_none() && !failed {
        return None;
    }
    let places = [error.and_then(|error| error.get("message")), body.get("message"), error];
    let message = places.into_iter().flatten().filter_map(Value::as_str).find(|text| !text.trim().is_empty());
    let message = message.unwrap_or("the provider reports a failure");
    let code = code.map(|code| format!("code {code}: ")).unwrap_or_default();
    Some(redactor.redact(&format!("{code}{message}")))
}

/// Moonshot's balance: at 0 and below it rejects requests. Cash may be negative (a debt) beside vouchers.
fn read_moonshot_balance(body: &Value, currency: &str) -> Vec<Allowance> {
    let of = |key: &str| parse_money(body.pointer("/data")?.get(key)?, currency);
    let row = |name: &str, left: Balance| Allowance { remaining: Some(left), ..Allowance::named(name) };
    let cash = of("cash_balance").filter(|cash| cash.is_negative).map(|cash| row("cash", cash));
    of("available_balance").map(|left| row("balance", left)).into_iter().chain(cash).collect()
}

/// Units of a window: Kimi Code's name, the name for people, and the minutes.
const WINDOW_UNITS: [(&str, &str, f64); 4] =
    [("WEEK", "week", 10_080.0), ("DAY", "day", 1440.0), ("HOUR", "hour", 60.0), ("MINUTE", "minute", 1.0)];

/// Kimi Code's windows. `limits` and `usage` hold percent-like numbers as strings, rounded; any of them may be missing.
/// `usages`, which newer answers have beside or instead of them, holds exact shares by name (seen 2026-08 and 2026-09).
/// Each window once; if two fields report the same window, the exact share is used.
fn read_kimi_code_windows(body: &Value, redactor: &Redactor) -> Vec<Allowance> {
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

fn read_reset_time(window: &Value) -> Option<SystemTime> {
    let names = ["resetTime", "reset_time", "resetAt", "reset_at"];
    names.iter().find_map(|name| wait_time::parse_time(window.get(*name)?))
}

/// `{"duration":300,"timeUnit":"TIME_UNIT_MINUTE"}` is `5 hours`.
fn window_name(window: &Value) -> Option<String> {
    let duration = parse_number(window.get("duration")?)?;
    let unit = window.get("timeUnit").and_then(Value::as_str).unwrap_or_default();
    let unit = unit.trim_start_matches("TIME_UNIT_");
    if unit == "MONTH" {
        return Some(format_count(duration, "month"));
    }
    let length = duration * WINDOW_UNITS.iter().find(|(name, ..)| *name == unit)?.2;
    let divides = |(.., unit): &&(_, _, f64)| length >= *unit && length % unit == 0.0;
    let (_, word, unit) = WINDOW_UNITS.iter().find(divides).or(WINDOW_UNITS.last())?;
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

/// OpenRouter's: the key's budget, which may have none, and of a free account the requests of the day.
fn read_openrouter_limits(body: &Value, currency: &str, now: SystemTime) -> Vec<Allowance> {
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

/// A number, or the string that is one.
fn parse_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// An amount of money, as a number or as a string.
fn parse_money(value: &Value, currency: &str) -> Option<Balance> {
    let literal = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let owed = literal.strip_prefix('-');
    let amount = Amount::parse(owed.unwrap_or(&literal))?;
    let negative = owed.is_some() && amount > Amount::ZERO;
    Some(Balance { is_negative: negative, amount, currency: currency.to_owned() })
}

/// The part of a whole, from 0 to 1; `None` of nothing.
fn compute_share(part: f64, whole: f64) -> Option<f64> {
    let share = part / whole;
    (whole > 0.0 && share.is_finite()).then(|| share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
