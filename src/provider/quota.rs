//! A provider's account quota: what is used, what is left, and when it resets.
//!
//! Nothing here fails a request. An incomplete body gives fewer values; a body without any is an error.

mod kimi_code;
mod openrouter;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use serde_json::Value;

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
    /// When it begins anew.
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
#[must_use]
pub fn quota_url(dialect: AdapterId, faces: &[(Api, String)]) -> Option<String> {
    let path = match dialect {
        AdapterId::Moonshot => "/users/me/balance",
        AdapterId::KimiCode => "/usages",
        AdapterId::OpenRouter => "/key",
        AdapterId::Generic => return None,
    };
    let other = |(face, _): &&(Api, String)| *face != Api::Messages;
    let (_, base) = faces.iter().find(other).or_else(|| faces.first())?;
    let root = base.strip_suffix("/anthropic/v1").filter(|_| dialect == AdapterId::Moonshot);
    Some(root.map_or_else(|| format!("{base}{path}"), |root| format!("{root}/v1{path}")))
}

/// Reads the body of a successful response. `currency` is that of the provider's account; `redactor` has the
/// secrets of the call.
///
/// # Errors
/// A message, where the body is not an object, reports a failure, or has no known limit.
pub fn parse_response(
    dialect: AdapterId,
    body: &[u8],
    currency: &str,
    now: SystemTime,
    redactor: &Redactor,
) -> Result<Vec<Allowance>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON".to_owned())?;
    if let Some(refusal) = find_error(&body, redactor) {
        return Err(refusal);
    }
    let found = match dialect {
        AdapterId::Moonshot => read_moonshot_balance(&body, currency),
        AdapterId::KimiCode => kimi_code::read_windows(&body, redactor),
        AdapterId::OpenRouter => openrouter::read_key_limits(&body, currency, now),
        AdapterId::Generic => Vec::new(),
    };
    if found.is_empty() { Err("the answer tells of no quota that is known".to_owned()) } else { Ok(found) }
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
    let said = places.into_iter().flatten().filter_map(Value::as_str).find(|text| !text.trim().is_empty());
    let said = said.unwrap_or("the provider says that it failed");
    let code = code.map(|code| format!("code {code}: ")).unwrap_or_default();
    Some(redactor.redact(&format!("{code}{said}")))
}

/// Moonshot's: at 0 and below nothing is answered any more. Cash may be negative beside vouchers: what is owed.
fn read_moonshot_balance(body: &Value, currency: &str) -> Vec<Allowance> {
    let of = |key: &str| parse_money(body.pointer("/data")?.get(key)?, currency);
    let row = |name: &str, left: Balance| Allowance { remaining: Some(left), ..Allowance::named(name) };
    let cash = of("cash_balance").filter(|cash| cash.is_negative).map(|cash| row("cash", cash));
    of("available_balance").map(|left| row("balance", left)).into_iter().chain(cash).collect()
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
