//! `agents.defaults`: aliases, parameters and the chain `default`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::providers::Providers;
use super::{Scope, models};
use crate::catalog::builtin_catalog;
use crate::config::file::Cursor;
use crate::config::reference;
use crate::config::settings::{Chain, Missing, Reference, WarningKind};

/// The content of `agents.defaults`.
pub(super) struct Agents {
    /// In lower case.
    pub(super) aliases: BTreeMap<String, Reference>,
    pub(super) default_chain: Chain,
}

/// Reads it, and lays `params` over the models.
pub(super) fn read(root: &Cursor<'_>, providers: &mut Providers, scope: &mut Scope<'_, '_, '_>) -> Agents {
    let defaults = root.get_path(&["agents", "defaults"]);
    let mut agents = Agents { aliases: BTreeMap::new(), default_chain: Chain { references: Vec::new() } };
    for (written, at) in
        defaults.as_ref().and_then(|at| at.get("models")).map(|at| at.members()).unwrap_or_default()
    {
        let reference = match reference::parse_reference(&providers.table, &providers.aliases, written) {
            Ok(reference) => reference,
            Err(message) => {
                scope.wrong(&at, message);
                continue;
            }
        };
        note_retired(&reference, &at, providers, scope);
        if let Some(alias) = at.get("alias") {
            agents.add_alias(&alias, &reference, providers, scope);
        }
        add_params(&reference, &at, providers);
    }
    agents.default_chain = match defaults.and_then(|at| at.get("model")) {
        Some(at) => chain(&at, providers, &agents.aliases, scope),
        None => first_with_a_key(providers),
    };
    note_empty(root, providers, scope);
    agents
}

impl Agents {
    fn add_alias(
        &mut self,
        at: &Cursor<'_>,
        reference: &Reference,
        providers: &Providers,
        scope: &mut Scope<'_, '_, '_>,
    ) {
        let Some(alias) = at.as_str().filter(|alias| !alias.trim().is_empty()) else { return };
        if let Some(hidden) = reference::find_hidden(&providers.table, &providers.aliases, alias, reference) {
            scope.warn(at, WarningKind::ShadowingAlias { alias: alias.to_owned(), hidden });
        }
        match self.aliases.get(&alias.to_lowercase()) {
            Some(other) if other != reference => {
                let message =
                    format!("alias \"{alias}\" already means {other} (case does not count): choose another");
                scope.wrong(at, message);
            }
            _ => {
                self.aliases.insert(alias.to_lowercase(), reference.clone());
            }
        }
    }
}

fn add_params(reference: &Reference, at: &Cursor<'_>, providers: &mut Providers) {
    let Some(provider) = providers.table.get_mut(&reference.provider) else { return };
    let unlisted = Arc::new(provider.unlisted_model(&reference.model));
    let model = Arc::make_mut(provider.models.entry(reference.model.clone()).or_insert(unlisted));
    model.params.extend(models::object(at.get("params").as_ref()));
}

/// A chain as written: a name, or a primary with fallbacks; names are aliases or references.
pub(super) fn chain(
    at: &Cursor<'_>,
    providers: &Providers,
    aliases: &BTreeMap<String, Reference>,
    scope: &mut Scope<'_, '_, '_>,
) -> Chain {
    let mut places = Vec::new();
    if at.as_str().is_some() {
        places.push(at.clone());
    } else {
        places.extend(at.get("primary"));
        places.extend(at.get("fallbacks").map(|at| at.elements()).unwrap_or_default());
    }
    let mut references: Vec<Reference> = Vec::new();
    for place in places {
        let Some(name) = place.as_str().filter(|name| !name.trim().is_empty()) else { continue };
        match named(name, providers, aliases) {
            Ok(reference) => {
                note_retired(&reference, &place, providers, scope);
                note_off(&reference, &place, providers, scope);
                if !references.contains(&reference) {
                    references.push(reference);
                }
            }
            Err(message) => scope.wrong(&place, message),
        }
    }
    Chain { references }
}

/// What an alias or a reference means.
pub(super) fn named(
    name: &str,
    providers: &Providers,
    aliases: &BTreeMap<String, Reference>,
) -> Result<Reference, String> {
    match aliases.get(&name.to_lowercase()) {
        Some(reference) => Ok(reference.clone()),
        None => reference::parse_reference(&providers.table, &providers.aliases, name),
    }
}

fn note_retired(
    reference: &Reference,
    at: &Cursor<'_>,
    providers: &Providers,
    scope: &mut Scope<'_, '_, '_>,
) {
    let provider = providers.table.get(&reference.provider);
    let retired = provider
        .and_then(|p| p.find_model(&reference.model))
        .and_then(|model| model.model.retirement.clone());
    if let Some(retired) = retired {
        let kind = WarningKind::RetiredModel { reference: reference.clone(), retired };
        scope.report.add_warning_once(&at.path, kind);
    }
}

/// Where the configuration names the provider, the setting that is missing was named already.
fn note_off(reference: &Reference, at: &Cursor<'_>, providers: &Providers, scope: &mut Scope<'_, '_, '_>) {
    let provider = providers.table.get(&reference.provider).filter(|provider| !provider.is_configured);
    let Some(provider) = provider.filter(|provider| provider.disabled_reason.is_some()) else { return };
    let Some(known) = builtin_catalog().provider(&provider.id) else { return };
    let id = provider.id.clone();
    scope.warn(
        at,
        match known.is_enabled_by_default {
            true => WarningKind::KeylessTarget {
                provider: id,
                missing: Missing::Variables(known.key_variables.clone()),
            },
            false => WarningKind::UnconfiguredTarget { provider: id },
        },
    );
}

/// A provider with no model named anywhere. Checked after the parameters, because those name models too.
fn note_empty(root: &Cursor<'_>, providers: &Providers, scope: &mut Scope<'_, '_, '_>) {
    for (key, at) in root.get_path(&["models", "providers"]).map(|at| at.members()).unwrap_or_default() {
        let provider = providers.table.get(&key.to_lowercase());
        if let Some(provider) =
            provider.filter(|provider| provider.disabled_reason.is_none() && !provider.has_models())
        {
            scope.warn(&at, WarningKind::NoModels { provider: provider.id.clone() });
        }
    }
}

/// Without a chain in the file: the catalog's providers that can be called, in its order.
fn first_with_a_key(providers: &Providers) -> Chain {
    let on =
        builtin_catalog().providers.iter().filter(|known| known.is_enabled_by_default).filter_map(|known| {
            let provider =
                providers.table.get(&known.id).filter(|provider| provider.disabled_reason.is_none())?;
            provider.find_model(&known.default_model)?;
            Some(Reference { provider: known.id.clone(), model: known.default_model.clone() })
        });
    Chain { references: on.collect() }
}
