//! `models.providers`, over the catalog.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::endpoint::{Address, ClearText};
use super::{Scope, endpoint, keys, models};
use crate::catalog::{BuiltinProvider, DialectId, builtin};
use crate::config::file::At;
use crate::config::settings::{
    Auth, Figures, Key, NO_STATE_DIRECTORY, Provider, SecretOrigin, WarningKind,
    unconfigured as not_configured,
};
use crate::credentials::Place;
use crate::protocol::face::Face;

/// The providers while they are being put together.
pub(super) struct Providers {
    pub(super) table: BTreeMap<String, Provider>,
    pub(super) aliases: BTreeMap<String, String>,
}

/// Reads every provider: those of the file, and with `merge` those of the catalog.
pub(super) fn read(root: &At<'_>, scope: &mut Scope<'_, '_, '_>) -> Providers {
    let replaces = root.find(&["models", "mode"]).and_then(|at| at.text()) == Some("replace");
    let mut table = BTreeMap::new();
    for (key, at) in root.find(&["models", "providers"]).map(|at| at.members()).unwrap_or_default() {
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
        for known in &builtin().providers {
            table.entry(known.id.clone()).or_insert_with(|| unconfigured(known, scope));
        }
    }
    Providers { aliases: aliases(&table), table }
}

/// The catalog's other ids, but for those that the user defines.
fn aliases(table: &BTreeMap<String, Provider>) -> BTreeMap<String, String> {
    let known = builtin().providers.iter().filter(|known| table.contains_key(&known.id));
    let pairs = known.flat_map(|known| known.aliases.iter().map(|alias| (alias.clone(), known.id.clone())));
    pairs.filter(|(alias, _)| !table.contains_key(alias)).collect()
}

/// A provider that only the catalog knows.
fn unconfigured(known: &BuiltinProvider, scope: &Scope<'_, '_, '_>) -> Provider {
    let gathered = keys::from_names(&known.key_names, scope);
    let off = if known.on_by_default {
        gathered.missing.map(|missing| missing.to_string())
    } else {
        Some(not_configured(&known.id))
    };
    Provider {
        id: known.id.clone(),
        dialect: known.dialect,
        faces: known.faces.clone(),
        keys: if off.is_none() { gathered.found } else { Vec::new() },
        auth: Auth::Face,
        login: None,
        off,
        headers: Vec::new(),
        models: models::of_catalog(known),
        open: known.open,
        figures: Figures::default(),
        renamed: known.renamed.iter().cloned().collect(),
        timeout: None,
        sanitize_tool_call_ids: false,
        currency: known.currency.clone(),
        configured: false,
    }
}

/// What the catalog knows of a provider of the file.
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
        let by_id = builtin().provider(id);
        let by_host = url.and_then(endpoint::catalog_of);
        let facts = match (by_id, by_host) {
            (Some(id), Some(host)) if id.dialect != host.dialect => Some(id),
            (id, host) => host.or(id),
        };
        Self { by_id, facts, host: url.and_then(endpoint::host_of) }
    }

    fn dialect(self) -> DialectId {
        self.by_id.or(self.facts).or(self.host).map_or(DialectId::Generic, |known| known.dialect)
    }
}

fn configured(id: &str, at: &At<'_>, replaces: bool, scope: &mut Scope<'_, '_, '_>) -> Provider {
    let flag = |key| at.get(key).and_then(|at| at.flag());
    let api = at.get("api").and_then(|at| at.text()).and_then(Face::from_api);
    let base = at.get("baseUrl");
    let address = base.as_ref().map(|base| endpoint::read(base, clear_text(at), scope));
    let url = match &address {
        Some(Address::Url(url)) => Some(url),
        _ => None,
    };
    let known = Known::of(id, url);
    let faces = match (&base, url, known.by_id) {
        (Some(_), Some(url), _) => endpoint::faces(url, api, known.by_id),
        (None, _, Some(known)) => endpoint::preferring(api, known.faces.clone()),
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
        dialect: known.dialect(),
        faces,
        keys,
        auth,
        login,
        off: off.or(missing_header.map(|missing| missing.to_string())),
        headers: headers.found,
        models,
        open: known.by_id.is_some_and(|known| known.open),
        figures,
        renamed: known.by_id.map(|known| known.renamed.iter().cloned().collect()).unwrap_or_default(),
        timeout: at.get("timeoutSeconds").and_then(|at| at.whole()).map(Duration::from_secs),
        sanitize_tool_call_ids: flag("sanitizeToolCallIds") == Some(true),
        currency: known.facts.map_or("USD", |known| known.currency.as_str()).to_owned(),
        configured: true,
    }
}

fn clear_text(at: &At<'_>) -> ClearText {
    match at.get("allowInsecure").and_then(|at| at.flag()) {
        Some(true) => ClearText::Allowed,
        _ => ClearText::Refused { what: "the key", fix: "use https://, or set allowInsecure: true" },
    }
}

fn figures(at: &At<'_>) -> Figures {
    let figure = |key| at.get(key).and_then(|at| at.whole());
    Figures { context_window: figure("contextWindow"), max_tokens: figure("maxTokens") }
}

/// Why a provider without an address cannot be called; where its URL is wrong that was said already.
fn no_address(id: &str, at: &At<'_>, base: Option<&Address>, scope: &mut Scope<'_, '_, '_>) -> String {
    match base {
        Some(Address::Missing(missing)) => {
            let kind = WarningKind::MissingBaseUrl { provider: id.to_owned(), missing: missing.clone() };
            scope.report.warn(&at.path.key("baseUrl"), kind);
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
    keys: Vec<Key>,
    auth: Auth,
    login: Option<Place>,
    missing: Option<String>,
}

fn credentials(id: &str, at: &At<'_>, known: Known, scope: &mut Scope<'_, '_, '_>) -> Credentials {
    let setting = at.get("auth").and_then(|at| at.text());
    let bearer = setting == Some("token") || at.get("authHeader").and_then(|at| at.flag()) == Some(true);
    let auth = if bearer { Auth::Bearer } else { Auth::Face };
    let of = |keys, missing| Credentials { keys, auth, login: None, missing };
    let keyless = || {
        let secret = crate::secret::Secret::new(String::new());
        let keys = vec![Key { secret, origin: SecretOrigin::NoKey }];
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
    let gathered = keys::from_names(&known.key_names, scope);
    if let Some(missing) = &gathered.missing {
        let (provider, missing) = (id.to_owned(), missing.clone());
        let kind = WarningKind::MissingKey { provider, missing, has_other_keys: false };
        scope.report.warn(&at.path.key("apiKey"), kind);
    }
    of(gathered.found, gathered.missing.map(|missing| missing.to_string()))
}

/// The login of `auth: "oauth"`. Where nobody is logged in the provider is off until somebody is.
fn login(id: &str, at: &At<'_>, known: Known, scope: &mut Scope<'_, '_, '_>) -> Credentials {
    let place = scope.variables.login(id);
    let off = |login, why| Credentials { keys: Vec::new(), auth: Auth::Login, login, missing: Some(why) };
    let Some(setting) = at.get("auth") else { return off(place, "it has no login".to_owned()) };
    if known.dialect() != DialectId::KimiCode {
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
            let key = Key {
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
