//! `models.providers`, merged over the catalog: addresses, keys and headers.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use url::Url;

use super::endpoint::{Address, ClearText};
use super::{Scope, endpoint, models};
use crate::catalog::{AdapterId, BuiltinProvider, builtin_catalog};
use crate::config::interpolate::SecretLookup;
use crate::config::keypath::KeyPath;
use crate::config::keys::{AuthSetting, Entries, Keys, MergeMode, Models, ProviderSettings, SecretSetting};
use crate::config::settings::{
    Auth, Header, Missing, ModelDefaults, NO_STATE_DIRECTORY, Provider, ProviderKey, SecretOrigin,
    WarningKind, unconfigured,
};
use crate::credentials::LoginFile;
use crate::protocol::api::Api;
use crate::secret::Secret;

/// Headers that belong to the connection or the body, not to the configuration.
const RESERVED_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The providers while they are resolved.
pub(super) struct Providers {
    pub(super) table: BTreeMap<String, Provider>,
    /// Other ids of catalog providers, unless the user defines those ids.
    pub(super) aliases: BTreeMap<String, String>,
}

/// The providers of the file, and with `merge` those of the catalog.
pub(super) fn resolve_providers(file: &Models, scope: &mut Scope<'_, '_, '_>) -> Providers {
    let is_merged = file.mode == MergeMode::Merge;
    let mut table = BTreeMap::new();
    for (key, settings) in &file.providers.0 {
        let path = KeyPath::from_keys(&["models", "providers", key]);
        let id = key.to_lowercase();
        if key.contains(['/', ' ']) {
            let message = format!("\"{key}\" is not a provider id: it must not contain a slash or a space");
            scope.error(&path, message);
            continue;
        }
        if table.contains_key(&id) {
            scope.error(&path, format!("duplicate provider {id} (case does not count): remove one"));
            continue;
        }
        let provider = configured_provider(&id, settings, &path, is_merged, scope);
        table.insert(id, provider);
    }
    if is_merged {
        for known in &builtin_catalog().providers {
            table.entry(known.id.clone()).or_insert_with(|| catalog_provider(known, scope));
        }
    }
    let known = builtin_catalog().providers.iter().filter(|known| table.contains_key(&known.id));
    let pairs = known.flat_map(|known| known.aliases.iter().map(|alias| (alias.clone(), known.id.clone())));
    Providers { aliases: pairs.filter(|(alias, _)| !table.contains_key(alias)).collect(), table }
}

/// A provider that is only in the catalog.
fn catalog_provider(known: &BuiltinProvider, scope: &Scope<'_, '_, '_>) -> Provider {
    let keys = keys_of_variables(&known.key_variables, scope);
    let disabled_reason = match known.is_enabled_by_default {
        true => keys.missing.map(|missing| missing.to_string()),
        false => Some(unconfigured(&known.id)),
    };
    Provider {
        id: known.id.clone(),
        adapter: known.adapter,
        apis: known.base_urls.clone(),
        keys: if disabled_reason.is_none() { keys.found } else { Vec::new() },
        auth: Auth::ByApi,
        login_file: None,
        disabled_reason,
        headers: Vec::new(),
        models: models::catalog_models(known),
        accepts_any_model: known.accepts_any_model,
        model_defaults: ModelDefaults::default(),
        model_renames: known.model_renames.iter().cloned().collect(),
        first_token_timeout: None,
        sanitize_tool_call_ids: false,
        currency: known.currency.clone(),
        is_configured: false,
    }
}

/// What the catalog knows about a provider of the file.
#[derive(Clone, Copy)]
struct CatalogMatch {
    by_id: Option<&'static BuiltinProvider>,
    /// Whose models, prices and currency apply: those of the host, if its adapter is that of the id.
    facts: Option<&'static BuiltinProvider>,
    adapter: AdapterId,
}

