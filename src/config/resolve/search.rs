//! Kimi's web search: `plugins.entries.moonshot.config.webSearch`, with defaults from the providers.

use std::time::Duration;

use url::Url;

use super::credentials::{key_of_variable, resolve_key};
use super::endpoint;
use super::scope::{Providers, Scope};
use crate::catalog::{AdapterId, builtin_catalog};
use crate::config::keypath::KeyPath;
use crate::config::keys::{ConfigFile, SecretSetting};
use crate::config::settings::{Provider, ProviderKey, Reference, WarningKind, WebSearchSettings};
use crate::protocol::api::Api;

/// `OpenClaw`'s default model, and the cheapest of the platform.
const DEFAULT_MODEL: &str = "kimi-k2.6";

/// `OpenClaw`'s timeout for one request to the model.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Variables of the key if none is configured.
const KEY_VARIABLES: [&str; 2] = ["KIMI_API_KEY", "MOONSHOT_API_KEY"];

const DEFAULT_BASE_URL: &str = "https://api.moonshot.ai/v1";

const SECTION: [&str; 5] = ["plugins", "entries", "moonshot", "config", "webSearch"];

/// The settings that messages name.
const BASE_URL: &str = "plugins.entries.moonshot.config.webSearch.baseUrl";
const API_KEY: &str = "plugins.entries.moonshot.config.webSearch.apiKey";

pub(super) fn resolve_web_search(
    file: &ConfigFile,
    providers: &Providers,
    scope: &mut Scope,
) -> WebSearchSettings {
    let section = file.plugins.entries.moonshot.config.web_search.as_ref();
    let path = KeyPath::from_keys(&SECTION);
    let api_key = section.and_then(|section| section.api_key.as_ref());
    let written_url = section.and_then(|section| section.base_url.as_deref());
    let own_base = written_url.map(|written| {
        let refusal = Some("sends the key in clear text to another machine: use https://");
        let path = path.join_key("baseUrl");
        endpoint::read(&path, written, refusal, WarningKind::MissingWebSearch, scope)
    });
    let is_own = matches!(own_base, Some(Ok(_)));
    let (base_url, unusable) = match own_base {
        Some(Ok(url)) => (url.as_str().trim_end_matches('/').to_owned(), None),
        own_base => {
            let default = default_base(providers, api_key.is_some());
            let base = default.clone().unwrap_or_else(|_| DEFAULT_BASE_URL.to_owned());
            (base, own_base.and_then(Result::err).or(default.err()))
        }
    };
    let keys = match (unusable, api_key) {
        // The key is for the host that the user means, not for another one.
        (Some(reason), _) => Err(reason),
        (None, Some(setting)) => configured_key(setting, &base_url, scope),
        (None, None) => {
            let named = if is_own { path.join_key("baseUrl") } else { path.clone() };
            find_keys(&base_url, is_own, providers, section.map(|_| &named), scope)
        }
    };
    let provider = provider_at(&base_url, providers);
    let model = section.and_then(|section| section.model.clone());
    let known = model.as_ref().and_then(|id| builtin_catalog().provider(&provider)?.model(id));
    if let Some((known, retired)) = known.and_then(|known| Some((known, known.retirement.clone()?))) {
        let reference = Reference { provider: provider.clone(), model: known.id.clone() };
        scope.warn(&path.join_key("model"), WarningKind::RetiredModel { reference, retired });
    }
    let timeout = section.and_then(|section| section.timeout_seconds);
    WebSearchSettings {
        is_configured: section.is_some() || file.tools.web.search.provider.is_some(),
        disabled_reason: keys.as_ref().err().cloned(),
        keys: keys.unwrap_or_default(),
        provider,
        base_url,
        is_model_configured: model.is_some(),
        model: model.unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
        timeout: timeout.map_or(DEFAULT_TIMEOUT, |timeout| Duration::from_secs(timeout.0)),
    }
}

/// The base URL where none is configured. A key that is borrowed from a provider stays at that provider's base URL; a key
/// of web search itself is for Moonshot's own host.
fn default_base(providers: &Providers, has_own_key: bool) -> Result<String, String> {
    let Some(provider) = preferred_account(providers) else { return Ok(DEFAULT_BASE_URL.to_owned()) };
    // Moonshot's own host, whichever API the provider prefers.
    if let Some(base) = provider.apis.iter().find_map(|(_, base)| moonshot_chat_base(base)) {
        return Ok(base);
    }
    if has_own_key || provider_keys(provider).next().is_none() {
        return Ok(DEFAULT_BASE_URL.to_owned());
    }
    let chat = provider.apis.iter().find(|(api, _)| *api == Api::ChatCompletions);
    chat.map(|(_, base)| base.clone()).ok_or_else(|| {
        format!(
            "web search needs the Chat Completions API, which models.providers.{}.baseUrl does not serve. Set {BASE_URL} \
             and {API_KEY}",
            provider.id
        )
    })
}

/// The key that `webSearch.apiKey` sets.
fn configured_key(
    setting: &SecretSetting,
    base: &str,
    scope: &mut Scope,
) -> Result<Vec<ProviderKey>, String> {
    let path = KeyPath::from_keys(&SECTION).join_key("apiKey");
    match resolve_key(setting, scope) {
        Ok(key) => {
            if key.is_kimi_code_key() && moonshot_chat_base(base).is_some() {
                let message = format!(
                    "{} begins with sk-kimi-, so it is a key of Kimi Code, which Moonshot's platform rejects: web \
                     search needs one from platform.kimi.ai (China: platform.kimi.com)",
                    key.origin
                );
                scope.warn_other(&path, "kimi_code_key_for_web_search", message);
            }
            Ok(vec![key])
        }
        Err(missing) => {
            scope.warn(&path, WarningKind::MissingWebSearch(missing));
            Err(format!("{API_KEY} has no value"))
        }
    }
}

