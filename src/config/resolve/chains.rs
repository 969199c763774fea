//! `agents.defaults` and `models.routes`: aliases, parameters, chains and routes.

use std::sync::Arc;

use super::providers::unconfigured;
use super::scope::Scope;
use crate::catalog::builtin_catalog;
use crate::config::keypath::KeyPath;
use crate::config::keys::{AgentDefaults, ChainSetting, Entries, ReferenceSettings, valid_elements};
use crate::config::lookup::{self, DEFAULT_CHAIN};
use crate::config::settings::{Chain, Missing, Reference, Route, Settings, WarningKind};

/// Sets the aliases and the chain `default`, and adds `params` to the models.
pub(super) fn resolve_agents(defaults: &AgentDefaults, settings: &mut Settings, scope: &mut Scope) {
    let path = KeyPath::from_keys(&["agents", "defaults"]);
    for (written, model) in &defaults.models.0 {
        let path = path.join_key("models").join_key(written);
        match settings.parse_reference(written) {
            Ok(reference) => {
                warn_if_retired(&reference, &path, settings, scope);
                if let Some(alias) = &model.alias {
                    add_alias(alias, &path.join_key("alias"), &reference, settings, scope);
                }
                add_params(&reference, model, settings);
            }
            Err(message) => scope.error(&path, message),
        }
    }
    settings.default_chain = match &defaults.model {
        Some(chain) => resolve_chain(chain, &path.join_key("model"), settings, scope),
        None => chain_of_usable_providers(settings),
    };
    // Checked after the parameters, because those name models too.
    for provider in settings.providers.values().filter(|provider| provider.is_configured) {
        if provider.disabled_reason.is_none() && !provider.has_models() {
            let path = KeyPath::from_keys(&["models", "providers", &provider.id]);
            let message = format!("provider {} has no models, so it cannot be used: add models", provider.id);
            scope.warn_other(&path, "no_models", message);
        }
    }
}

fn add_alias(alias: &str, path: &KeyPath, reference: &Reference, settings: &mut Settings, scope: &mut Scope) {
    let hidden = lookup::find_hidden(&settings.providers, &settings.provider_aliases, alias, reference);
    if let Some(hidden) = hidden {
        let message = format!("alias \"{alias}\" hides {hidden}, because aliases come first: choose another");
        scope.warn_other(path, "shadowing_alias", message);
    }
    let known = settings.aliases.entry(alias.to_lowercase()).or_insert_with(|| reference.clone());
    if known != reference {
        let message =
            format!("alias \"{alias}\" already means {known} (case does not count): choose another");
        scope.error(path, message);
    }
}

fn add_params(reference: &Reference, model: &ReferenceSettings, settings: &mut Settings) {
    let Some(provider) = settings.providers.get_mut(&reference.provider) else { return };
    let provider = Arc::make_mut(provider);
    let unlisted = Arc::new(provider.unlisted_model(&reference.model));
    let known = Arc::make_mut(provider.models.entry(reference.model.clone()).or_insert(unlisted));
    known.params.extend(model.params.clone());
}

