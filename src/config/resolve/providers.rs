//! `models.providers`, merged over the catalog.

use std::collections::{BTreeMap, btree_map::Entry};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::credentials::{disable, key_of_variables, resolve_credentials, resolve_headers};
use super::endpoint;
use super::models;
use super::scope::{Providers, Scope};
use crate::catalog::{AdapterId, BuiltinProvider, builtin_catalog};
use crate::config::keypath::KeyPath;
use crate::config::keys::{MergeMode, Models, ProviderSettings};
use crate::config::settings::{Auth, ModelDefaults, Provider, WarningKind};
use crate::protocol::api::Api;

/// The providers of the file, and with `merge` those of the catalog.
pub(super) fn resolve_providers(file: &Models, scope: &mut Scope) -> Providers {
    let is_merged = file.mode == MergeMode::Merge;
    let mut providers = Providers::new();
    for (key, settings) in &file.providers.0 {
        let path = KeyPath::from_keys(&["models", "providers", key]);
        let id = key.to_lowercase();
        if key.contains(['/', ' ']) {
            let message = format!("\"{key}\" is not a provider id: it must not contain a slash or a space");
            scope.error(&path, message);
            continue;
        }
        match providers.entry(id.clone()) {
            Entry::Occupied(_) => {
                scope.error(&path, format!("duplicate provider {id} (case does not count): remove one"));
            }
            Entry::Vacant(entry) => {
                entry.insert(Arc::new(configured_provider(&id, settings, &path, is_merged, scope)));
            }
        }
    }
    for known in builtin_catalog().providers.iter().filter(|_| is_merged) {
        let provider = || Arc::new(catalog_provider(known, scope));
        providers.entry(known.id.clone()).or_insert_with(provider);
    }
    providers
}

/// A provider without keys and models, at the catalog's addresses.
fn bare_provider(id: &str, known: Option<&BuiltinProvider>) -> Provider {
    Provider {
        id: id.to_owned(),
        adapter: known.map_or(AdapterId::Generic, |known| known.adapter),
        apis: known.map(|known| known.base_urls.clone()).unwrap_or_default(),
        keys: Vec::new(),
        auth: Auth::ByApi,
        login_file: None,
        disabled_reason: None,
        headers: Vec::new(),
        models: BTreeMap::new(),
        accepts_any_model: known.is_some_and(|known| known.accepts_any_model),
        model_defaults: ModelDefaults::default(),
        model_renames: known.iter().flat_map(|known| known.model_renames.iter().cloned()).collect(),
        first_token_timeout: None,
        sanitize_tool_call_ids: false,
        currency: known.map_or("USD", |known| &known.currency).to_owned(),
        is_configured: false,
    }
}

/// Why a provider of the catalog is disabled that is not enabled by default.
pub(super) fn unconfigured(provider: &str) -> String {
    format!("it is enabled only if models.providers.{provider} is configured")
}

/// A provider that is only in the catalog.
fn catalog_provider(known: &BuiltinProvider, scope: &Scope) -> Provider {
    let mut provider = bare_provider(&known.id, Some(known));
    provider.models = models::catalog_models(known);
    match key_of_variables(&known.key_variables, scope) {
        _ if !known.is_enabled_by_default => disable(&mut provider, unconfigured(&known.id)),
        Ok(key) => provider.keys.push(key),
        Err(missing) => disable(&mut provider, missing),
    }
    provider
}

fn configured_provider(
    id: &str,
    settings: &ProviderSettings,
    path: &KeyPath,
    is_merged: bool,
    scope: &mut Scope,
) -> Provider {
    let by_id = builtin_catalog().provider(id);
    let mut provider = bare_provider(id, by_id);
    provider.is_configured = true;
    let api = settings.api.as_deref().and_then(Api::from_name);
    let written = settings.base_url.as_deref();
    let url = written.map(|written| {
        let refusal =
            "sends the key in clear text to another machine: use https://, or set allowInsecure: true";
        let refusal = (!settings.allow_insecure).then_some(refusal);
        let kind = |missing| WarningKind::MissingBaseUrl { provider: id.to_owned(), missing };
        endpoint::read(&path.join_key("baseUrl"), written, refusal, kind, scope)
    });
    let url = url.transpose();
    match &url {
        Ok(Some(url)) => provider.apis = endpoint::apis_at(url, api, by_id),
        Ok(None) if by_id.is_some() => provider.apis = endpoint::with_preferred(api, provider.apis),
        Ok(None) => {
            let why = "has no baseUrl and is not in the catalog, so it is disabled: add a baseUrl";
            scope.warn_other(path, "no_base_url", format!("provider {id} {why}"));
            disable(&mut provider, "it has no baseUrl");
        }
        Err(reason) => {
            provider.apis = Vec::new();
            disable(&mut provider, reason);
        }
    }
    let url = url.ok().flatten();
    let facts = facts_of(by_id, url.as_ref());
    let at_any_port = || url.as_ref().and_then(endpoint::catalog_provider_of_host);
    if let Some(known) = by_id.or(facts).or_else(at_any_port) {
        provider.adapter = known.adapter;
    }
    facts.map_or("USD", |known| &known.currency).clone_into(&mut provider.currency);
    provider.model_defaults = ModelDefaults {
        context_window: settings.context_window.map(|tokens| tokens.0),
        max_tokens: settings.max_tokens.map(|tokens| tokens.0),
    };
    provider.first_token_timeout = settings.timeout_seconds.map(|timeout| Duration::from_secs(timeout.0));
    provider.sanitize_tool_call_ids = settings.sanitize_tool_call_ids;
    provider.headers = resolve_headers(&settings.headers, path, &mut provider, scope);
    resolve_credentials(settings, path, by_id.or(facts), &mut provider, scope);
    let keeps_catalog = is_merged && (by_id.is_some() || settings.models.is_none());
    models::resolve_models(settings, path, facts, keeps_catalog, &mut provider, scope);
    provider
}

/// Whose models, prices and currency apply: those of the host, if its adapter is that of the id.
fn facts_of(by_id: Option<&'static BuiltinProvider>, url: Option<&Url>) -> Option<&'static BuiltinProvider> {
    match (by_id, url.and_then(endpoint::catalog_provider_at)) {
        (Some(id), Some(host)) if id.adapter != host.adapter => Some(id),
        (id, host) => host.or(id),
    }
}
