//! End to end: text and environment to settings.

mod arbitrary;
mod broken;
mod chains;
mod files;
mod merged;
mod search;
mod seeds;

use super::settings::{Provider, Settings};
use super::{ConfigError, Environment, from_text};

/// An environment with these variables and nothing else.
fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().copied().collect()
}

/// Settings of a text that must be right.
fn settings_with(text: &str, pairs: &[(&str, &str)]) -> Settings {
    from_text(text, None, &environment(pairs)).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// With a key for every provider of the catalog.
fn settings(text: &str) -> Settings {
    settings_with(
        text,
        &[
            ("KIMI_API_KEY", "sk-kimi-1"),
            ("MOONSHOT_API_KEY", "sk-moon-1"),
            ("OPENROUTER_API_KEY", "sk-or-1"),
        ],
    )
}

/// What is wrong with a text.
fn invalid(text: &str) -> ConfigError {
    match from_text(text, None, &Environment::default()) {
        Ok(_) => panic!("it is valid"),
        Err(invalid) => invalid,
    }
}

/// `path: message` of everything that is wrong.
fn issues(text: &str) -> Vec<String> {
    invalid(text).issues.into_iter().map(|issue| format!("{}: {}", issue.path, issue.message)).collect()
}

/// `path: message` of every warning.
fn warnings(settings: &Settings) -> Vec<String> {
    settings.warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
}

fn provider<'s>(settings: &'s Settings, id: &str) -> &'s Provider {
    &settings.providers[id]
}

/// The references of a chain, written out.
fn written(chain: &super::settings::Chain) -> Vec<String> {
    chain.references.iter().map(ToString::to_string).collect()
}
