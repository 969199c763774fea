//! `failover`: timeouts, delays and cooldowns.

use std::time::Duration;

use super::Scope;
use crate::config::file::{Cursor, NodeValue};
use crate::config::settings::FailoverSettings;

/// Reads it over the defaults.
pub(super) fn read(root: &Cursor<'_>, scope: &mut Scope<'_, '_, '_>) -> FailoverSettings {
    let mut failover = FailoverSettings::default();
    let Some(at) = root.get("failover") else { return failover };
    let seconds = |keys: &[&str]| at.get_path(keys).and_then(|at| at.as_u64()).map(Duration::from_secs);
    let milliseconds =
        |keys: &[&str]| at.get_path(keys).and_then(|at| at.as_u64()).map(Duration::from_millis);
    let or = |value: Option<Duration>, field: &mut Duration| *field = value.unwrap_or(*field);
    if let Some(attempts) = at.get("attemptsPerTarget").and_then(|at| at.as_u64()) {
        failover.attempts_per_target = u32::try_from(attempts).unwrap_or(failover.attempts_per_target);
    }
    or(milliseconds(&["backoff", "initialMs"]), &mut failover.initial_backoff);
    or(milliseconds(&["backoff", "maxMs"]), &mut failover.max_backoff);
    or(seconds(&["cooldown", "billingSeconds"]), &mut failover.billing_cooldown);
    or(seconds(&["timeouts", "connectSeconds"]), &mut failover.connect_timeout);
    or(seconds(&["timeouts", "headSeconds"]), &mut failover.response_header_timeout);
    or(seconds(&["timeouts", "firstByteSeconds"]), &mut failover.first_token_timeout);
    or(seconds(&["timeouts", "idleSeconds"]), &mut failover.idle_timeout);
    or(seconds(&["keepAliveSeconds"]), &mut failover.keep_alive_interval);
    failover.total_timeout = seconds(&["timeouts", "totalSeconds"]);
    failover.hedge_after = milliseconds(&["hedgeAfterMs"]);
    let word = |key| at.get(key).and_then(|at| at.as_str());
    failover.keeps_fallback_for_session = word("returnToPrimary") == Some("session");
    failover.continues_interrupted_streams = word("midStream") != Some("error");
    if let Some(steps) = at.get_path(&["cooldown", "stepsSeconds"]) {
        read_steps(&steps, &mut failover, scope);
    }
    if failover.initial_backoff > failover.max_backoff
        && let Some(backoff) = at.get("backoff")
    {
        let (first, longest) = (failover.initial_backoff.as_millis(), failover.max_backoff.as_millis());
        scope.wrong(
            &backoff,
            format!("the first wait ({first} ms) is longer than the longest ({longest} ms)"),
        );
    }
    failover
}

fn read_steps(at: &Cursor<'_>, failover: &mut FailoverSettings, scope: &mut Scope<'_, '_, '_>) {
    if matches!(&at.node.value, NodeValue::List(list) if list.is_empty()) {
        scope.wrong(at, "the list is empty: write at least one step");
    }
    let steps: Vec<Duration> =
        at.elements().iter().filter_map(Cursor::as_u64).map(Duration::from_secs).collect();
    if !steps.is_empty() {
        failover.cooldown_steps = steps;
    }
}
