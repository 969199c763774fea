//! Keys that only the shell has.

use super::keys::remedy;
use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::settings::SecretOrigin;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "service-keys",
    group: "Secrets",
    says: "a key that this shell's environment has reaches the unit, too: systemd knows no variables of a shell",
    asks_providers: false,
    run,
};

fn run(facts: &Facts) -> Verdict {
    let service = facts.installed()?;
    let own =
        facts.configuration.settings.as_ref().map_err(|_| "the configuration is not valid".to_owned())?;
    let seen = service.settings.as_ref().ok_or("the configuration is not valid with the unit's variables")?;
    let mut found = Vec::new();
    for (id, provider) in &own.providers {
        let is_off = seen.providers.get(id).is_some_and(|seen| seen.off.is_some());
        let origin = provider.keys.first().map(|key| &key.origin);
        let (Some(SecretOrigin::Environment(name)), None, true) = (origin, &provider.off, is_off) else {
            continue;
        };
        if facts.is_on_in_the_gateway(id) {
            continue;
        }
        let what = format!(
            "{name} is set in this shell, and systemd does not see it: in the service provider {id} is off"
        );
        let how = format!(
            "it is neither in the secrets file, nor in systemctl --user show-environment, nor in an Environment=, \
             EnvironmentFile= or LoadCredential= of {}",
            service.unit.file()
        );
        let finding = if seen.has_target() {
            Finding::warning(FindingKind::KeyOnlyInShell, what, how)
        } else {
            Finding::error(FindingKind::KeyOnlyInShell, what, how)
        };
        found.push(finding.fix(remedy(facts, id, name)));
    }
    Ok(found)
}
