//! Chooses the model and the thinking level of a turn.

use super::outcome::TurnFailure;
use super::thinking::{self, ThinkingLevels};
use super::transcript::reader::Transcript;
use crate::catalog::ThinkingLevel;
use crate::config::settings::{Lookup, Reference, Settings};
use crate::routing::request_bodies::default_output_limit;

/// The name of the chain of `agents.defaults.model`.
const DEFAULT_CHAIN: &str = "default";

/// The input of a turn.
#[derive(Clone, Debug, Default)]
pub struct TurnRequest {
    /// The user's message.
    pub message: String,
    /// Reference, alias or route for this turn [default: the session's, else `default`].
    pub model: Option<String>,
    /// Thinking level for this turn; else the session's, else the configuration's.
    pub thinking: Option<ThinkingLevel>,
}

/// The requested model of a turn, and the parameters that depend on it.
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
    /// `is_local`: the keys of this process decide whether there is a target.
    pub(super) fn new(
        settings: &Settings,
        session: Option<&Transcript>,
        request: &TurnRequest,
        is_local: bool,
    ) -> Result<Self, TurnFailure> {
        let of_session = || session.and_then(Transcript::model).map(|model| model.to_string());
        let name = request.model.clone().or_else(of_session);
        let name = name.unwrap_or_else(|| DEFAULT_CHAIN.to_owned());
        let chain = match settings.lookup(&name) {
            Lookup::Resolved { chain, .. } => chain.references,
            Lookup::Unknown { nearest } => return Err(unknown_model_failure(&name, &nearest)),
        };
        if chain.is_empty() && is_local {
            return Err(no_primary_failure(settings));
        }
        let levels = chain.first().map(|first| (first, ThinkingLevels::for_reference(settings, first)));
        let thinking = match (request.thinking, levels) {
            (Some(level), Some((first, levels))) if !levels.supports(level) => {
                let message = levels.unsupported_message(level, first);
                return Err(TurnFailure::new("thinking_unsupported", message));
            }
            (Some(level), _) => Some(level),
            // A level chosen for another model, which this one does not support, is ignored.
            (None, levels) => session
                .and_then(Transcript::thinking)
                .and_then(thinking::parse_level)
                .filter(|level| levels.is_none_or(|(_, levels)| levels.supports(*level))),
        };
        let limit = |reference: &Reference| {
            let provider = settings.providers.get(&reference.provider)?;
            Some(default_output_limit(provider.find_model(&reference.model)?.as_ref()))
        };
        let max_tokens = chain.iter().filter_map(limit).min().unwrap_or(32_000);
        Ok(Self { requested_model: name, chain, thinking, max_tokens })
    }
}

fn unknown_model_failure(name: &str, nearest: &[String]) -> TurnFailure {
    let nearest =
        if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
    TurnFailure::new("unknown_model", format!("no model, alias or route is called {name:?}{nearest}"))
}

fn no_primary_failure(settings: &Settings) -> TurnFailure {
    let mut message =
        "there is no default model, and no provider has a key. Run `moonrelay onboard`, or add a key and run \
         `moonrelay models set REF`"
            .to_owned();
    for warning in &settings.warnings {
        message.push_str(&format!("\n  {}: {}", warning.path, warning.message));
    }
    TurnFailure::new("no_primary", message)
}
