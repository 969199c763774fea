//! Targets in cooldown.

use std::time::SystemTime;

use serde_json::Value;

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "rests",
    group: "Chain",
    description: "some target of the running gateway can answer now; which of them rest, and what for",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let status = facts.gateway_status().ok_or("no gateway runs")?;
    let chain = status.get("chain").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let state = |entry: &Value| text_field(entry, "state").to_owned();
    let answering =
        chain.iter().find(|entry| state(entry) == "answering").map(|entry| text_field(entry, "target"));
    let mut found = Vec::new();
    for entry in chain.iter().filter(|entry| state(entry) == "cooling_down") {
        let (target, reason) = (text_field(entry, "target"), text_field(entry, "reason"));
        let left = entry
            .get("cooldownUntil")
            .and_then(Value::as_u64)
            .map_or(0, |until| seconds_left(until, facts.now));
        let who = answering.map_or_else(|| "nobody answers".to_owned(), |other| format!("{other} answers"));
        let what = format!("{target} rests for {left} s more ({reason}): meanwhile {who}");
        let how = "moonrelay gateway status";
        let finding = match (answering, reason) {
            (None, _) => Finding::error(FindingKind::TargetInCooldown, what, how),
            // These do not pass by themselves.
            (Some(_), "billing" | "auth") => Finding::warning(FindingKind::TargetInCooldown, what, how),
            (Some(_), _) => Finding::info(FindingKind::TargetInCooldown, what, how),
        };
        found.push(match reason_fix(reason) {
            Some(fix) => finding.with_fix(fix),
            None => finding,
        });
    }
    Ok(found)
}

fn reason_fix(reason: &str) -> Option<&'static str> {
    match reason {
        "billing" => Some("top up, or renew the membership, on the provider's own site"),
        "auth" => Some("moonrelay models status --probe, and a new key"),
        "quota" => Some("nothing: it is asked again when its window opens; moonrelay usage shows when"),
        _ => None,
    }
}

fn text_field<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn seconds_left(until: u64, now: SystemTime) -> u128 {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    u128::from(until).saturating_sub(now).div_ceil(1000)
}
