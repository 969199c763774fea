//! `agents.defaults` and `models.routes`: aliases, parameters, chains and routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Scope;
use super::providers::Providers;
use crate::catalog::builtin_catalog;
use crate::config::keypath::KeyPath;
use crate::config::keys::{AgentDefaults, ChainSetting, Entries, ReferenceSettings};
use crate::config::lookup::{self, DEFAULT_CHAIN};
use crate::config::settings::{Chain, Missing, Reference, Route, WarningKind};

/// What `agents.defaults` defines.
pub(super) struct Agents {
    /// In lower case.
    pub(super) aliases: BTreeMap<String, Reference>,
    pub(super) default_chain: Chain,
}

/// Also adds `params` to the models.
pub(super) fn resolve_agents(
    defaults: &AgentDefaults,
    providers: &mut Providers,
    scope: &mut Scope<'_, '_, '_>,
) -> Agents {
    let path = KeyPath::from_keys(&["agents", "defaults"]);
    let mut aliases = BTreeMap::new();
    for (written, settings) in &defaults.models.0 {
        let path = path.join_key("models").join_key(written);
        let reference = match lookup::parse_reference(&providers.table, &providers.aliases, written) {
            Ok(reference) => reference,
            Err(message) => {
                scope.error(&path, message);
                continue;
            }
        };
        warn_if_retired(&reference, &path, providers, scope);
        if let Some(alias) = &settings.alias {
            add_alias(alias, &path.join_key("alias"), &reference, providers, &mut aliases, scope);
        }
        add_params(&reference, settings, providers);
    }
    let mut agents = Agents { aliases, default_chain: Chain { references: Vec::new() } };
    agents.default_chain = match &defaults.model {
        Some(chain) => resolve_chain(chain, &path.join_key("model"), providers, &agents, scope),
        None => chain_of_usable_providers(providers),
    };
    warn_if_without_models(providers, scope);
    agents
}

fn add_alias(
    alias: &str,
    path: &KeyPath,
    reference: &Reference,
    providers: &Providers,
    aliases: &mut BTreeMap<String, Reference>,
    scope: &mut Scope<'_, '_, '_>,
) {
    if let Some(hidden) = lookup::find_hidden(&providers.table, &providers.aliases, alias, reference) {
        scope.warn(path, WarningKind::ShadowingAlias { alias: alias.to_owned(), hidden });
    }
    match aliases.get(&alias.to_lowercase()) {
        Some(other) if other != reference => {
            let message =
                format!("alias \"{alias}\" already means {other} (case does not count): choose another");
            scope.error(path, message);
        }
        _ => {
            aliases.insert(alias.to_lowercase(), reference.clone());
        }
    }
}

fn add_params(reference: &Reference, settings: &ReferenceSettings, providers: &mut Providers) {
    let Some(provider) = providers.table.get_mut(&reference.provider) else { return };
    let unlisted = Arc::new(provider.unlisted_model(&reference.model));
    let model = Arc::make_mut(provider.models.entry(reference.model.clone()).or_insert(unlisted));
    model.params.extend(settings.params.clone());
}

