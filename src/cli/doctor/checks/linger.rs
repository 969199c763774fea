//! Whether the unit outlives the session.

use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "linger",
    group: "Service",
    description: "the unit stays when your last session ends, and starts at boot (loginctl enable-linger)",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let unit = facts.require_unit()?;
    if unit.has_linger.ok_or("nobody says whether this user lingers")? {
        return Ok(Vec::new());
    }
    let what =
        "the gateway ends with your last session, and does not start at boot: this user does not linger";
    let user = facts.environment.get("USER").unwrap_or("NAME");
    let finding =
        Finding::warning(FindingKind::NoLinger, what, "loginctl show-user, or /var/lib/systemd/linger");
    Ok(vec![
        finding.with_fix(
            facts.choose_fix("loginctl enable-linger", format!("users.users.{user}.linger = true;")),
        ),
    ])
}
