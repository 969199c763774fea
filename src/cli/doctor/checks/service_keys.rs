//! Keys that only the shell has.

use super::keys::key_fix;
use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::settings::SecretOrigin;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "service-keys",
    group: "Secrets",
    description: "a key that this shell's environment has reaches the unit, too: systemd knows no variables of a shell",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let service = facts.require_unit()?;
    let own = facts.config.settings.as_ref().map_err(|_| "the configuration is not valid".to_owned())?;
    let seen = service.settings.as_ref().ok_or("the configuration is not valid with the unit's variables")?;
    let mut found = Vec::new();
    for (id, provider) in &own.providers {
        let is_off = seen.providers.get(id).is_some_and(|seen| seen.disabled_reason.is_some());
        let origin = provider.keys.first().map(|key| &key.origin);
        let (Some(SecretOrigin::Environment(name)), None, true) = (origin, &provider.disabled_reason, is_off)
        else {
            continue;
        };
        if facts.is_enabled_in_gateway(id) {
            continue;
        }
        let what = format!(
            "{name} is set in this shell, and systemd does not see it: in the service provider {id} is off"
        );
        let how = format!(
            "it is neither in the secrets file, nor in systemctl --user show-environment, nor in an Environment=, \
             EnvironmentFile= or LoadCredential= of {}",
            service.service_state.file()
        );
        let finding = if seen.has_target() {
            Finding::warning(FindingKind::KeyOnlyInShell, what, how)
        } else {
            Finding::error(FindingKind::KeyOnlyInShell, what, how)
        };
        found.push(finding.with_fix(key_fix(facts, id, name)));
    }
    Ok(found)
}
