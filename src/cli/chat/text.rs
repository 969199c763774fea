//! Texts of a chat: fallback notices, the footer of an answer, names of models.

use std::collections::BTreeSet;

use crate::assistant::command::UsageFooter;
use crate::assistant::session::SessionUsage;
use crate::assistant::turn::TurnResult;
use crate::cli::agent::failure_reason;
use crate::cli::output::{NO_PRICE, format_costs, format_duration, format_session_total, format_tokens};
use crate::config::settings::{Reference, Settings};

/// Reports that a fallback answers instead of the requested model, and that the model is back; each once.
#[derive(Debug, Default)]
pub(super) struct FallbackNotices {
    /// The requested model, and the one that answers instead.
    last_notice: Option<(Reference, Reference)>,
}

impl FallbackNotices {
    /// The notice for a turn, if something changed.
    pub(super) fn notice_for(&mut self, turn: &TurnResult) -> Option<String> {
        let (primary, answered) = (turn.primary.as_ref()?, turn.answered_by.as_ref()?);
        let before = self.last_notice.take();
        if primary == answered {
            let (requested, _) = before?;
            return (requested == *primary).then(|| format!("↩ {primary} answers again"));
        }
        let now = (primary.clone(), answered.clone());
        let is_new = before.as_ref() != Some(&now);
        self.last_notice = Some(now);
        is_new.then(|| format!("↪ {answered} answers: {}", failure_reason(primary, turn)))
    }

    /// Forgets the last notice, after a change of the model or the session.
    pub(super) fn reset(&mut self) {
        self.last_notice = None;
    }
}

/// The footer below an answer. `session` is the usage of its session so far.
pub(super) fn render_footer(kind: UsageFooter, turn: &TurnResult, session: &SessionUsage) -> Option<String> {
    let (tokens, cost) = match &turn.usage {
        Some(usage) => {
            let cost = usage.cost.map_or_else(|| NO_PRICE.to_owned(), |cost| format_costs(&[cost]));
            (format_tokens(usage), cost)
        }
        None => ("usage not reported".to_owned(), NO_PRICE.to_owned()),
    };
    Some(match kind {
        UsageFooter::Off => return None,
        UsageFooter::Tokens => tokens,
        UsageFooter::Cost => format!("{cost} · session {}", format_session_total(session)),
        UsageFooter::Full => {
            let model = turn.answered_by.as_ref().map_or_else(|| "no answer".to_owned(), ToString::to_string);
            format!("{model} · {tokens} · {cost} · {}", format_duration(turn.duration))
        }
    })
}

/// Names under which a model can be requested: aliases, routes that are not globs, and references.
pub(super) fn model_names(settings: &Settings) -> Vec<String> {
    let mut names: Vec<String> = settings.aliases.keys().cloned().collect();
    names.push("default".to_owned());
    let routes = settings.routes.iter().filter(|route| route.is_exact());
    names.extend(routes.map(|route| route.pattern.clone()));
    names.extend(settings.default_chain.references.iter().map(ToString::to_string));
    names.extend(available_models(settings).map(|reference| reference.to_string()));
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(name.to_lowercase()));
    names
}

/// The models of all enabled providers, without retired ones.
pub(super) fn available_models(settings: &Settings) -> impl Iterator<Item = Reference> {
    let enabled = settings.providers.values().filter(|provider| provider.disabled_reason.is_none());
    enabled.flat_map(|provider| {
        let current = provider.models.values().filter(|model| model.model.retirement.is_none());
        current.map(|model| Reference { provider: provider.id.clone(), model: model.model.id.clone() })
    })
}

/// The model's alias, else its id.
pub(super) fn short_name(settings: &Settings, reference: &Reference) -> String {
    let alias = settings.aliases.iter().find(|(_, target)| *target == reference).map(|(alias, _)| alias);
    alias.unwrap_or(&reference.model).clone()
}

/// `kimi (kimi/kimi-for-coding)`.
pub(super) fn describe_model(settings: &Settings, reference: &Reference) -> String {
    let short = short_name(settings, reference);
    if short == reference.model { reference.to_string() } else { format!("{short} ({reference})") }
}

/// The model's context window, in tokens of prompt and answer together.
pub(super) fn context_window(settings: &Settings, reference: &Reference) -> Option<u64> {
    settings.providers.get(&reference.provider)?.find_model(&reference.model)?.model.context_window
}
