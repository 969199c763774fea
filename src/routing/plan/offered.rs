//! The names that a client may ask for.

use super::find;
use crate::config::settings::{Lookup, MatchedBy, Reference, Route, Settings};

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
pub(in crate::routing) fn offer(settings: &Settings, id: &str, first: &Reference) -> Option<Offered> {
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

/// Every name that leads to a provider with a key: aliases, routes, then references.
pub(in crate::routing) fn offered(settings: &Settings) -> Vec<Offered> {
    let aliases = settings.aliases.iter().filter_map(|(alias, reference)| offer(settings, alias, reference));
    let routes = settings.routes.iter().filter_map(|route| {
        let first = route.chain.references.first()?;
        if route.is_exact() {
            offer(settings, &route.pattern, first)
        } else {
            offer_glob(settings, route, first)
        }
    });
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

/// A name that a route with a glob takes: `claude-kimi-for-coding` for `claude-*`. Clients that show only names of a
/// pattern (Claude Code: those with `claude` or `anthropic` in them) show this one, which says what will answer.
fn offer_glob(settings: &Settings, route: &Route, first: &Reference) -> Option<Offered> {
    let (before, after) = route.pattern.rsplit_once('*')?;
    let before = before.replace('*', "");
    // What takes every name adds none to the list.
    let id = (!before.is_empty() || !after.is_empty())
        .then(|| format!("{before}{}{after}", first.model.replace('/', "-")))?;
    // Another name may stand before the route: then it would be that one's.
    let is_its =
        matches!(settings.lookup(&id), Lookup::Found { by: MatchedBy::Route(by), .. } if by == route.pattern);
    let offered = offer(settings, &id, first).filter(|_| is_its)?;
    Some(Offered { name: format!("{} ({})", offered.name, route.pattern), ..offered })
}
