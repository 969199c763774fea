//! The names that a client may ask for.

use super::find;
use crate::config::settings::{Reference, Settings};

/// A name that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The name: an alias, a route or a reference.
    pub id: String,
    /// For people.
    pub name: String,
    /// The provider that answers first.
    pub owner: String,
    /// Of the model that answers first.
    pub context_window: Option<u64>,
    /// Of the model that answers first.
    pub max_tokens: Option<u64>,
}

/// What a client gets for a name, as far as the model that answers first tells.
pub(in crate::relay) fn offer(settings: &Settings, id: &str, first: &Reference) -> Option<Offered> {
    let (provider, model) = find(settings, first)?;
    if provider.off.is_some() {
        return None;
    }
    Some(Offered {
        id: id.to_owned(),
        name: model.facts.name.clone(),
        owner: provider.id.clone(),
        context_window: model.facts.context_window,
        max_tokens: model.facts.max_tokens,
    })
}

/// Every name that leads to a provider with a key: aliases, routes without a glob, then references.
pub(in crate::relay) fn offered(settings: &Settings) -> Vec<Offered> {
    let aliases = settings.aliases.iter().filter_map(|(alias, reference)| offer(settings, alias, reference));
    let routes = settings
        .routes
        .iter()
        .filter(|route| !route.pattern.contains('*'))
        .filter_map(|route| offer(settings, &route.pattern, route.chain.references.first()?));
    let references = settings.providers.values().flat_map(|provider| {
        provider.models.values().filter(|model| model.facts.retired.is_none() || model.configured).filter_map(
            |model| {
                let reference = Reference { provider: provider.id.clone(), model: model.facts.id.clone() };
                offer(settings, &reference.to_string(), &reference)
            },
        )
    });
    aliases.chain(routes).chain(references).collect()
}
