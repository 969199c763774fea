//! The checks, in report order. The reference page is generated from this table.

use super::checks::*;
use super::facts::Facts;
use super::finding::Finding;

/// What came of a check: what it found, or why it could not be made.
pub(super) type CheckResult = Result<Vec<Finding>, String>;

/// One of them.
pub struct Check {
    /// In `--json`, and in the reference.
    pub name: &'static str,
    /// Subject; checks of one subject are grouped.
    pub group: &'static str,
    /// What it looks for.
    pub description: &'static str,
    /// Whether it needs the network beyond this machine.
    pub needs_network: bool,
    pub(super) run: fn(&Facts) -> CheckResult,
}

/// Every check.
pub const CHECKS: &[Check] = &[
    config::CHECK,
    literal_keys::CHECK,
    secret_files::CHECK,
    nix_store::CHECK,
    keys::CHECK,
    service_keys::CHECK,
    key_product::CHECK,
    reachability::CHECK,
    key_region::CHECK,
    clock::CHECK,
    retired_models::CHECK,
    chain::CHECK,
    cooldowns::CHECK,
    client_gate::CHECK,
    listen_address::CHECK,
    gateway::CHECK,
    unit::CHECK,
    linger::CHECK,
    state_directory::CHECK,
    state_link::CHECK,
    usage::CHECK,
];