/// The keys of the environment variables, then those of the provider at the same place, without keys of Kimi Code.
///
/// A key of a configured provider goes to that provider's base URLs only, also where it comes from one of the variables. A key
/// that is withheld for this is reported at `warning_path`.
fn find_keys(
    base: &str,
    is_own: bool,
    providers: &Providers,
    warning_path: Option<&KeyPath>,
    scope: &mut Scope,
) -> Result<Vec<ProviderKey>, String> {
    let of_variables = KEY_VARIABLES.iter().filter_map(|name| key_of_variable(name, scope));
    // Other providers at the same address have keys of their own.
    let of_provider = providers.values().filter(|provider| is_moonshot_at(provider, base));
    let of_provider = of_provider.flat_map(|provider| provider_keys(provider)).cloned();
    let mut other_product = None;
    let mut withheld = None;
    let mut keys: Vec<ProviderKey> = Vec::new();
    for key in of_variables.chain(of_provider) {
        let has_key = |provider: &&Provider| provider.keys.iter().any(|known| known.secret == key.secret);
        let owners: Vec<&Provider> = providers.values().map(AsRef::as_ref).filter(has_key).collect();
        let owner = owners.iter().find(|provider| provider.is_configured);
        if key.is_kimi_code_key() {
            other_product.get_or_insert(key.origin);
        } else if keys.iter().any(|known| known.secret == key.secret) {
            // It is a provider's and a variable's.
        } else if owners.iter().any(|provider| is_at(provider, base)) {
            keys.push(key);
        } else if let Some(owner) = owner {
            withheld.get_or_insert(*owner);
        } else if is_own || moonshot_chat_base(base).is_some() {
            keys.push(key);
        }
    }
    if !keys.is_empty() {
        return Ok(keys);
    }
    let account =
        preferred_account(providers).filter(|account| account.is_configured && !is_at(account, base));
    let account = account.filter(|account| provider_keys(account).any(|key| !key.is_kimi_code_key()));
    Err(match (account.or(withheld), other_product) {
        (Some(owner), _) => {
            let reason = withheld_key_message(owner, base, is_own);
            if let Some(path) = warning_path {
                scope.warn_other(path, "withheld_key", format!("web search is disabled: {reason}"));
            }
            reason
        }
        (None, Some(origin)) => format!(
            "{origin} begins with sk-kimi-, so it is a key of Kimi Code, which Moonshot's web search does not accept. Set \
             MOONSHOT_API_KEY to one from platform.kimi.ai (China: platform.kimi.com), or {API_KEY}"
        ),
        (None, None) => format!(
            "neither {API_KEY} nor KIMI_API_KEY nor MOONSHOT_API_KEY is set. Set one of them where moonrelay runs"
        ),
    })
}

/// Why the key of a provider is not sent to the base URL of web search, with the fix.
fn withheld_key_message(owner: &Provider, base: &str, is_own: bool) -> String {
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

/// The keys of a provider, without the empty one of a provider that needs none.
fn provider_keys(provider: &Provider) -> impl Iterator<Item = &ProviderKey> {
    provider.keys.iter().filter(|key| !key.secret.expose().is_empty())
}

/// The provider whose account is used by default: `moonshot` or that of the China site, preferably one with a key,
/// then one that the file configures, then the first.
fn preferred_account(providers: &Providers) -> Option<&Provider> {
    let both = ["moonshot-cn", "moonshot"].into_iter().filter_map(|id| providers.get(id));
    let known = both.map(AsRef::as_ref).filter(|provider| provider.adapter == AdapterId::Moonshot);
    known.max_by_key(|provider| (!provider.keys.is_empty(), provider.is_configured))
}

/// Base URL of the Chat Completions API at the Moonshot host of a URL.
fn moonshot_chat_base(base: &str) -> Option<String> {
    let url = Url::parse(base).ok()?;
    let known = endpoint::catalog_provider_at(&url).filter(|known| known.adapter == AdapterId::Moonshot)?;
    let apis = known.base_urls_at_host(url.host_str()?);
    apis.into_iter().find(|(api, _)| *api == Api::ChatCompletions).map(|(_, base)| base)
}

/// Whether one of a provider's base URLs has the scheme, host and port of this one.
fn is_at(provider: &Provider, base: &str) -> bool {
    let origin_of = |base: &str| Url::parse(base).ok().map(|url| url.origin());
    let origin = origin_of(base);
    provider.apis.iter().any(|(_, base)| origin_of(base) == origin)
}

fn is_moonshot_at(provider: &Provider, base: &str) -> bool {
    provider.adapter == AdapterId::Moonshot && is_at(provider, base)
}

/// The provider whose prices apply at a base URL.
fn provider_at(base: &str, providers: &Providers) -> String {
    let both = ["moonshot", "moonshot-cn"].into_iter().filter_map(|id| providers.get(id));
    if let Some(known) = both.into_iter().find(|provider| is_moonshot_at(provider, base)) {
        return known.id.clone();
    }
    let known = Url::parse(base).ok().and_then(|url| endpoint::catalog_provider_of_host(&url));
    let known = known.filter(|known| known.adapter == AdapterId::Moonshot);
    known.map_or("moonshot", |known| &known.id).to_owned()
}
