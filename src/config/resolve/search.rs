//! Kimi's web search: `plugins.entries.moonshot.config.webSearch`, and what it takes from elsewhere.

use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::endpoint::{Address, ClearText};
use super::providers::Providers;
use super::{Scope, endpoint, keys};
use crate::catalog::{AdapterId, builtin_catalog};
use crate::config::file::Cursor;
use crate::config::settings::{Provider, ProviderKey, Reference, WarningKind, WebSearchSettings};
use crate::protocol::api::Api;
use crate::secret::Secret;

/// The model that searches when none is named: `OpenClaw`'s default, and the cheapest that the platform serves.
const MODEL: &str = "kimi-k2.6";

/// For one request to the model; `OpenClaw`'s figure.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Names of a key for it, where none is configured.
const NAMES: [&str; 2] = ["KIMI_API_KEY", "MOONSHOT_API_KEY"];

/// The default.
const INTERNATIONAL: &str = "https://api.moonshot.ai/v1";

/// The setting that names where web search sends its requests.
const BASE_URL: &str = "plugins.entries.moonshot.config.webSearch.baseUrl";

/// The setting that gives web search a key of its own.
const API_KEY: &str = "plugins.entries.moonshot.config.webSearch.apiKey";

/// Reads the settings and fills in the defaults.
pub(super) fn read(
    root: &Cursor<'_>,
    providers: &Providers,
    scope: &mut Scope<'_, '_, '_>,
) -> WebSearchSettings {
    let at = root.get_path(&["plugins", "entries", "moonshot", "config", "webSearch"]);
    let setting = |key| at.as_ref().and_then(|at| at.get(key));
    let Base { url: base_url, is_own, unusable } =
        base(setting("baseUrl"), setting("apiKey").is_some(), providers, scope);
    let found = match (unusable, setting("apiKey")) {
        // The key is for the host that the user means, not for another one.
        (Some(why), _) => Err(why),
        (None, Some(at)) => configured(&at, &base_url, scope),
        (None, None) => named(&base_url, is_own, providers, scope).map_err(|missing| match missing {
            MissingKey::Unset(why) => why,
            MissingKey::Withheld(why) => {
                if let Some(at) = setting("baseUrl").as_ref().or(at.as_ref()) {
                    scope.warn(at, WarningKind::WithheldKey { reason: why.clone() });
                }
                why
            }
        }),
    };
    let (keys, off) = match found {
        Ok(keys) => (keys, None),
        Err(off) => (Vec::new(), Some(off)),
    };
    let provider = provider_of(&base_url, providers);
    let model = setting("model").and_then(|at| at.as_str()).filter(|model| !model.trim().is_empty());
    let known = model.and_then(|id| builtin_catalog().provider(&provider)?.model(id));
    if let (Some(at), Some(retired)) = (setting("model"), known.and_then(|known| known.retirement.as_ref())) {
        let model = model.unwrap_or_default().to_owned();
        let reference = Reference { provider: provider.clone(), model };
        scope.warn(&at, WarningKind::RetiredModel { reference, retired: retired.clone() });
    }
    let is_wanted = at.is_some() || root.get_path(&["tools", "web", "search", "provider"]).is_some();
    WebSearchSettings {
        is_configured: is_wanted,
        keys,
        disabled_reason: off,
        provider,
        base_url,
        model: model.unwrap_or(MODEL).to_owned(),
        is_model_configured: model.is_some(),
        timeout: setting("timeoutSeconds").and_then(|at| at.as_u64()).map_or(TIMEOUT, Duration::from_secs),
    }
}

/// Where web search sends its requests.
struct Base {
    /// Without a trailing slash.
    url: String,
    /// Whether `webSearch.baseUrl` names it.
    is_own: bool,
    /// Why no key may be sent there.
    unusable: Option<String>,
}

