//! Base URLs, and the faces behind them.

use url::{Host, Url};

use super::Scope;
use crate::catalog::{BuiltinProvider, Face, builtin};
use crate::config::file::At;

/// Reads a URL that is called; says what is wrong with it. Messages show it as written, before any `${VAR}`.
pub(super) fn read(at: &At<'_>, allow_insecure: bool, scope: &mut Scope<'_, '_, '_>) -> Option<Url> {
    let written = at.text()?;
    if written.trim().is_empty() {
        return None;
    }
    let (text, _) = match scope.variables.interpolate(written) {
        Ok(text) => text,
        Err(name) => {
            scope.warn(at, format!("{name} is not set or empty"));
            return None;
        }
    };
    match check(&text, allow_insecure) {
        Ok(url) => Some(url),
        Err(Wrong { why, shown }) => {
            let message = if shown { format!("\"{written}\" {why}") } else { why };
            scope.wrong(at, message);
            None
        }
    }
}

struct Wrong {
    why: String,
    shown: bool,
}

fn check(text: &str, allow_insecure: bool) -> Result<Url, Wrong> {
    let wrong = |why: String| Err(Wrong { why, shown: true });
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return wrong("is not a URL: it needs https:// before it".to_owned());
        }
        Err(error) => return wrong(format!("is not a URL: {error}")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        let why = "the URL holds a name or a password: put the key into `apiKey`".to_owned();
        return Err(Wrong { why, shown: false });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("has a query or a fragment: paths are added at its end".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_insecure || is_loopback(&url) => Ok(url),
        "http" => wrong(
            "sends the key in clear text to another machine: use https://, or set allowInsecure: true"
                .to_owned(),
        ),
        other => wrong(format!("has the scheme {other}: use https://")),
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

/// The catalog's provider whose host this is; only its own port and scheme count.
pub(super) fn catalog_of(url: &Url) -> Option<&'static BuiltinProvider> {
    if url.scheme() != "https" || url.port().is_some() {
        return None;
    }
    builtin().by_host(url.host_str()?)
}

/// The faces behind a base URL, the preferred one first: on a host of the catalog every documented one, else only the
/// one that the user names.
pub(super) fn faces(url: &Url, api: Option<Face>) -> Vec<(Face, String)> {
    let path = url.path().trim_end_matches('/');
    if let (Some(known), Some(host)) = (catalog_of(url), url.host_str()) {
        let faces = known.faces_at(host);
        let is_documented = |base: &String| {
            let documented = base.splitn(4, '/').nth(3).map_or_else(String::new, |path| format!("/{path}"));
            path == documented || Some(path) == documented.strip_suffix("/v1")
        };
        if faces.iter().any(|(_, base)| is_documented(base)) {
            return preferring(api, faces);
        }
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    let face = api.unwrap_or(Face::Chat);
    // Bases of the Messages face are commonly written without the version that its paths have.
    let base = if face == Face::Messages && !path.ends_with("/v1") { format!("{base}/v1") } else { base };
    vec![(face, base)]
}

/// The same faces, the preferred one first.
pub(super) fn preferring(api: Option<Face>, mut faces: Vec<(Face, String)>) -> Vec<(Face, String)> {
    if let Some(at) = faces.iter().position(|(face, _)| Some(*face) == api) {
        let preferred = faces.remove(at);
        faces.insert(0, preferred);
    }
    faces
}
