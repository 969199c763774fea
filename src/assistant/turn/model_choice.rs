//! Chooses the model and its thinking level, before anything is written.

use super::{TurnFailure, TurnRequest};
use crate::assistant::thinking::{self, ThinkingLevels};
use crate::catalog::ThinkingLevel;
use crate::config::settings::{Lookup, Reference, Settings};
use crate::routing::request_bodies::default_output_limit;

/// The name of the chain of `agents.defaults.model`.
const DEFAULT_CHAIN: &str = "default";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// The requested name: a reference, an alias, a route or `default`.
    pub requested_model: String,
    /// The resolved targets, in the order in which they are tried. Empty if only the gateway knows them.
    pub chain: Vec<Reference>,
    /// `None` leaves it to the configuration.
    pub thinking: Option<ThinkingLevel>,
    /// The maximum answer size requested, in tokens: at most what every model of the chain supports.
    pub max_tokens: u64,
}

impl ModelChoice {
    /// The target that is tried first.
    #[must_use]
    pub fn primary(&self) -> Option<&Reference> {
        self.chain.first()
    }
}

/// What of a session, a question and the configuration counts. `is_local`: keys of this process are those that count.
pub(super) fn choose_model(
    settings: &Settings,
    of_session: Option<&Reference>,
    session_level: Option<&str>,
    ask: &TurnRequest,
    is_local: bool,
) -> Result<ModelChoice, TurnFailure> {
    let name = ask.model.clone().or_else(|| of_session.map(ToString::to_string));
    let name = name.unwrap_or_else(|| DEFAULT_CHAIN.to_owned());
    let chain = match settings.lookup(&name) {
        Lookup::Resolved { chain, .. } => chain.references,
        Lookup::Unknown { nearest } => return Err(unknown_model_failure(&name, &nearest)),
    };
    if chain.is_empty() && is_local {
        return Err(no_primary_failure(settings));
    }
    let levels = chain.first().map(|first| (first, ThinkingLevels::for_reference(settings, first)));
    let thinking = match (ask.thinking, levels) {
        (Some(level), Some((first, levels))) if !levels.supports(level) => {
            return Err(turn_failure("thinking_unsupported", levels.unsupported_message(level, first)));
        }
        (Some(level), _) => Some(level),
        // What was chosen for another model, and this one does not have, is left to it.
        (None, levels) => session_level
            .and_then(thinking::parse_level)
            .filter(|level| levels.is_none_or(|(_, levels)| levels.supports(*level))),
    };
    let most = |reference: &Reference| {
        let provider = settings.providers.get(&reference.provider)?;
        Some(default_output_limit(provider.find_model(&reference.model)?.as_ref()))
    };
    let max_tokens = chain.iter().filter_map(most).min().unwrap_or(32_000);
    Ok(ModelChoice { requested_model: name, chain, thinking, max_tokens })
}

fn turn_failure(kind: &'static str, message: String) -> TurnFailure {
    TurnFailure { kind, message, result: None }
}

fn unknown_model_failure(name: &str, nearest: &[String]) -> TurnFailure {
    let nearest =
        if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
    turn_failure("unknown_model", format!("no model, alias or route is called {name:?}{nearest}"))
}

fn no_primary_failure(settings: &Settings) -> TurnFailure {
    let mut message =
        "no model is the default, and no provider has a key: `moonrelay onboard` sets both up, or `moonrelay models set \
         REF` after a key is there"
            .to_owned();
    for warning in &settings.warnings {
        message.push_str(&format!("\n  {}: {}", warning.path, warning.message));
    }
    turn_failure("no_primary", message)
}