/// `webSearch.baseUrl`, else the base URL of the provider whose key is used.
fn base(
    setting: Option<Cursor<'_>>,
    has_own_key: bool,
    providers: &Providers,
    scope: &mut Scope<'_, '_, '_>,
) -> Base {
    let default = || match default_base(providers, has_own_key) {
        Ok(url) => Base { url, is_own: false, unusable: None },
        Err(why) => Base { url: INTERNATIONAL.to_owned(), is_own: false, unusable: Some(why) },
    };
    let Some(at) = setting else { return default() };
    let clear = ClearText::Refused { what: "the key", fix: "use https://" };
    match endpoint::read(&at, clear, scope) {
        Address::Url(url) => {
            Base { url: url.as_str().trim_end_matches('/').to_owned(), is_own: true, unusable: None }
        }
        Address::Missing(missing) => {
            let unusable = Some(format!("{missing} (its baseUrl)"));
            scope.warn(&at, WarningKind::MissingWebSearch(missing));
            Base { unusable, ..default() }
        }
        Address::None => default(),
    }
}

/// The base URL where none is configured. A key that is borrowed from a provider stays at that provider's base URL; a key
/// of web search itself is for Moonshot's own host.
fn default_base(providers: &Providers, has_own_key: bool) -> Result<String, String> {
    let Some(provider) = near(providers) else { return Ok(INTERNATIONAL.to_owned()) };
    if let Some(base) = native_base(provider) {
        return Ok(base);
    }
    if has_own_key || provider_keys(provider).next().is_none() {
        return Ok(INTERNATIONAL.to_owned());
    }
    let chat = provider.apis.iter().find(|(face, _)| *face == Api::ChatCompletions);
    chat.map(|(_, base)| base.clone()).ok_or_else(|| {
        format!(
            "web search needs the Chat Completions API, which models.providers.{}.baseUrl does not serve. Set {BASE_URL} \
             and {API_KEY}",
            provider.id
        )
    })
}

/// The one key that the user means.
fn configured(
    at: &Cursor<'_>,
    base: &str,
    scope: &mut Scope<'_, '_, '_>,
) -> Result<Vec<ProviderKey>, String> {
    let found = scope.variables.resolve_secret(at);
    let key = found.and_then(|found| keys::for_web_search(at, found, scope));
    let key = key.ok_or_else(|| format!("{API_KEY} has no value"))?;
    if key.is_kimi_code_key() && native(base).is_some() {
        scope.warn(at, WarningKind::KimiCodeKeyForWebSearch { origin: key.origin.clone() });
    }
    Ok(vec![key])
}

/// Why the key is missing.
enum MissingKey {
    /// None is set.
    Unset(String),
    /// There is one, and it belongs to a provider at another host.
    Withheld(String),
}

/// The keys of the environment variables, then those of the provider at the same place, without keys of Kimi Code.
///
/// A key of a configured provider goes to that provider's base URLs only, also where it comes from one of the variables.
fn named(
    base: &str,
    is_own: bool,
    providers: &Providers,
    scope: &Scope<'_, '_, '_>,
) -> Result<Vec<ProviderKey>, MissingKey> {
    let of_names = NAMES.iter().filter_map(|name| {
        let (value, origin) = scope.variables.find_variable(name)?;
        HeaderValue::from_str(&value).ok()?;
        Some(ProviderKey { secret: Secret::new(value), origin })
    });
    let is_there = |provider: &Provider| is_at(provider, base);
    // Other providers at the same address have keys of their own.
    let of_provider = providers.table.values().filter(|provider| is_moonshot_at(provider, base));
    let of_provider = of_provider.flat_map(provider_keys).cloned();
    let mut other_product = None;
    let mut withheld = None;
    let mut keys: Vec<ProviderKey> = Vec::new();
    for key in of_names.chain(of_provider) {
        let has_key = |provider: &&Provider| provider.keys.iter().any(|known| known.secret == key.secret);
        let owners: Vec<&Provider> = providers.table.values().filter(has_key).collect();
        let owner = owners.iter().find(|provider| provider.is_configured);
        if key.is_kimi_code_key() {
            other_product.get_or_insert(key.origin);
        } else if owners.iter().any(|provider| is_there(provider)) {
            if !keys.iter().any(|known| known.secret == key.secret) {
                keys.push(key);
            }
        } else if let Some(owner) = owner {
            withheld.get_or_insert(*owner);
        } else if (is_own || native(base).is_some()) && !keys.iter().any(|known| known.secret == key.secret) {
            keys.push(key);
        }
    }
    if !keys.is_empty() {
        return Ok(keys);
    }
    let lender = near(providers).filter(|lender| lender.is_configured && !is_there(lender));
    let lender = lender.filter(|lender| provider_keys(lender).any(|key| !key.is_kimi_code_key()));
    Err(match (lender.or(withheld), other_product) {
        (Some(owner), _) => MissingKey::Withheld(withheld_key(owner, base, is_own)),
        (None, Some(origin)) => MissingKey::Unset(format!(
            "{origin} begins with sk-kimi-, so it is a key of Kimi Code, which Moonshot's web search does not take. Set \
             MOONSHOT_API_KEY to one from platform.kimi.ai (China: platform.kimi.com), or {API_KEY}"
        )),
        (None, None) => MissingKey::Unset(format!(
            "neither {API_KEY} nor KIMI_API_KEY nor MOONSHOT_API_KEY is set. Set one of them where moonrelay runs"
        )),
    })
}

