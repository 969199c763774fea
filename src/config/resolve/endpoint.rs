//! Base URLs, and the APIs behind them.

use url::{Host, Url};

use super::scope::Scope;
use crate::catalog::{BuiltinProvider, builtin_catalog};
use crate::config::keypath::KeyPath;
use crate::config::redact::redact_url;
use crate::config::settings::{Missing, WarningKind};
use crate::protocol::api::Api;

/// Reads a URL. Messages show it as written, before any `${VAR}` is replaced, and without what may be a key. `refusal`
/// says why it must not be plain http to another machine; `None` allows it.
///
/// The error is the reason for what needs the URL. It was reported: a missing variable as `kind`.
pub(super) fn read(
    path: &KeyPath,
    written: &str,
    refusal: Option<&str>,
    kind: impl FnOnce(Missing) -> WarningKind,
    scope: &mut Scope,
) -> Result<Url, String> {
    let (text, _) = scope.variables.interpolate(written).map_err(|missing| {
        let reason = format!("{missing} (its baseUrl)");
        scope.warn(path, kind(missing));
        reason
    })?;
    check(&text, refusal).map_err(|reason| {
        scope.error(path, format!("\"{}\" {reason}", redact_url(written)));
        "its baseUrl is invalid".to_owned()
    })
}

fn check(text: &str, refusal: Option<&str>) -> Result<Url, String> {
    // The text before the first colon of `localhost:8000/v1` is not a scheme.
    let url = match Url::parse(text) {
        Ok(url) if text.contains("://") => url,
        Err(error) if text.contains("://") && error != url::ParseError::RelativeUrlWithoutBase => {
            return Err(format!("is not a URL: {error}"));
        }
        _ => return Err("is not a URL: it must start with https://".to_owned()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        let reason = "contains a name or a password: remove them (a provider's key belongs in `apiKey`)";
        return Err(reason.to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment, but paths are appended to it: remove it".to_owned());
    }
    match (url.scheme(), refusal) {
        ("https", _) | ("http", None) => Ok(url),
        ("http", Some(_)) if is_loopback(&url) => Ok(url),
        ("http", Some(refusal)) => Err(refusal.to_owned()),
        (other, _) => Err(format!("has the scheme {other}: use https://")),
    }
}

/// Whether a URL's host is this machine.
pub(in crate::config) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// The catalog's provider with this host, at any port and scheme: its rules also apply behind a tunnel.
pub(super) fn catalog_provider_of_host(url: &Url) -> Option<&'static BuiltinProvider> {
    builtin_catalog().find_by_host(url.host_str()?)
}

/// The catalog's provider at this URL. Its APIs, models and prices apply to its own port and scheme only.
pub(super) fn catalog_provider_at(url: &Url) -> Option<&'static BuiltinProvider> {
    catalog_provider_of_host(url).filter(|_| url.scheme() == "https" && url.port().is_none())
}

/// The APIs behind a base URL, the preferred one first. On a host of the catalog every documented API; elsewhere
/// only the API that the user names. If the user names none and the id is that of `known`, the APIs of a mirror.
pub(super) fn apis_at(url: &Url, api: Option<Api>, known: Option<&BuiltinProvider>) -> Vec<(Api, String)> {
    let path = url.path().trim_end_matches('/');
    if let (Some(known), Some(host)) = (catalog_provider_at(url), url.host_str()) {
        let apis = known.base_urls_at_host(host);
        let is_documented = |base: &String| {
            let documented = path_of(base);
            path == documented || Some(path) == documented.strip_suffix("/v1")
        };
        if apis.iter().any(|(_, base)| is_documented(base)) {
            return with_preferred(api, apis);
        }
    } else if let (Some(known), None) = (known, api)
        && let Some(apis) = mirrored_apis(url, known)
    {
        return apis;
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    let api = api.unwrap_or(Api::ChatCompletions);
    // Base URLs of the Messages API are commonly written without the version that its paths have.
    let base = if api == Api::Messages && !path.ends_with("/v1") { format!("{base}/v1") } else { base };
    vec![(api, base)]
}

/// The APIs of a catalog provider behind a tunnel, a cache or a simulator: the paths of its own host, below the
/// prefix of this URL. `None` if the URL does not end with a documented path.
fn mirrored_apis(url: &Url, known: &BuiltinProvider) -> Option<Vec<(Api, String)>> {
    let base = url.as_str().trim_end_matches('/');
    let documented = known.base_urls.iter().map(|(_, base)| path_of(base)).filter(|path| path.len() > 1);
    // `/anthropic/v1` ends with `/v1` too: the longest path counts.
    let prefix = documented.filter_map(|path| base.strip_suffix(path)).min_by_key(|prefix| prefix.len())?;
    Some(known.base_urls.iter().map(|(api, base)| (*api, format!("{prefix}{}", path_of(base)))).collect())
}

/// The path of a base URL, with its leading slash.
fn path_of(base: &str) -> &str {
    let host = base.split_once("://").map_or("", |(_, host)| host);
    host.find('/').and_then(|at| host.get(at..)).unwrap_or_default()
}

/// The same APIs, the preferred one first.
pub(super) fn with_preferred(preferred: Option<Api>, mut apis: Vec<(Api, String)>) -> Vec<(Api, String)> {
    if let Some(at) = apis.iter().position(|(api, _)| Some(*api) == preferred) {
        apis[..=at].rotate_right(1);
    }
    apis
}