/// Resolves the aliases and references of a chain, without repetition.
fn resolve_chain(
    chain: &ChainSetting,
    path: &KeyPath,
    providers: &Providers,
    agents: &Agents,
    scope: &mut Scope<'_, '_, '_>,
) -> Chain {
    let names: Vec<(KeyPath, &String)> = match chain {
        ChainSetting::Name(name) => vec![(path.clone(), name)],
        ChainSetting::Chain(links) => {
            let primary = links.primary.iter().map(|name| (path.join_key("primary"), name));
            let fallbacks = path.join_key("fallbacks");
            let others = links.fallbacks.0.iter().map(|(index, name)| (fallbacks.join_index(*index), name));
            primary.chain(others).collect()
        }
    };
    let mut references: Vec<Reference> = Vec::new();
    for (path, name) in names {
        let known = agents.aliases.get(&name.to_lowercase()).cloned();
        let parse = || lookup::parse_reference(&providers.table, &providers.aliases, name);
        match known.map_or_else(parse, Ok) {
            Ok(reference) => {
                warn_if_retired(&reference, &path, providers, scope);
                warn_if_disabled(&reference, &path, providers, scope);
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
            Err(message) => scope.error(&path, message),
        }
    }
    Chain { references }
}

fn warn_if_retired(
    reference: &Reference,
    path: &KeyPath,
    providers: &Providers,
    scope: &mut Scope<'_, '_, '_>,
) {
    let model = providers.table.get(&reference.provider).and_then(|p| p.find_model(&reference.model));
    if let Some(retired) = model.and_then(|model| model.model.retirement.clone()) {
        let kind = WarningKind::RetiredModel { reference: reference.clone(), retired };
        scope.report.add_warning_once(path, kind);
    }
}

/// If the file configures the provider, the missing setting was reported before.
fn warn_if_disabled(
    reference: &Reference,
    path: &KeyPath,
    providers: &Providers,
    scope: &mut Scope<'_, '_, '_>,
) {
    let Some(provider) = providers.table.get(&reference.provider) else { return };
    if provider.is_configured || provider.disabled_reason.is_none() {
        return;
    }
    let Some(known) = builtin_catalog().provider(&provider.id) else { return };
    let provider = provider.id.clone();
    let missing = Missing::Variables(known.key_variables.clone());
    scope.warn(
        path,
        match known.is_enabled_by_default {
            true => WarningKind::KeylessTarget { provider, missing },
            false => WarningKind::UnconfiguredTarget { provider },
        },
    );
}

/// Checked after the parameters, because those name models too.
fn warn_if_without_models(providers: &Providers, scope: &mut Scope<'_, '_, '_>) {
    for provider in providers.table.values().filter(|provider| provider.is_configured) {
        if provider.disabled_reason.is_none() && !provider.has_models() {
            let path = KeyPath::from_keys(&["models", "providers", &provider.id]);
            scope.warn(&path, WarningKind::NoModels { provider: provider.id.clone() });
        }
    }
}

/// The chain `default` of a file without one: the enabled providers of the catalog, in its order.
fn chain_of_usable_providers(providers: &Providers) -> Chain {
    let known = builtin_catalog().providers.iter().filter(|known| known.is_enabled_by_default);
    let references = known.filter_map(|known| {
        let provider = providers.table.get(&known.id)?;
        provider.find_model(&known.default_model).filter(|_| provider.disabled_reason.is_none())?;
        Some(Reference { provider: known.id.clone(), model: known.default_model.clone() })
    });
    Chain { references: references.collect() }
}

/// Exact names first, then globs, the longest first.
pub(super) fn resolve_routes(
    file: &Entries<ChainSetting>,
    providers: &Providers,
    agents: &Agents,
    scope: &mut Scope<'_, '_, '_>,
) -> Vec<Route> {
    let table =
        RouteTable { file: &file.0, path: KeyPath::from_keys(&["models", "routes"]), providers, agents };
    let mut routes: Vec<Route> = Vec::new();
    for entry in &file.0 {
        let pattern = &entry.0;
        let path = table.path.join_key(pattern);
        if pattern.eq_ignore_ascii_case(DEFAULT_CHAIN) {
            scope.error(&path, "\"default\" is the chain of agents.defaults.model: set it there");
            continue;
        }
        if agents.aliases.contains_key(&pattern.to_lowercase()) {
            scope.warn(&path, WarningKind::UnreachableRoute { pattern: pattern.clone() });
        }
        if routes.iter().any(|route| route.pattern.eq_ignore_ascii_case(pattern)) {
            scope.error(&path, format!("duplicate route \"{pattern}\" (case does not count): remove one"));
            continue;
        }
        if let Some(chain) = table.resolve(entry, &mut vec![pattern], scope) {
            routes.push(Route { pattern: pattern.clone(), chain });
        }
    }
    routes.sort_by_key(|route| match route.is_exact() {
        true => (0, 0),
        false => (1, usize::MAX - route.pattern.chars().count()),
    });
    routes
}

struct RouteTable<'r> {
    file: &'r [(String, ChainSetting)],
    path: KeyPath,
    providers: &'r Providers,
    agents: &'r Agents,
}

impl<'r> RouteTable<'r> {
    /// The chain of a route. `visited` holds the routes that led here.
    fn resolve(
        &self,
        (pattern, setting): &'r (String, ChainSetting),
        visited: &mut Vec<&'r str>,
        scope: &mut Scope<'_, '_, '_>,
    ) -> Option<Chain> {
        let path = self.path.join_key(pattern);
        let not_empty = |chain: Chain| Some(chain).filter(|chain| !chain.references.is_empty());
        let ChainSetting::Name(name) = setting else {
            return not_empty(resolve_chain(setting, &path, self.providers, self.agents, scope));
        };
        if name.eq_ignore_ascii_case(DEFAULT_CHAIN) {
            return Some(self.agents.default_chain.clone());
        }
        let Some(next) = self.file.iter().find(|(pattern, _)| pattern.eq_ignore_ascii_case(name)) else {
            let chain = resolve_chain(setting, &path, self.providers, self.agents, scope);
            return not_empty(with_fallbacks_of(chain, &self.agents.default_chain));
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
        self.resolve(next, visited, scope)
    }
}

/// A chain, and the fallbacks of another one.
fn with_fallbacks_of(mut chain: Chain, other: &Chain) -> Chain {
    for reference in other.references.iter().skip(1) {
        if !chain.references.contains(reference) {
            chain.references.push(reference.clone());
        }
    }
    chain
}