/// Resolves the aliases and references of a chain, without repetition.
fn resolve_chain(chain: &ChainSetting, path: &KeyPath, settings: &Settings, scope: &mut Scope) -> Chain {
    let names: Vec<(KeyPath, &String)> = match chain {
        ChainSetting::Name(name) => vec![(path.clone(), name)],
        ChainSetting::Chain(links) => {
            let primary = links.primary.iter().map(|name| (path.join_key("primary"), name));
            let fallbacks = path.join_key("fallbacks");
            let others =
                valid_elements(&links.fallbacks).map(|(index, name)| (fallbacks.join_index(index), name));
            primary.chain(others).collect()
        }
    };
    let mut references: Vec<Reference> = Vec::new();
    for (path, name) in names {
        let known = settings.aliases.get(&name.to_lowercase()).cloned();
        match known.map_or_else(|| settings.parse_reference(name), Ok) {
            Ok(reference) => {
                warn_if_retired(&reference, &path, settings, scope);
                warn_if_disabled(&reference, &path, settings, scope);
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
            Err(message) => scope.error(&path, message),
        }
    }
    Chain { references }
}

fn warn_if_retired(reference: &Reference, path: &KeyPath, settings: &Settings, scope: &mut Scope) {
    let model = settings.providers.get(&reference.provider).and_then(|p| p.find_model(&reference.model));
    if let Some(retired) = model.and_then(|model| model.model.retirement.clone()) {
        let kind = WarningKind::RetiredModel { reference: reference.clone(), retired };
        scope.report.add_warning_once(path, kind);
    }
}

/// If the file configures the provider, the missing setting was reported before.
fn warn_if_disabled(reference: &Reference, path: &KeyPath, settings: &Settings, scope: &mut Scope) {
    let Some(provider) = settings.providers.get(&reference.provider) else { return };
    let is_reported = provider.is_configured || provider.disabled_reason.is_none();
    let Some(known) = builtin_catalog().provider(&provider.id).filter(|_| !is_reported) else { return };
    if known.is_enabled_by_default {
        let missing = Missing::Variables(known.key_variables.clone());
        scope.warn(path, WarningKind::KeylessTarget { provider: known.id.clone(), missing });
    } else {
        let message = format!("provider {} is disabled: {}", known.id, unconfigured(&known.id));
        scope.warn_other(path, "unconfigured_target", message);
    }
}

/// The chain `default` of a file without one: the enabled providers of the catalog, in its order.
fn chain_of_usable_providers(settings: &Settings) -> Chain {
    let known = builtin_catalog().providers.iter().filter(|known| known.is_enabled_by_default);
    let references = known.filter_map(|known| {
        let provider = settings.providers.get(&known.id)?;
        provider.find_model(&known.default_model).filter(|_| provider.disabled_reason.is_none())?;
        Some(Reference { provider: known.id.clone(), model: known.default_model.clone() })
    });
    Chain { references: references.collect() }
}

/// Exact names first, then globs, the longest first.
pub(super) fn resolve_routes(
    file: &Entries<ChainSetting>,
    settings: &Settings,
    scope: &mut Scope,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for entry in &file.0 {
        let pattern = &entry.0;
        let path = route_path(pattern);
        if pattern.eq_ignore_ascii_case(DEFAULT_CHAIN) {
            scope.error(&path, "\"default\" is the chain of agents.defaults.model: set it there");
            continue;
        }
        if settings.aliases.contains_key(&pattern.to_lowercase()) {
            let why = "is an alias too, and aliases come first, so the route is never used";
            scope.warn_other(&path, "unreachable_route", format!("\"{pattern}\" {why}"));
        }
        if routes.iter().any(|route| route.pattern.eq_ignore_ascii_case(pattern)) {
            scope.error(&path, format!("duplicate route \"{pattern}\" (case does not count): remove one"));
            continue;
        }
        let chain = resolve_route(entry, &mut vec![pattern], file, settings, scope);
        routes.extend(chain.map(|chain| Route { pattern: pattern.clone(), chain }));
    }
    routes.sort_by_key(|route| match route.is_exact() {
        true => (0, 0),
        false => (1, usize::MAX - route.pattern.chars().count()),
    });
    routes
}

fn route_path(pattern: &str) -> KeyPath {
    KeyPath::from_keys(&["models", "routes", pattern])
}

/// The chain of a route. `visited` holds the routes that led here.
fn resolve_route<'r>(
    (pattern, setting): &'r (String, ChainSetting),
    visited: &mut Vec<&'r str>,
    file: &'r Entries<ChainSetting>,
    settings: &Settings,
    scope: &mut Scope,
) -> Option<Chain> {
    let path = route_path(pattern);
    let next = match setting {
        ChainSetting::Name(name) if name.eq_ignore_ascii_case(DEFAULT_CHAIN) => {
            return Some(settings.default_chain.clone());
        }
        ChainSetting::Name(name) => file.0.iter().find(|(pattern, _)| pattern.eq_ignore_ascii_case(name)),
        ChainSetting::Chain(_) => None,
    };
    let Some(next) = next else {
        let mut chain = resolve_chain(setting, &path, settings, scope);
        if let ChainSetting::Name(_) = setting {
            for reference in settings.default_chain.references.iter().skip(1) {
                if !chain.references.contains(reference) {
                    chain.references.push(reference.clone());
                }
            }
        }
        return Some(chain).filter(|chain| !chain.references.is_empty());
    };
    let is_next = |route: &&str| route.eq_ignore_ascii_case(&next.0);
    if visited.iter().any(is_next) {
        // Each cycle is reported once, at the route that closes it.
        if visited.first().is_some_and(is_next) {
            let cycle = visited.iter().copied().chain([next.0.as_str()]).collect::<Vec<_>>().join(" -> ");
            scope.error(&path, format!("the route leads back to itself: {cycle}"));
        }
        return None;
    }
    visited.push(&next.0);
    resolve_route(next, visited, file, settings, scope)
}
