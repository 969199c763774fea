//! Kimi's web search: `plugins.entries.moonshot.config.webSearch`, and what it takes from elsewhere.

use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::endpoint::{Address, ClearText};
use super::providers::Providers;
use super::{Scope, endpoint, keys};
use crate::catalog::{DialectId, builtin};
use crate::config::file::At;
use crate::config::settings::{Key, Provider, WebSearch};
use crate::protocol::face::Face;
use crate::secret::Secret;

/// The model that searches when none is named: `OpenClaw`'s default, and the cheapest that the platform serves.
const MODEL: &str = "kimi-k2.6";

/// For one request to the model; `OpenClaw`'s figure.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Names of a key for it, where none is configured.
const NAMES: [&str; 2] = ["KIMI_API_KEY", "MOONSHOT_API_KEY"];

/// Where nothing says another one.
const INTERNATIONAL: &str = "https://api.moonshot.ai/v1";

/// Reads it, with what it leaves out.
pub(super) fn read(root: &At<'_>, providers: &Providers, scope: &mut Scope<'_, '_, '_>) -> WebSearch {
    let at = root.find(&["plugins", "entries", "moonshot", "config", "webSearch"]);
    let setting = |key| at.as_ref().and_then(|at| at.get(key));
    let near = near(providers);
    let own = || near.and_then(native_base).unwrap_or_else(|| INTERNATIONAL.to_owned());
    let mut lost = None;
    let base_url = match setting("baseUrl") {
        None => own(),
        Some(at) => {
            let clear = ClearText::Refused { what: "the key", fix: "use https://" };
            match endpoint::read(&at, clear, scope) {
                Address::Url(url) => url.as_str().trim_end_matches('/').to_owned(),
                Address::Missing(what) => {
                    scope.warn(&at, format!("{what}: web search is off until it is"));
                    lost = Some(format!("{what} (its baseUrl)"));
                    own()
                }
                Address::None => own(),
            }
        }
    };
    let found = match (lost, setting("apiKey")) {
        // The key is for the host that the user means, not for another one.
        (Some(what), _) => Err(what),
        (None, Some(at)) => configured(&at, &base_url, scope),
        (None, None) => named(&base_url, providers, scope),
    };
    let (keys, off) = match found {
        Ok(keys) => (keys, None),
        Err(off) => (Vec::new(), Some(off)),
    };
    let provider = provider_of(&base_url, providers);
    let model = setting("model").and_then(|at| at.text()).filter(|model| !model.trim().is_empty());
    let known = model.and_then(|id| builtin().provider(&provider)?.model(id));
    if let (Some(at), Some(retired)) = (setting("model"), known.and_then(|known| known.retired.as_ref())) {
        let id = model.unwrap_or_default();
        scope.warn(&at, retired.notice(&format!("{provider}/{id}")));
    }
    let is_wanted = at.is_some() || root.find(&["tools", "web", "search", "provider"]).is_some();
    WebSearch {
        is_wanted,
        keys,
        off,
        provider,
        base_url,
        model: model.unwrap_or(MODEL).to_owned(),
        model_is_chosen: model.is_some(),
        timeout: setting("timeoutSeconds").and_then(|at| at.whole()).map_or(TIMEOUT, Duration::from_secs),
    }
}

/// The one key that the user means.
fn configured(at: &At<'_>, base: &str, scope: &mut Scope<'_, '_, '_>) -> Result<Vec<Key>, String> {
    let found = scope.variables.secret(at);
    let key = found.and_then(|found| keys::from_found(at, found, "web search is off until it is", scope));
    let key = key.ok_or("plugins.entries.moonshot.config.webSearch.apiKey is not there")?;
    if key.is_of_kimi_code() && native(base).is_some() {
        scope.warn(
            at,
            format!(
                "{} begins with sk-kimi-, so it is a key of Kimi Code, and Moonshot's platform takes none of those: web \
                 search wants one from platform.kimi.ai (China: platform.kimi.com)",
                key.origin
            ),
        );
    }
    Ok(vec![key])
}

