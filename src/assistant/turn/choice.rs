//! Who is asked, and how much thinking for: decided before anything is written.

use super::{Ask, TurnFailure};
use crate::assistant::thinking::{self, Levels};
use crate::catalog::ThinkingLevel;
use crate::config::settings::{Lookup, Reference, Settings};
use crate::routing::bodies::largest_answer;

/// The name of the chain of `agents.defaults.model`.
const DEFAULT: &str = "default";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is asked for: a reference, an alias, a route or `default`.
    pub name: String,
    /// Whom that leads to, in the order in which they are asked. Empty where only the gateway knows.
    pub chain: Vec<Reference>,
    /// `None` leaves it to the configuration.
    pub thinking: Option<ThinkingLevel>,
    /// The largest answer that is asked for, in tokens: no more than any of the chain gives.
    pub max_tokens: u64,
}

impl Choice {
    /// Who is asked first.
    #[must_use]
    pub fn first(&self) -> Option<&Reference> {
        self.chain.first()
    }
}

/// What of a session, a question and the configuration counts. `is_local`: keys of this process are those that count.
pub(super) fn choose(
    settings: &Settings,
    of_session: Option<&Reference>,
    session_level: Option<&str>,
    ask: &Ask,
    is_local: bool,
) -> Result<Choice, TurnFailure> {
    let name = ask.model.clone().or_else(|| of_session.map(ToString::to_string));
    let name = name.unwrap_or_else(|| DEFAULT.to_owned());
    let chain = match settings.lookup(&name) {
        Lookup::Found { chain, .. } => chain.references,
        Lookup::Unknown { nearest } => return Err(unknown(&name, &nearest)),
    };
    if chain.is_empty() && is_local {
        return Err(no_primary(settings));
    }
    let levels = chain.first().map(|first| (first, Levels::of_reference(settings, first)));
    let thinking = match (ask.thinking, levels) {
        (Some(level), Some((first, levels))) if !levels.has(level) => {
            return Err(failure("thinking_unsupported", levels.refusal(level, first)));
        }
        (Some(level), _) => Some(level),
        // What was chosen for another model, and this one does not have, is left to it.
        (None, levels) => session_level
            .and_then(thinking::read)
            .filter(|level| levels.is_none_or(|(_, levels)| levels.has(*level))),
    };
    let most = |reference: &Reference| {
        let provider = settings.providers.get(&reference.provider)?;
        Some(largest_answer(provider.model(&reference.model)?.as_ref()))
    };
    let max_tokens = chain.iter().filter_map(most).min().unwrap_or(32_000);
    Ok(Choice { name, chain, thinking, max_tokens })
}

fn failure(kind: &'static str, message: String) -> TurnFailure {
    TurnFailure { kind, message, turned: None }
}

fn unknown(name: &str, nearest: &[String]) -> TurnFailure {
    let nearest =
        if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
    failure("unknown_model", format!("no model, alias or route is called {name:?}{nearest}"))
}

fn no_primary(settings: &Settings) -> TurnFailure {
    let mut message =
        "no model is the default, and no provider has a key: `moonrelay onboard` sets both up, or `moonrelay models set \
         REF` after a key is there"
            .to_owned();
    for warning in &settings.warnings {
        message.push_str(&format!("\n  {}: {}", warning.path, warning.message));
    }
    failure("no_primary", message)
}
