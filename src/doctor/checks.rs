//! The checks, in report order. The reference page is generated from this table.

mod secrets;
mod config;
mod machine;
mod providers;
mod service;

use super::facts::Facts;
use super::finding::CheckResult;
#[cfg(test)]
pub(super) use machine::quote;

/// A check.
pub struct Check {
    /// In `--json` and in the reference.
    pub name: &'static str,
    /// The subject; checks of one subject are reported together.
    pub group: &'static str,
    /// What it verifies.
    pub description: &'static str,
    /// Whether it calls the providers.
    pub needs_network: bool,
    pub(super) run: Run,
}

type Run = fn(&Facts) -> CheckResult;

const fn local(name: &'static str, group: &'static str, description: &'static str, run: Run) -> Check {
    Check { name, group, description, needs_network: false, run }
}

const fn remote(name: &'static str, group: &'static str, description: &'static str, run: Run) -> Check {
    Check { name, group, description, needs_network: true, run }
}

/// Every check.
pub const CHECKS: &[Check] = &[
    local("configuration", "Configuration", "valid, without warnings, writable only by you", config::file),
    local("literal-keys", "Secrets", "the configuration has no key in plain text", secrets::literal_keys),
    local("secret-files", "Secrets", "files with secrets are readable only by you", secrets::secret_files),
    local("store", "Secrets", "no key is in the Nix store or in the unit's file", secrets::nix_store),
    local("keys", "Secrets", "every provider, header and URL has its key or variable", secrets::keys),
    local("service-keys", "Secrets", "the unit has every key that this shell has", secrets::service_keys),
    local("products", "Providers", "no key belongs to another product (by prefix)", providers::key_product),
    remote("reach", "Providers", "each provider responds and accepts its key", providers::reachability),
    remote("region", "Providers", "no rejected key is valid in the other region", providers::key_region),
    remote("clock", "Machine", "the clock agrees with the Date of a provider's response", machine::clock),
    local("retired", "Chain", "no configured model is retired or will be", config::retired_models),
    local("chain", "Chain", "the chain has a usable fallback of another provider", config::chain),
    local("rests", "Chain", "no target of the running gateway is in cooldown", service::cooldowns),
    local("gate", "Chain", "no client is rejected by Kimi Code's User-Agent check", providers::client_gate),
    local("place", "Service", "the gateway serves its address or can bind it", service::listen_address),
    local("gateway", "Service", "a gateway runs, with this version and configuration", service::gateway),
    local("unit", "Service", "the unit is enabled and active, with this program and file", service::unit),
    local("linger", "Service", "the unit starts at boot and outlives your last session", service::linger),
    local("state", "Machine", "writable, private (0700), with free disk space", machine::state_directory),
    local("state-link", "Machine", "not a link to the configuration directory", machine::state_link),
    local("ledger", "Machine", "the usage database is readable and written", machine::usage_database),
];
