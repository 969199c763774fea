//! Keys that are missing, and what they turn off.

use super::configuration::{Subject, subject};
use crate::catalog::builtin;
use crate::cli::doctor::check::{Check, Verdict};
use crate::cli::doctor::facts::Facts;
use crate::cli::doctor::finding::Finding;
use crate::credentials::Place;

pub(in crate::cli::doctor) const CHECK: Check = Check {
    name: "keys",
    group: "Secrets",
    says: "every provider of the configuration has its key; which variable, file or credential is missing or empty, and what that turns off",
    asks_providers: false,
    run,
};

fn run(facts: &Facts) -> Verdict {
    let settings = facts.settings()?;
    let view = if facts.unit().is_some() { "as the unit has its keys" } else { "as this shell has its keys" };
    let mut found = Vec::new();
    if !settings.has_target() && facts.status().is_none() {
        let what = "no provider has a key: the gateway does not start (exit 78)";
        // One that this shell has is at hand.
        let own = facts.configuration.settings.iter().flat_map(|own| own.providers.values());
        let at_hand =
            own.filter(|provider| provider.off.is_none()).map(|provider| provider.id.as_str()).next();
        let provider = at_hand.unwrap_or("kimi");
        let login = settings.providers.get(provider).and_then(|provider| provider.login.as_ref());
        let fix = login.map_or_else(|| remedy(facts, provider, variable(provider)), Place::command);
        found.push(Finding::error(what, view).fix(fix));
    }
    for warning in settings.warnings.iter().filter(|warning| subject(warning, facts) == Subject::Key) {
        let provider = provider_in(&warning.message);
        let on = provider.is_some_and(|provider| facts.is_on_in_the_gateway(provider));
        // The gateway has what neither this shell nor the unit's files show: a sealed credential, its own environment.
        if on
            || facts.unit().is_some_and(|unit| {
                unit.file.sealed.iter().any(|name| warning.message.contains(name.as_str()))
            })
        {
            continue;
        }
        let name = variable_in(&warning.message).unwrap_or("NAME");
        let finding = Finding::warning(format!("{}: {}", warning.path, warning.message), view);
        let login = provider.and_then(|id| settings.providers.get(id)?.login.as_ref());
        let fix = match login {
            Some(place) if warning.message.contains("chmod 600") => {
                format!("chmod 600 {}", place.tokens().display())
            }
            Some(place) => place.command(),
            None => remedy(facts, provider.unwrap_or_default(), name),
        };
        found.push(finding.fix(fix));
    }
    Ok(found)
}

/// The id behind the word "provider".
fn provider_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("provider ")?;
    rest.split([' ', ':']).next()
}

/// The first word of capitals.
fn variable_in(message: &str) -> Option<&str> {
    let is_name = |word: &&str| {
        word.len() > 2
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    message.split([' ', ':', ',', '/']).find(is_name)
}

/// What a provider's key is called.
pub(in crate::cli::doctor) fn variable(provider: &str) -> &'static str {
    builtin().provider(provider).and_then(|known| known.key_names.first()).map_or("NAME", String::as_str)
}

/// How the gateway gets a key.
pub(in crate::cli::doctor) fn remedy(facts: &Facts, provider: &str, name: &str) -> String {
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
    facts.fix(command, format!("services.moonrelay.credentials.{name} = \"/path/to/it\"; # a file with the key alone, outside of the store"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_whose_key_it_is_and_how_it_is_called() {
        for (message, provider, name) in [
            (
                "KIMI_API_KEY or KIMICODE_API_KEY is not set or empty: provider kimi is off until it is",
                Some("kimi"),
                Some("KIMI_API_KEY"),
            ),
            (
                "provider openrouter is off: OPENROUTER_API_KEY is not set or empty",
                Some("openrouter"),
                Some("OPENROUTER_API_KEY"),
            ),
            (
                "the file /run/secrets/lab cannot be read or is empty: provider lab is off until it is",
                Some("lab"),
                None,
            ),
        ] {
            assert_eq!((provider_in(message), variable_in(message)), (provider, name), "{message}");
        }
    }
}
