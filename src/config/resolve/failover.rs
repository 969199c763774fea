//! `failover`: clocks, waits and rests.

use std::time::Duration;

use super::Scope;
use crate::config::file::{At, Value};
use crate::config::settings::Failover;

/// Reads it over the defaults.
pub(super) fn read(root: &At<'_>, scope: &mut Scope<'_, '_, '_>) -> Failover {
    let mut failover = Failover::default();
    let Some(at) = root.get("failover") else { return failover };
    let seconds = |keys: &[&str]| at.find(keys).and_then(|at| at.whole()).map(Duration::from_secs);
    let milliseconds = |keys: &[&str]| at.find(keys).and_then(|at| at.whole()).map(Duration::from_millis);
    let or = |value: Option<Duration>, field: &mut Duration| *field = value.unwrap_or(*field);
    if let Some(attempts) = at.get("attemptsPerTarget").and_then(|at| at.whole()) {
        failover.attempts_per_target = u32::try_from(attempts).unwrap_or(failover.attempts_per_target);
    }
    or(milliseconds(&["backoff", "initialMs"]), &mut failover.backoff_initial);
    or(milliseconds(&["backoff", "maxMs"]), &mut failover.backoff_max);
    or(seconds(&["cooldown", "billingSeconds"]), &mut failover.cooldown_billing);
    or(seconds(&["timeouts", "connectSeconds"]), &mut failover.connect);
    or(seconds(&["timeouts", "headSeconds"]), &mut failover.head);
    or(seconds(&["timeouts", "firstByteSeconds"]), &mut failover.first_byte);
    or(seconds(&["timeouts", "idleSeconds"]), &mut failover.idle);
    or(seconds(&["keepAliveSeconds"]), &mut failover.keep_alive);
    failover.total = seconds(&["timeouts", "totalSeconds"]);
    failover.hedge_after = milliseconds(&["hedgeAfterMs"]);
    let word = |key| at.get(key).and_then(|at| at.text());
    failover.return_at_session_end = word("returnToPrimary") == Some("session");
    failover.continue_mid_stream = word("midStream") != Some("error");
    if let Some(steps) = at.find(&["cooldown", "stepsSeconds"]) {
        read_steps(&steps, &mut failover, scope);
    }
    if failover.backoff_initial > failover.backoff_max
        && let Some(backoff) = at.get("backoff")
    {
        let (first, longest) = (failover.backoff_initial.as_millis(), failover.backoff_max.as_millis());
        scope.wrong(
            &backoff,
            format!("the first wait ({first} ms) is longer than the longest ({longest} ms)"),
        );
    }
    failover
}

fn read_steps(at: &At<'_>, failover: &mut Failover, scope: &mut Scope<'_, '_, '_>) {
    if matches!(&at.node.value, Value::List(list) if list.is_empty()) {
        scope.wrong(at, "the list is empty: write at least one step");
    }
    let steps: Vec<Duration> = at.elements().iter().filter_map(At::whole).map(Duration::from_secs).collect();
    if !steps.is_empty() {
        failover.cooldown_steps = steps;
    }
}