impl CatalogMatch {
    fn find(id: &str, url: Option<&Url>) -> Self {
        let by_id = builtin_catalog().provider(id);
        let by_host = url.and_then(endpoint::catalog_provider_at);
        let facts = match (by_id, by_host) {
            (Some(id), Some(host)) if id.adapter != host.adapter => Some(id),
            (id, host) => host.or(id),
        };
        let at_any_port = || url.and_then(endpoint::catalog_provider_of_host);
        let adapter = by_id.or(facts).or_else(at_any_port).map_or(AdapterId::Generic, |known| known.adapter);
        Self { by_id, facts, adapter }
    }
}

fn configured_provider(
    id: &str,
    settings: &ProviderSettings,
    path: &KeyPath,
    is_merged: bool,
    scope: &mut Scope<'_, '_, '_>,
) -> Provider {
    let clear_text = match settings.allow_insecure {
        true => ClearText::Allowed,
        false => ClearText::Refused { what: "the key", fix: "use https://, or set allowInsecure: true" },
    };
    let written = settings.base_url.as_deref();
    let address = written.map(|url| endpoint::read(&path.join_key("baseUrl"), url, clear_text, scope));
    let url = match &address {
        Some(Address::Url(url)) => Some(url),
        _ => None,
    };
    let known = CatalogMatch::find(id, url);
    let api = settings.api.as_deref().and_then(Api::from_name);
    let apis = match (&address, url, known.by_id) {
        (_, Some(url), by_id) => endpoint::apis_at(url, api, by_id),
        (None, _, Some(known)) => endpoint::with_preferred(api, known.base_urls.clone()),
        _ => Vec::new(),
    };
    let headers = resolve_headers(&settings.headers, &path.join_key("headers"), id, scope);
    let Credentials { keys, auth, login_file, missing } =
        resolve_credentials(id, settings, path, known, scope);
    let model_defaults = ModelDefaults {
        context_window: settings.context_window.map(|tokens| tokens.0),
        max_tokens: settings.max_tokens.map(|tokens| tokens.0),
    };
    let disabled_reason = match apis.is_empty() {
        true => Some(report_missing_address(id, path, address.as_ref(), scope)),
        false => headers.missing.map(|missing| missing.to_string()).or(missing),
    };
    let model_scope = models::ModelScope {
        provider: id,
        path,
        settings,
        known: known.facts,
        keeps_catalog: is_merged && (known.by_id.is_some() || settings.models.is_none()),
        defaults: model_defaults,
    };
    let (models, missing_header) = model_scope.resolve(scope);
    let model_renames = known.by_id.map(|known| known.model_renames.iter().cloned().collect());
    Provider {
        id: id.to_owned(),
        adapter: known.adapter,
        apis,
        keys,
        auth,
        login_file,
        disabled_reason: disabled_reason.or(missing_header.map(|missing| missing.to_string())),
        headers: headers.found,
        models,
        accepts_any_model: known.by_id.is_some_and(|known| known.accepts_any_model),
        model_defaults,
        model_renames: model_renames.unwrap_or_default(),
        first_token_timeout: settings.timeout_seconds.map(|timeout| timeout.duration()),
        sanitize_tool_call_ids: settings.sanitize_tool_call_ids,
        currency: known.facts.map_or("USD", |known| known.currency.as_str()).to_owned(),
        is_configured: true,
    }
}

/// Why a provider without an address cannot be called. An invalid URL was reported before.
fn report_missing_address(
    id: &str,
    path: &KeyPath,
    address: Option<&Address>,
    scope: &mut Scope<'_, '_, '_>,
) -> String {
    let provider = id.to_owned();
    match address {
        Some(Address::Missing(missing)) => {
            let kind = WarningKind::MissingBaseUrl { provider, missing: missing.clone() };
            scope.warn(&path.join_key("baseUrl"), kind);
            format!("{missing} (its baseUrl)")
        }
        Some(_) => "its baseUrl is invalid".to_owned(),
        None => {
            scope.warn(path, WarningKind::NoBaseUrl { provider });
            "it has no baseUrl".to_owned()
        }
    }
}

