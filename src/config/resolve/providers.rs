//! `models.providers`, over the catalog.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::endpoint::{Address, ClearText};
use super::{Scope, endpoint, keys, models};
use crate::catalog::{AdapterId, BuiltinProvider, builtin_catalog};
use crate::config::file::Cursor;
use crate::config::settings::{
    Auth, ModelDefaults, NO_STATE_DIRECTORY, Provider, ProviderKey, SecretOrigin, WarningKind,
    unconfigured as not_configured,
};
use crate::credentials::LoginFile;
use crate::protocol::api::Api;

/// The providers while they are being put together.
pub(super) struct Providers {
    pub(super) table: BTreeMap<String, Provider>,
    pub(super) aliases: BTreeMap<String, String>,
}

/// Reads every provider: those of the file, and with `merge` those of the catalog.
pub(super) fn read(root: &Cursor<'_>, scope: &mut Scope<'_, '_, '_>) -> Providers {
    let replaces = root.get_path(&["models", "mode"]).and_then(|at| at.as_str()) == Some("replace");
    let mut table = BTreeMap::new();
    for (key, at) in root.get_path(&["models", "providers"]).map(|at| at.members()).unwrap_or_default() {
        let id = key.to_lowercase();
        if key.contains(['/', ' ']) || key.is_empty() {
            scope.wrong(
                &at,
                format!("\"{key}\" cannot be a provider's id: references are split at the first slash"),
            );
            continue;
        }
        if table.contains_key(&id) {
            scope.wrong(&at, format!("provider {id} stands here twice (case does not count): remove one"));
            continue;
        }
        let provider = configured(&id, &at, replaces, scope);
        table.insert(id, provider);
    }
    if !replaces {
        for known in &builtin_catalog().providers {
            table.entry(known.id.clone()).or_insert_with(|| unconfigured(known, scope));
        }
    }
    Providers { aliases: aliases(&table), table }
}

/// The catalog's other ids, but for those that the user defines.
fn aliases(table: &BTreeMap<String, Provider>) -> BTreeMap<String, String> {
    let known = builtin_catalog().providers.iter().filter(|known| table.contains_key(&known.id));
    let pairs = known.flat_map(|known| known.aliases.iter().map(|alias| (alias.clone(), known.id.clone())));
    pairs.filter(|(alias, _)| !table.contains_key(alias)).collect()
}

/// A provider that is only in the catalog.
fn unconfigured(known: &BuiltinProvider, scope: &Scope<'_, '_, '_>) -> Provider {
    let gathered = keys::from_names(&known.key_variables, scope);
    let off = if known.is_enabled_by_default {
        gathered.missing.map(|missing| missing.to_string())
    } else {
        Some(not_configured(&known.id))
    };
    Provider {
        id: known.id.clone(),
        adapter: known.adapter,
        apis: known.base_urls.clone(),
        keys: if off.is_none() { gathered.found } else { Vec::new() },
        auth: Auth::ByApi,
        login_file: None,
        disabled_reason: off,
        headers: Vec::new(),
        models: models::of_catalog(known),
        accepts_any_model: known.accepts_any_model,
        model_defaults: ModelDefaults::default(),
        model_renames: known.model_renames.iter().cloned().collect(),
        first_token_timeout: None,
        sanitize_tool_call_ids: false,
        currency: known.currency.clone(),
        is_configured: false,
    }
}

/// The catalog's data for a provider of the file.
#[derive(Clone, Copy)]
struct Known {
    /// By its id.
    by_id: Option<&'static BuiltinProvider>,
    /// Models, prices and currency: the host's, where it is of the same kind.
    facts: Option<&'static BuiltinProvider>,
    /// Whose peculiarities the host has, at any port.
    host: Option<&'static BuiltinProvider>,
}

impl Known {
    fn of(id: &str, url: Option<&Url>) -> Self {
        let by_id = builtin_catalog().provider(id);
        let by_host = url.and_then(endpoint::catalog_of);
        let facts = match (by_id, by_host) {
            (Some(id), Some(host)) if id.adapter != host.adapter => Some(id),
            (id, host) => host.or(id),
        };
        Self { by_id, facts, host: url.and_then(endpoint::host_of) }
    }

    fn dialect(self) -> AdapterId {
        self.by_id.or(self.facts).or(self.host).map_or(AdapterId::Generic, |known| known.adapter)
    }
}

fn configured(id: &str, at: &Cursor<'_>, replaces: bool, scope: &mut Scope<'_, '_, '_>) -> Provider {
    let flag = |key| at.get(key).and_then(|at| at.as_bool());
    let api = at.get("api").and_then(|at| at.as_str()).and_then(Api::from_name);
    let base = at.get("baseUrl");
    let address = base.as_ref().map(|base| endpoint::read(base, clear_text(at), scope));
    let url = match &address {
        Some(Address::Url(url)) => Some(url),
        _ => None,
    };
    let known = Known::of(id, url);
    let faces = match (&base, url, known.by_id) {
        (Some(_), Some(url), _) => endpoint::faces(url, api, known.by_id),
        (None, _, Some(known)) => endpoint::preferring(api, known.base_urls.clone()),
        _ => Vec::new(),
    };
    let headers = keys::headers(at.get("headers").as_ref(), id, scope);
    let Credentials { keys, auth, login, missing: no_key } = credentials(id, at, known, scope);
    let off = if faces.is_empty() {
        Some(no_address(id, at, address.as_ref(), scope))
    } else {
        headers.missing.map(|missing| missing.to_string()).or(no_key)
    };
    let figures = figures(at);
    let rows = models::Rows {
        id,
        at,
        figures,
        facts: known.facts,
        with_catalog: !replaces && (known.by_id.is_some() || at.get("models").is_none()),
    };
    let (models, missing_header) = rows.read(scope);
    Provider {
        id: id.to_owned(),
        adapter: known.dialect(),
        apis: faces,
        keys,
        auth,
        login_file: login,
        disabled_reason: off.or(missing_header.map(|missing| missing.to_string())),
        headers: headers.found,
        models,
        accepts_any_model: known.by_id.is_some_and(|known| known.accepts_any_model),
        model_defaults: figures,
        model_renames: known
            .by_id
            .map(|known| known.model_renames.iter().cloned().collect())
            .unwrap_or_default(),
        first_token_timeout: at.get("timeoutSeconds").and_then(|at| at.as_u64()).map(Duration::from_secs),
        sanitize_tool_call_ids: flag("sanitizeToolCallIds") == Some(true),
        currency: known.facts.map_or("USD", |known| known.currency.as_str()).to_owned(),
        is_configured: true,
    }
}