/// Why the key of a provider is not sent to the base URL of web search, with the fix.
fn withheld_key(owner: &Provider, base: &str, is_own: bool) -> String {
    let id = &owner.id;
    let setting = format!("models.providers.{id}.baseUrl");
    let place = owner.apis.first().map_or("", |(_, base)| base.as_str());
    let shown = if is_own { format!("{BASE_URL} ({base})") } else { base.to_owned() };
    let other = match is_own && owner.adapter == AdapterId::Moonshot {
        true => format!(", or remove {BASE_URL} to search at {place}"),
        false => String::new(),
    };
    format!(
        "the key of provider {id} is only sent to {setting} ({place}), and web search sends its requests to \
         another host, {shown}. Set {API_KEY} to a key for that host{other}"
    )
}

/// The keys of a provider; one that takes no key has none.
fn provider_keys(provider: &Provider) -> impl Iterator<Item = &ProviderKey> {
    provider.keys.iter().filter(|key| !key.secret.expose().is_empty())
}

/// The provider whose account is meant where nothing is said: `moonshot` or the China site's, rather the one that the
/// configuration names, and rather one with a key.
fn near(providers: &Providers) -> Option<&Provider> {
    let both = ["moonshot", "moonshot-cn"].into_iter().filter_map(|id| providers.table.get(id));
    let ours = both.filter(|provider| provider.adapter == AdapterId::Moonshot);
    let standing = |provider: &&Provider| (!provider.keys.is_empty(), provider.is_configured);
    // Of two that stand the same the first.
    ours.rev().max_by_key(standing)
}

/// Base URL of the Chat Completions API at Moonshot's own host if this provider is there, whichever API it
/// prefers.
fn native_base(provider: &Provider) -> Option<String> {
    provider.apis.iter().find_map(|(_, base)| native(base))
}

/// Base URL of the Chat Completions API at the Moonshot host of a URL.
fn native(base: &str) -> Option<String> {
    let url = Url::parse(base).ok()?;
    let known = endpoint::catalog_of(&url).filter(|known| known.adapter == AdapterId::Moonshot)?;
    let faces = known.base_urls_at_host(url.host_str()?);
    faces.into_iter().find(|(face, _)| *face == Api::ChatCompletions).map(|(_, base)| base)
}

/// Scheme, host and port.
fn place_of(base: &str) -> Option<url::Origin> {
    Url::parse(base).ok().map(|url| url.origin())
}

/// Whether one of a provider's base URLs has the scheme, host and port of this one.
fn is_at(provider: &Provider, base: &str) -> bool {
    let place = place_of(base);
    provider.apis.iter().any(|(_, base)| place_of(base) == place)
}

fn is_moonshot_at(provider: &Provider, base: &str) -> bool {
    provider.adapter == AdapterId::Moonshot && is_at(provider, base)
}

/// The provider whose prices apply at a base URL.
fn provider_of(base: &str, providers: &Providers) -> String {
    let configured = ["moonshot", "moonshot-cn"].iter().filter_map(|id| providers.table.get(*id));
    if let Some(configured) = configured.into_iter().find(|provider| is_moonshot_at(provider, base)) {
        return configured.id.clone();
    }
    let host = Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned));
    let known = host.and_then(|host| builtin_catalog().find_by_host(&host));
    known
        .filter(|known| known.adapter == AdapterId::Moonshot)
        .map_or("moonshot", |known| &known.id)
        .to_owned()
}