/// Keys, how they are sent, and why there is none.
struct Credentials {
    keys: Vec<ProviderKey>,
    auth: Auth,
    login_file: Option<LoginFile>,
    missing: Option<String>,
}

fn resolve_credentials(
    id: &str,
    settings: &ProviderSettings,
    path: &KeyPath,
    known: CatalogMatch,
    scope: &mut Scope<'_, '_, '_>,
) -> Credentials {
    let is_bearer = settings.auth == Some(AuthSetting::Token) || settings.auth_header;
    let auth = if is_bearer { Auth::Bearer } else { Auth::ByApi };
    let with_keys = |keys, missing| Credentials { keys, auth, login_file: None, missing };
    let without_key = || {
        let key = ProviderKey { secret: Secret::new(String::new()), origin: SecretOrigin::NoKey };
        Credentials { auth: Auth::None, ..with_keys(vec![key], None) }
    };
    match settings.auth {
        Some(AuthSetting::None) => return without_key(),
        Some(AuthSetting::OAuth) => return resolve_login(id, settings, path, known, scope),
        _ => {}
    }
    let provider = id.to_owned();
    if let Some(keys) = &settings.api_key {
        let keys = resolve_keys(keys, &path.join_key("apiKey"), id, scope);
        let missing = keys.missing.filter(|_| keys.found.is_empty());
        return with_keys(keys.found, missing.map(|missing| missing.to_string()));
    }
    let Some(known) = known.by_id.or(known.facts) else {
        if settings.auth.is_none() {
            return without_key();
        }
        scope.warn(path, WarningKind::NoApiKey { provider });
        return with_keys(Vec::new(), Some("it has no apiKey".to_owned()));
    };
    let keys = keys_of_variables(&known.key_variables, scope);
    if let Some(missing) = keys.missing.clone() {
        let kind = WarningKind::MissingKey { provider, missing, has_other_keys: false };
        scope.warn(&path.join_key("apiKey"), kind);
    }
    with_keys(keys.found, keys.missing.map(|missing| missing.to_string()))
}

/// The login of `auth: "oauth"`. Without a login the provider is disabled until the user logs in.
fn resolve_login(
    id: &str,
    settings: &ProviderSettings,
    path: &KeyPath,
    known: CatalogMatch,
    scope: &mut Scope<'_, '_, '_>,
) -> Credentials {
    let disabled = |login_file, reason| Credentials {
        keys: Vec::new(),
        auth: Auth::Login,
        login_file,
        missing: Some(reason),
    };
    let auth_path = path.join_key("auth");
    if known.adapter != AdapterId::KimiCode {
        let message = format!("only Kimi Code has a login, and provider {id} is another one: set an apiKey");
        scope.error(&auth_path, message);
        return disabled(None, "it has no login".to_owned());
    }
    if settings.api_key.is_some() {
        scope.warn(&path.join_key("apiKey"), WarningKind::UnusedApiKey);
    }
    let login_file = scope.variables.login_file(id);
    match login_file.as_ref().map(LoginFile::read) {
        Some(Ok(login)) => {
            let origin = SecretOrigin::Login { host: login.host };
            let key = ProviderKey { secret: Secret::new(login.id), origin };
            Credentials { keys: vec![key], auth: Auth::Login, login_file, missing: None }
        }
        read => {
            let error = read.and_then(Result::err);
            let reason = error.as_ref().map_or_else(|| NO_STATE_DIRECTORY.to_owned(), ToString::to_string);
            scope.warn(&auth_path, WarningKind::MissingLogin { provider: id.to_owned(), error });
            disabled(login_file, reason)
        }
    }
}

/// Values that were found, and the first that is missing.
pub(super) struct Gathered<T> {
    pub(super) found: Vec<T>,
    pub(super) missing: Option<Missing>,
}

