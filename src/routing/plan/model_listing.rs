//! Owns the list of model names that a client may request.

use super::find_model;
use crate::config::settings::{Lookup, MatchKind, Reference, Route, Settings};

/// A name that a client may request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelListing {
    /// The name: an alias, a route or a reference.
    pub id: String,
    /// The display name.
    pub display_name: String,
    /// The provider that is tried first.
    pub owner: String,
    /// Of the model that is tried first.
    pub context_window: Option<u64>,
    /// Of the model that is tried first.
    pub max_tokens: Option<u64>,
}

/// The properties of a name, as far as the model that is tried first defines them.
pub(in crate::routing) fn describe_model(
    settings: &Settings,
    id: &str,
    first: &Reference,
) -> Option<ModelListing> {
    let (provider, model) = find_model(settings, first)?;
    if provider.disabled_reason.is_some() {
        return None;
    }
    Some(ModelListing {
        id: id.to_owned(),
        display_name: model.model.name.clone(),
        owner: provider.id.clone(),
        context_window: model.model.context_window,
        max_tokens: model.model.max_tokens,
    })
}

/// Every name that leads to a provider with a key: aliases, routes, then references.
pub(in crate::routing) fn list_models(settings: &Settings) -> Vec<ModelListing> {
    let aliases =
        settings.aliases.iter().filter_map(|(alias, reference)| describe_model(settings, alias, reference));
    let routes = settings.routes.iter().filter_map(|route| {
        let first = route.chain.references.first()?;
        if route.is_exact() {
            describe_model(settings, &route.pattern, first)
        } else {
            describe_glob_route(settings, route, first)
        }
    });
    let references = settings.providers.values().flat_map(|provider| {
        provider
            .models
            .values()
            .filter(|model| model.model.retirement.is_none() || model.is_configured)
            .filter_map(|model| {
                let reference = Reference { provider: provider.id.clone(), model: model.model.id.clone() };
                describe_model(settings, &reference.to_string(), &reference)
            })
    });
    aliases.chain(routes).chain(references).collect()
}

/// A name that a glob route matches: `claude-kimi-for-coding` for `claude-*`. Clients that list only matching
/// names (Claude Code: those that contain `claude` or `anthropic`) list this one, which names the model.
fn describe_glob_route(settings: &Settings, route: &Route, first: &Reference) -> Option<ModelListing> {
    let (before, after) = route.pattern.rsplit_once('*')?;
    let before = before.replace('*', "");
    // A route that matches every name adds none to the list.
    let id = (!before.is_empty() || !after.is_empty())
        .then(|| format!("{before}{}{after}", first.model.replace('/', "-")))?;
    // An earlier route may match the name: it would belong to that route.
    let is_its = matches!(settings.lookup(&id), Lookup::Resolved { matched_by: MatchKind::Route(by), .. } if by == route.pattern);
    let offered = describe_model(settings, &id, first).filter(|_| is_its)?;
    Some(ModelListing { display_name: format!("{} ({})", offered.display_name, route.pattern), ..offered })
}
