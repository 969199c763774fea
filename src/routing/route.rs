//! Owns the resolution of model names: the targets of a name, and the list of names.

use std::sync::Arc;

use super::request::RequestError;
use super::target::Target;
use crate::config::settings::{Lookup, MatchKind, Provider, ProviderModel, Reference, Route, Settings};
use crate::protocol::api::Api;

/// The route of a name.
pub struct ResolvedRoute {
    /// What the name refers to.
    pub matched_by: MatchKind,
    /// The targets, in the order in which they are tried.
    pub targets: Vec<Target>,
    /// A notice for the client.
    pub warnings: Vec<String>,
}

impl ResolvedRoute {
    /// Resolves a name for clients of this API.
    ///
    /// # Errors
    /// [`RequestError::UnknownModel`] when no model, alias or route has this name.
    pub fn resolve(settings: &Settings, name: &str, api: Api) -> Result<Self, RequestError> {
        let (chain, matched_by) = match settings.lookup(name) {
            Lookup::Resolved { chain, matched_by } => (chain, matched_by),
            Lookup::Unknown { nearest } => {
                return Err(RequestError::UnknownModel { requested: name.to_owned(), nearest });
            }
        };
        let targets = chain.references.iter().flat_map(|reference| build_targets(settings, reference, api));
        let warning = chain.references.first().and_then(|first| {
            let (_, model) = find_model(settings, first)?;
            Some(model.model.retirement.as_ref()?.render_notice(&first.to_string()))
        });
        Ok(Self { matched_by, targets: targets.collect(), warnings: warning.into_iter().collect() })
    }
}

fn find_model(settings: &Settings, reference: &Reference) -> Option<(Arc<Provider>, Arc<ProviderModel>)> {
    let provider = settings.providers.get(&reference.provider)?;
    Some((provider.clone(), provider.find_model(&reference.model)?))
}

/// The targets of a reference, one for each key, for a client of this API.
pub(super) fn build_targets(settings: &Settings, reference: &Reference, client: Api) -> Vec<Target> {
    let Some((provider, model)) = find_model(settings, reference) else { return Vec::new() };
    // The client's own API if the provider serves it, to avoid a translation; otherwise the provider's preferred API.
    let own = provider.apis.iter().find(|(api, _)| *api == client);
    let api = own.or_else(|| provider.apis.first()).map_or(client, |(api, _)| *api);
    let target = |key_index| Target {
        reference: reference.clone(),
        name: reference.to_string(),
        provider: provider.clone(),
        model: model.clone(),
        key_index,
        api,
        wire_model: provider.upstream_model_id(&reference.model),
    };
    match provider.keys.len() {
        0 => vec![target(None)],
        keys => (0..keys).map(Some).map(target).collect(),
    }
}

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
pub(super) fn describe_model(settings: &Settings, id: &str, first: &Reference) -> Option<ModelListing> {
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
pub(super) fn list_models(settings: &Settings) -> Vec<ModelListing> {
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
    let is_of_route = matches!(settings.lookup(&id), Lookup::Resolved { matched_by: MatchKind::Route(by), .. } if by == route.pattern);
    let listing = describe_model(settings, &id, first).filter(|_| is_of_route)?;
    Some(ModelListing { display_name: format!("{} ({})", listing.display_name, route.pattern), ..listing })
}