fn resolve_keys(
    keys: &Keys,
    path: &KeyPath,
    id: &str,
    scope: &mut Scope<'_, '_, '_>,
) -> Gathered<ProviderKey> {
    let settings: Vec<(KeyPath, &SecretSetting)> = match keys {
        Keys::One(setting) => vec![(path.clone(), setting)],
        Keys::Many(list) => list.0.iter().map(|(index, key)| (path.join_index(*index), key)).collect(),
    };
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (path, setting) in settings {
        match resolve_key(setting, scope) {
            Ok(key) => found.push(key),
            Err(reason) => missing.push((path, reason)),
        }
    }
    for (path, missing) in &missing {
        let (provider, missing, has_other_keys) = (id.to_owned(), missing.clone(), !found.is_empty());
        scope.warn(path, WarningKind::MissingKey { provider, missing, has_other_keys });
    }
    Gathered { found, missing: missing.into_iter().next().map(|(_, missing)| missing) }
}

/// A key that an HTTP header can carry.
pub(super) fn resolve_key(
    setting: &SecretSetting,
    scope: &mut Scope<'_, '_, '_>,
) -> Result<ProviderKey, Missing> {
    match scope.resolve_secret(setting) {
        SecretLookup::Resolved(secret, origin) if HeaderValue::from_str(secret.expose()).is_ok() => {
            Ok(ProviderKey { secret, origin })
        }
        SecretLookup::Resolved(_, origin) => Err(Missing::InvalidKey(origin)),
        SecretLookup::Missing(missing) => Err(missing),
    }
}

/// The key in a variable, if a header can carry it.
pub(super) fn key_of_variable(name: &str, scope: &Scope<'_, '_, '_>) -> Option<ProviderKey> {
    let (value, origin) = scope.variables.find_variable(name)?;
    HeaderValue::from_str(&value).ok()?;
    Some(ProviderKey { secret: Secret::new(value), origin })
}

/// The key in the first of these variables that is set.
fn keys_of_variables(names: &[String], scope: &Scope<'_, '_, '_>) -> Gathered<ProviderKey> {
    let first = names.iter().find(|name| scope.variables.find_variable(name).is_some());
    match first.and_then(|name| key_of_variable(name, scope)) {
        Some(key) => Gathered { found: vec![key], missing: None },
        None => Gathered { found: Vec::new(), missing: Some(Missing::Variables(names.to_vec())) },
    }
}

/// `headers` of a provider or a model.
pub(super) fn resolve_headers(
    settings: &Entries<SecretSetting>,
    path: &KeyPath,
    provider: &str,
    scope: &mut Scope<'_, '_, '_>,
) -> Gathered<Header> {
    let mut found: Vec<Header> = Vec::new();
    let mut missing = None;
    for (key, setting) in &settings.0 {
        let path = path.join_key(key);
        let name = match header_name(key, &found) {
            Ok(name) => name,
            Err(message) => {
                scope.error(&path, message);
                continue;
            }
        };
        match scope.resolve_secret(setting) {
            SecretLookup::Resolved(value, _) if HeaderValue::from_str(value.expose()).is_ok() => {
                found.push(Header { name, value });
            }
            SecretLookup::Resolved(..) => {
                scope.error(&path, "the value contains characters that no HTTP header can carry");
            }
            SecretLookup::Missing(what) => {
                let provider = provider.to_owned();
                scope.warn(&path, WarningKind::MissingHeader { provider, missing: what.clone() });
                missing.get_or_insert(what);
            }
        }
    }
    Gathered { found, missing }
}

fn header_name(key: &str, known: &[Header]) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(key.as_bytes())
        .map_err(|_| format!("\"{key}\" is not the name of a header"))?;
    if RESERVED_HEADERS.contains(&name.as_str()) {
        return Err(format!("{name} is set for each request and cannot be configured"));
    }
    if known.iter().any(|header| header.name == name) {
        return Err(format!("duplicate header {name}: remove one"));
    }
    Ok(name)
}
