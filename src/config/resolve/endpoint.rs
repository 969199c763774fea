//! Base URLs and their API formats.

use url::{Host, Url};

use super::Scope;
use crate::catalog::{BuiltinProvider, builtin_catalog};
use crate::config::file::Cursor;
use crate::config::schema::redact_url;
use crate::config::settings::Missing;
use crate::protocol::api::Api;

/// What a URL in the file comes to.
pub(super) enum Address {
    /// It can be called.
    Url(Url),
    /// A variable in it is not available. The caller warns, as it knows the effect.
    Missing(Missing),
    /// It is empty, or wrong, which was reported.
    None,
}

/// Whether a URL may be plain http to another machine.
#[derive(Clone, Copy)]
pub(super) enum ClearText {
    /// The user allows it.
    Allowed,
    /// It would send this, and the fix is that.
    Refused {
        /// What would be sent: `the key`.
        what: &'static str,
        /// What to do instead.
        fix: &'static str,
    },
}

/// Reads the URL of an endpoint; the error describes what is wrong with it. Messages show it as written, before
/// any `${VAR}` is replaced, and without what may be a key.
pub(super) fn read(at: &Cursor<'_>, clear: ClearText, scope: &mut Scope<'_, '_, '_>) -> Address {
    let Some(written) = at.as_str().filter(|written| !written.trim().is_empty()) else {
        return Address::None;
    };
    let text = match scope.variables.interpolate(written) {
        Ok((text, _)) => text,
        Err(name) => return Address::Missing(Missing::variable(&name)),
    };
    match check(&text, clear) {
        Ok(url) => Address::Url(url),
        Err(Wrong { why, shown }) => {
            let message = if shown { format!("\"{}\" {why}", redact_url(written)) } else { why };
            scope.wrong(at, message);
            Address::None
        }
    }
}

struct Wrong {
    why: String,
    shown: bool,
}

fn check(text: &str, clear: ClearText) -> Result<Url, Wrong> {
    let wrong = |why: String| Err(Wrong { why, shown: true });
    // The text before the first colon of `localhost:8000/v1` is not a scheme.
    if !text.contains("://") {
        return wrong("is not a URL: it needs https:// before it".to_owned());
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return wrong("is not a URL: it needs https:// before it".to_owned());
        }
        Err(error) => return wrong(format!("is not a URL: {error}")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        let why = "the URL holds a name or a password: leave them out (a provider's key stands in `apiKey`)";
        let why = why.to_owned();
        return Err(Wrong { why, shown: false });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("has a query or a fragment: paths are added at its end".to_owned());
    }
    match (url.scheme(), clear) {
        ("https", _) => Ok(url),
        ("http", ClearText::Allowed) => Ok(url),
        ("http", ClearText::Refused { .. }) if is_loopback(&url) => Ok(url),
        ("http", ClearText::Refused { what, fix }) => {
            wrong(format!("sends {what} in clear text to another machine: {fix}"))
        }
        (other, _) => wrong(format!("has the scheme {other}: use https://")),
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

/// The catalog's provider whose host this is, whatever port and scheme: the peculiarities are the same behind a
/// tunnel.
pub(super) fn host_of(url: &Url) -> Option<&'static BuiltinProvider> {
    builtin_catalog().find_by_host(url.host_str()?)
}

/// The catalog provider at this URL. Its APIs, models and prices apply to its own port and scheme only.
pub(super) fn catalog_of(url: &Url) -> Option<&'static BuiltinProvider> {
    host_of(url).filter(|_| url.scheme() == "https" && url.port().is_none())
}

/// The APIs behind a base URL, the preferred one first. On a host of the catalog, every documented API.
/// Elsewhere only the API that the user names. If the user names none and the id is that of `known`, the APIs
/// of a mirror of it.
pub(super) fn faces(url: &Url, api: Option<Api>, known: Option<&BuiltinProvider>) -> Vec<(Api, String)> {
    let path = url.path().trim_end_matches('/');
    if let (Some(known), Some(host)) = (catalog_of(url), url.host_str()) {
        let faces = known.base_urls_at_host(host);
        let is_documented = |base: &String| {
            let documented = path_of(base);
            path == documented || Some(path) == documented.strip_suffix("/v1")
        };
        if faces.iter().any(|(_, base)| is_documented(base)) {
            return preferring(api, faces);
        }
    } else if let (Some(known), None) = (known, api)
        && let Some(faces) = mirrored(url, known)
    {
        return faces;
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    let face = api.unwrap_or(Api::ChatCompletions);
    // Base URLs of the Messages API are commonly written without the version that its paths have.
    let base = if face == Api::Messages && !path.ends_with("/v1") { format!("{base}/v1") } else { base };
    vec![(face, base)]
}

/// The APIs of a catalog provider behind a tunnel, a cache or a simulator. The paths are those of its own host,
/// below the prefix before the documented path that this URL ends with. `None` if the URL ends with no
/// documented path.
fn mirrored(url: &Url, known: &BuiltinProvider) -> Option<Vec<(Api, String)>> {
    let base = url.as_str().trim_end_matches('/');
    let documented = known.base_urls.iter().map(|(_, base)| path_of(base)).filter(|path| path.len() > 1);
    // `/anthropic/v1` ends with `/v1` too: the longest one is meant.
    let root = documented.filter_map(|path| base.strip_suffix(path)).min_by_key(|root| root.len())?;
    Some(known.base_urls.iter().map(|(face, base)| (*face, format!("{root}{}", path_of(base)))).collect())
}

/// The path of a catalog's base URL, with its leading slash.
fn path_of(base: &str) -> &str {
    let host = base.find("://").map_or(0, |at| at + "://".len());
    let host = base.get(host..).unwrap_or_default();
    host.find('/').and_then(|at| host.get(at..)).unwrap_or_default()
}

/// The same APIs, the preferred one first.
pub(super) fn preferring(api: Option<Api>, mut faces: Vec<(Api, String)>) -> Vec<(Api, String)> {
    if let Some(at) = faces.iter().position(|(face, _)| Some(*face) == api) {
        let preferred = faces.remove(at);
        faces.insert(0, preferred);
    }
    faces
}
