//! `/status` in words.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Text output: the chain, the providers, and problems.
pub(super) fn describe(status: &Value, now: SystemTime, zone: &TimeZone) -> String {
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or("none").to_owned();
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or_default();
    let mut out = format!(
        "moonrelay {} on {}\nup {} s, {} under way\nconfiguration: {}",
        text("version"),
        text("address"),
        number("uptimeSeconds"),
        number("inFlight"),
        text("config"),
    );
    if let Some(message) = reload_text(status) {
        out.push_str(&message);
    }
    if let Some(trouble) = usage_text(status) {
        out.push_str(&trouble);
    }
    for (title, list, name) in [("chain", "chain", "target"), ("providers", "providers", "id")] {
        let entries = status.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if !entries.is_empty() {
            out.push_str(&format!("\n{title}:"));
        }
        let width = entries.iter().map(|entry| field(entry, name).len()).max().unwrap_or_default();
        for entry in entries {
            out.push_str(&format!("\n  {:<width$}  {}", field(entry, name), state_text(entry, now, zone)));
        }
    }
    out
}

fn field<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn reload_text(status: &Value) -> Option<String> {
    let message = status.pointer("/reload/message")?.as_str().filter(|message| !message.is_empty())?;
    let what = if status.pointer("/reload/ok") == Some(&Value::Bool(false)) {
        "the last reload was refused, the settings before it serve on"
    } else {
        "of the last reload not everything counts"
    };
    Some(format!("\n{what}: {message}"))
}

/// Only where something is wrong.
fn usage_text(status: &Value) -> Option<String> {
    let ledger = status.get("ledger")?;
    let dropped = ledger.get("dropped").and_then(Value::as_u64).unwrap_or_default();
    let lost = match dropped {
        0 => String::new(),
        1 => " (1 entry is lost)".to_owned(),
        count => format!(" ({count} entries are lost)"),
    };
    match ledger.get("trouble").and_then(Value::as_str) {
        Some(trouble) => Some(format!("\nthe ledger is not written{lost}: {trouble}")),
        None if dropped > 0 => Some(format!("\nthe ledger is written again{lost}")),
        None => None,
    }
}

/// `cooling down until 21:40:05 (42 s): rate_limit`.
fn state_text(entry: &Value, now: SystemTime, zone: &TimeZone) -> String {
    let mut words = field(entry, "state").replace('_', " ");
    if let Some(until) = entry.get("cooldownUntil").and_then(Value::as_u64) {
        let until = SystemTime::UNIX_EPOCH + Duration::from_millis(until);
        let left = until.duration_since(now).unwrap_or_default();
        words.push_str(&format!(" until {} ({})", format_time(until, left, zone), format_duration(left)));
    }
    match field(entry, "reason") {
        "" => words,
        reason => format!("{words}: {reason}"),
    }
}

/// The time of day; where that is not enough, the day too.
fn format_time(at: SystemTime, left: Duration, zone: &TimeZone) -> String {
    let form = if left < Duration::from_hours(20) { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    match Timestamp::try_from(at) {
        Ok(at) => at.to_zoned(zone.clone()).strftime(form).to_string(),
        Err(_) => "far away".to_owned(),
    }
}

/// The two units that say the most: `42 s`, `4 min 10 s`, `2 h 5 min`.
fn format_duration(left: Duration) -> String {
    let seconds = left.as_secs_f64().ceil() as u64;
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let said = parts.iter().skip(first).take(2).filter(|(count, _)| *count > 0 || seconds == 0);
    said.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_chain_is_told_with_reasons_and_times() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_296_000);
        let until = |seconds: u64| (1_795_296_000 + seconds) * 1000;
        let status = json!({
            "version": "1", "address": "http://127.0.0.1:1", "uptimeSeconds": 7, "inFlight": 1, "config": null,
            "chain": [
                { "target": "kimi/k3", "state": "cooling_down", "cooldownUntil": until(42), "reason": "rate_limit" },
                { "target": "moonshot/kimi-k3", "state": "off", "reason": "no key" },
                { "target": "openrouter/auto", "state": "answering" },
            ],
            "providers": [{ "id": "kimi", "state": "cooling_down", "cooldownUntil": until(90_000), "reason": "quota" }],
            "ledger": { "queued": 3, "written": 9, "dropped": 2, "trouble": "the disk is full" },
        });
        let expected = "moonrelay 1 on http://127.0.0.1:1\nup 7 s, 1 under way\nconfiguration: none\n\
            the ledger is not written (2 entries are lost): the disk is full\nchain:\n  \
            kimi/k3           cooling down until 21:20:42 (42 s): rate_limit\n  \
            moonshot/kimi-k3  off: no key\n  openrouter/auto   answering\nproviders:\n  \
            kimi  cooling down until 2026-11-22 22:20 (1 d 1 h): quota";
        assert_eq!(describe(&status, now, &TimeZone::UTC), expected);
    }

    #[test]
    fn spans_are_told_in_two_units() {
        let told = |seconds: u64| format_duration(Duration::from_millis(seconds * 1000 - 1));
        assert_eq!(
            [1, 60, 61, 3600, 7500, 86_400].map(told),
            ["1 s", "1 min", "1 min 1 s", "1 h", "2 h 5 min", "1 d"]
        );
        assert_eq!(format_duration(Duration::ZERO), "0 s");
    }
}
