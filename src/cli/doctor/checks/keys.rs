//! Keys that are missing, and what they turn off.

use crate::catalog::builtin_catalog;
use crate::cli::doctor::check::{Check, CheckResult};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::kind::FindingKind;
use crate::config::settings::{Missing, WarningKind};
use crate::credentials::{LoginError, LoginFile, LoginProblem};

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "keys",
    group: "Secrets",
    description: "every provider of the configuration has its key; which variable, file or credential is missing or empty, and what that turns off",
    needs_network: false,
    run,
};

fn run(facts: &Facts) -> CheckResult {
    let settings = facts.require_settings()?;
    let view = if facts.installed_unit().is_some() {
        "as the unit has its keys"
    } else {
        "as this shell has its keys"
    };
    let mut found = Vec::new();
    if !settings.has_target() && facts.gateway_status().is_none() {
        let what = "no provider has a key: the gateway does not start (exit 78)";
        // One that this shell has is at hand.
        let own = facts.config.settings.iter().flat_map(|own| own.providers.values());
        let at_hand = own
            .filter(|provider| provider.disabled_reason.is_none())
            .map(|provider| provider.id.as_str())
            .next();
        let provider = at_hand.unwrap_or("kimi");
        let login = settings.providers.get(provider).and_then(|provider| provider.login_file.as_ref());
        let fix =
            login.map_or_else(|| key_fix(facts, provider, key_variable(provider)), LoginFile::login_command);
        found.push(Finding::error(FindingKind::NoUsableProvider, what, view).with_fix(fix));
    }
    for warning in &settings.warnings {
        let Some((kind, missing)) = kind_of(&warning.kind) else { continue };
        let provider = provider_of(&warning.kind);
        let on = provider.is_some_and(|provider| facts.is_enabled_in_gateway(provider));
        let sealed = facts
            .installed_unit()
            .map(|unit| unit.unit_file.opaque_credentials.as_slice())
            .unwrap_or_default();
        // The gateway has what neither this shell nor the unit's files show: a sealed credential, its own environment.
        if on || names(missing).any(|name| sealed.iter().any(|sealed| sealed == name)) {
            continue;
        }
        let login = provider.and_then(|id| settings.providers.get(id)?.login_file.as_ref());
        let fix = match (&warning.kind, login) {
            (WarningKind::MissingLogin { error: Some(error), .. }, _) => login_fix(error),
            (WarningKind::MissingLogin { error: None, .. }, _) => "set HOME".to_owned(),
            (_, Some(place)) => place.login_command(),
            (_, None) => {
                key_fix(facts, provider.unwrap_or_default(), names(missing).next().unwrap_or("NAME"))
            }
        };
        let finding = Finding::warning(kind, format!("{}: {}", warning.path, warning.message), view);
        found.push(finding.with_fix(fix));
    }
    Ok(found)
}

/// The finding for a warning that this check reports, and what is not available.
pub(super) fn kind_of(warning: &WarningKind) -> Option<(FindingKind, Option<&Missing>)> {
    match warning {
        WarningKind::MissingKey { missing, .. } | WarningKind::KeylessTarget { missing, .. } => {
            Some((FindingKind::MissingKey, Some(missing)))
        }
        WarningKind::NoApiKey { .. } => Some((FindingKind::MissingKey, None)),
        WarningKind::MissingLogin { .. } => Some((FindingKind::MissingLogin, None)),
        WarningKind::MissingHeader { missing, .. } => Some((FindingKind::MissingHeader, Some(missing))),
        WarningKind::MissingBaseUrl { missing, .. } => Some((FindingKind::MissingBaseUrl, Some(missing))),
        WarningKind::MissingWebSearch(missing) => Some((FindingKind::MissingWebSearch, Some(missing))),
        _ => None,
    }
}

fn provider_of(warning: &WarningKind) -> Option<&str> {
    match warning {
        WarningKind::MissingKey { provider, .. }
        | WarningKind::KeylessTarget { provider, .. }
        | WarningKind::NoApiKey { provider }
        | WarningKind::MissingLogin { provider, .. }
        | WarningKind::MissingHeader { provider, .. }
        | WarningKind::MissingBaseUrl { provider, .. } => Some(provider),
        _ => None,
    }
}

fn names(missing: Option<&Missing>) -> impl Iterator<Item = &str> {
    missing.into_iter().flat_map(Missing::names)
}

fn login_fix(error: &LoginError) -> String {
    match error.problem {
        LoginProblem::Unreadable(_) | LoginProblem::OpenToOthers { .. } => {
            format!("chmod 600 {}", error.place.token_path().display())
        }
        LoginProblem::LoggedOut | LoginProblem::Invalid(_) | LoginProblem::Ended(_) => {
            error.place.login_command()
        }
    }
}

/// Names of a provider's key.
pub(in crate::cli::doctor) fn key_variable(provider: &str) -> &'static str {
    builtin_catalog()
        .provider(provider)
        .and_then(|known| known.key_variables.first())
        .map_or("NAME", String::as_str)
}

/// How the gateway gets a key.
pub(in crate::cli::doctor) fn key_fix(facts: &Facts, provider: &str, name: &str) -> String {
    let choice = match provider {
        "kimi" => "kimi-code-api-key",
        "moonshot" => "moonshot-api-key",
        "moonshot-cn" => "moonshot-api-key-cn",
        "openrouter" => "openrouter-api-key",
        _ => "",
    };
    let file = facts.environment.secrets_file().unwrap_or_default();
    let command = match choice {
        "" => format!("add the line {name}=… to {} (mode 600)", file.display()),
        choice => format!("moonrelay onboard --auth-choice {choice}"),
    };
    facts.choose_fix(command, format!("services.moonrelay.credentials.{name} = \"/path/to/it\"; # a file with the key alone, outside of the store"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::SecretOrigin;

    #[test]
    fn missing_value_has_the_names_under_which_it_is_looked_up() {
        let kimi = Missing::Variables(vec!["KIMI_API_KEY".to_owned(), "KIMICODE_API_KEY".to_owned()]);
        for (missing, expected) in [
            (kimi, &["KIMI_API_KEY", "KIMICODE_API_KEY"][..]),
            (Missing::Credential("lab".to_owned()), &["lab"]),
            (Missing::InvalidKey(SecretOrigin::Environment("LAB_KEY".to_owned())), &["LAB_KEY"]),
            (Missing::File("/run/secrets/lab".to_owned()), &[]),
        ] {
            assert_eq!(names(Some(&missing)).collect::<Vec<_>>(), expected, "{missing}");
        }
    }
}