/// Keys under the names that it has, then those of the provider at the same place; none of the other product, as far as
/// that can be told.
fn named(base: &str, providers: &Providers, scope: &Scope<'_, '_, '_>) -> Result<Vec<Key>, String> {
    let of_names = NAMES.iter().filter_map(|name| {
        let (value, origin) = scope.variables.find(name)?;
        HeaderValue::from_str(&value).ok()?;
        Some(Key { secret: Secret::new(value), origin })
    });
    let place = place_of(base);
    // Whatever else stands at the same place has keys of its own.
    let there = |provider: &&Provider| {
        provider.dialect == DialectId::Moonshot
            && provider.faces.iter().any(|(_, base)| place_of(base) == place)
    };
    let of_provider =
        providers.table.values().filter(there).flat_map(|provider| provider.keys.iter().cloned());
    let mut other_product = None;
    let mut keys: Vec<Key> = Vec::new();
    for key in of_names.chain(of_provider).filter(|key| !key.secret.expose().is_empty()) {
        if key.is_of_kimi_code() {
            other_product.get_or_insert(key.origin);
        } else if !keys.iter().any(|known| known.secret == key.secret) {
            keys.push(key);
        }
    }
    match other_product {
        _ if !keys.is_empty() => Ok(keys),
        Some(origin) => Err(format!(
            "{origin} begins with sk-kimi-, so it is a key of Kimi Code, which Moonshot's web search does not take: set \
             MOONSHOT_API_KEY to one from platform.kimi.ai (China: platform.kimi.com)"
        )),
        None => Err(
            "neither plugins.entries.moonshot.config.webSearch.apiKey nor KIMI_API_KEY nor MOONSHOT_API_KEY \
                     is set"
                .to_owned(),
        ),
    }
}

/// The provider whose account is meant where nothing is said: `moonshot` or the China site's, rather the one that the
/// configuration names, and rather one with a key.
fn near(providers: &Providers) -> Option<&Provider> {
    let both = ["moonshot", "moonshot-cn"].into_iter().filter_map(|id| providers.table.get(id));
    let ours = both.filter(|provider| provider.dialect == DialectId::Moonshot);
    let standing = |provider: &&Provider| (!provider.keys.is_empty(), provider.configured);
    // Of two that stand the same the first.
    ours.rev().max_by_key(standing)
}

/// Base URL of the chat face at Moonshot's own host, where this provider is there, whatever face it prefers.
fn native_base(provider: &Provider) -> Option<String> {
    provider.faces.iter().find_map(|(_, base)| native(base))
}

/// Base URL of the chat face at the host of Moonshot's that a URL has.
fn native(base: &str) -> Option<String> {
    let url = Url::parse(base).ok()?;
    let known = endpoint::catalog_of(&url).filter(|known| known.dialect == DialectId::Moonshot)?;
    let faces = known.faces_at(url.host_str()?);
    faces.into_iter().find(|(face, _)| *face == Face::Chat).map(|(_, base)| base)
}

/// Scheme, host and port.
fn place_of(base: &str) -> Option<url::Origin> {
    Url::parse(base).ok().map(|url| url.origin())
}

/// Whose prices hold there.
fn provider_of(base: &str, providers: &Providers) -> String {
    let place = place_of(base);
    let there = |provider: &&Provider| {
        provider.dialect == DialectId::Moonshot
            && provider.faces.iter().any(|(_, base)| place_of(base) == place)
    };
    let configured = ["moonshot", "moonshot-cn"].iter().filter_map(|id| providers.table.get(*id)).find(there);
    if let Some(configured) = configured {
        return configured.id.clone();
    }
    let host = Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned));
    let known = host.and_then(|host| builtin().by_host(&host));
    known
        .filter(|known| known.dialect == DialectId::Moonshot)
        .map_or("moonshot", |known| &known.id)
        .to_owned()
}
