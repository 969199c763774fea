//! The checks, in the order in which they are told. The reference is made of this table.

use super::checks::*;
use super::facts::Facts;
use super::finding::Finding;

/// What came of a check: what it found, or why it could not be made.
pub(super) type Verdict = Result<Vec<Finding>, String>;

/// One of them.
pub struct Check {
    /// In `--json`, and in the reference.
    pub name: &'static str,
    /// What it is about; those of one group stand together.
    pub group: &'static str,
    /// What it looks for.
    pub says: &'static str,
    /// Whether it needs the network beyond this machine.
    pub asks_providers: bool,
    pub(super) run: fn(&Facts) -> Verdict,
}

/// Every check.
pub const CHECKS: &[Check] = &[
    configuration::CHECK,
    literal_keys::CHECK,
    secret_files::CHECK,
    store::CHECK,
    keys::CHECK,
    service_keys::CHECK,
    products::CHECK,
    reach::CHECK,
    region::CHECK,
    clock::CHECK,
    retired::CHECK,
    chain::CHECK,
    rests::CHECK,
    gate::CHECK,
    place::CHECK,
    gateway::CHECK,
    unit::CHECK,
    linger::CHECK,
    state::CHECK,
    state_link::CHECK,
    ledger::CHECK,
];