fn clear_text(at: &Cursor<'_>) -> ClearText {
    match at.get("allowInsecure").and_then(|at| at.as_bool()) {
        Some(true) => ClearText::Allowed,
        _ => ClearText::Refused { what: "the key", fix: "use https://, or set allowInsecure: true" },
    }
}

fn figures(at: &Cursor<'_>) -> ModelDefaults {
    let figure = |key| at.get(key).and_then(|at| at.as_u64());
    ModelDefaults { context_window: figure("contextWindow"), max_tokens: figure("maxTokens") }
}

/// Why a provider without an address cannot be called. A wrong URL was reported already.
fn no_address(id: &str, at: &Cursor<'_>, base: Option<&Address>, scope: &mut Scope<'_, '_, '_>) -> String {
    match base {
        Some(Address::Missing(missing)) => {
            let kind = WarningKind::MissingBaseUrl { provider: id.to_owned(), missing: missing.clone() };
            scope.report.add_warning(&at.path.join_key("baseUrl"), kind);
            format!("{missing} (its baseUrl)")
        }
        Some(_) => "its baseUrl cannot be used".to_owned(),
        None => {
            scope.warn(at, WarningKind::NoBaseUrl { provider: id.to_owned() });
            "it has no baseUrl".to_owned()
        }
    }
}

/// Keys, how they are sent, and why there is none.
struct Credentials {
    keys: Vec<ProviderKey>,
    auth: Auth,
    login: Option<LoginFile>,
    missing: Option<String>,
}

fn credentials(id: &str, at: &Cursor<'_>, known: Known, scope: &mut Scope<'_, '_, '_>) -> Credentials {
    let setting = at.get("auth").and_then(|at| at.as_str());
    let bearer = setting == Some("token") || at.get("authHeader").and_then(|at| at.as_bool()) == Some(true);
    let auth = if bearer { Auth::Bearer } else { Auth::ByApi };
    let of = |keys, missing| Credentials { keys, auth, login: None, missing };
    let keyless = || {
        let secret = crate::secret::Secret::new(String::new());
        let keys = vec![ProviderKey { secret, origin: SecretOrigin::NoKey }];
        Credentials { auth: Auth::None, ..of(keys, None) }
    };
    match setting {
        Some("none") => return keyless(),
        Some("oauth") => return login(id, at, known, scope),
        _ => {}
    }
    if let Some(key) = at.get("apiKey") {
        let gathered = keys::from_setting(&key, id, scope);
        let missing = gathered.missing.filter(|_| gathered.found.is_empty());
        return of(gathered.found, missing.map(|missing| missing.to_string()));
    }
    let Some(known) = known.by_id.or(known.facts) else {
        if setting.is_none() {
            return keyless();
        }
        scope.warn(at, WarningKind::NoApiKey { provider: id.to_owned() });
        return of(Vec::new(), Some("it has no apiKey".to_owned()));
    };
    let gathered = keys::from_names(&known.key_variables, scope);
    if let Some(missing) = &gathered.missing {
        let (provider, missing) = (id.to_owned(), missing.clone());
        let kind = WarningKind::MissingKey { provider, missing, has_other_keys: false };
        scope.report.add_warning(&at.path.join_key("apiKey"), kind);
    }
    of(gathered.found, gathered.missing.map(|missing| missing.to_string()))
}

/// The login of `auth: "oauth"`. Without a login the provider is off until the user logs in.
fn login(id: &str, at: &Cursor<'_>, known: Known, scope: &mut Scope<'_, '_, '_>) -> Credentials {
    let place = scope.variables.login_file(id);
    let off = |login, why| Credentials { keys: Vec::new(), auth: Auth::Login, login, missing: Some(why) };
    let Some(setting) = at.get("auth") else { return off(place, "it has no login".to_owned()) };
    if known.dialect() != AdapterId::KimiCode {
        scope
            .wrong(&setting, format!("only Kimi Code has a login, and provider {id} is none: set an apiKey"));
        return off(None, "it has no login".to_owned());
    }
    if let Some(key) = at.get("apiKey") {
        scope.warn(&key, WarningKind::UnusedApiKey);
    }
    let found = match &place {
        Some(place) => place.read().map_err(Some),
        None => Err(None),
    };
    match found {
        Ok(login) => {
            let key = ProviderKey {
                secret: crate::secret::Secret::new(login.id),
                origin: SecretOrigin::Login { host: login.host },
            };
            Credentials { keys: vec![key], auth: Auth::Login, login: place, missing: None }
        }
        Err(error) => {
            let why = error.as_ref().map_or_else(|| NO_STATE_DIRECTORY.to_owned(), ToString::to_string);
            scope.warn(&setting, WarningKind::MissingLogin { provider: id.to_owned(), error });
            off(place, why)
        }
    }
}
