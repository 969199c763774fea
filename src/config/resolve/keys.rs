//! Keys and headers of a provider.

use http::{HeaderName, HeaderValue};

use super::Scope;
use crate::config::file::{Cursor, NodeValue};
use crate::config::interpolate::SecretLookup;
use crate::config::settings::{Header, Missing, ProviderKey, WarningKind};

/// Headers that belong to the connection or the body, not to the configuration.
const OURS: [&str; 9] = [
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

/// What was found, and the first thing that is missing.
pub(super) struct Gathered<T> {
    pub(super) found: Vec<T>,
    pub(super) missing: Option<Missing>,
}

/// Reads `apiKey`: one, or a list.
pub(super) fn from_setting(
    at: &Cursor<'_>,
    id: &str,
    scope: &mut Scope<'_, '_, '_>,
) -> Gathered<ProviderKey> {
    let places = if matches!(at.node.value, NodeValue::List(_)) { at.elements() } else { vec![at.clone()] };
    let mut keys = Vec::new();
    let mut missing = Vec::new();
    for place in places {
        match scope.variables.resolve_secret(&place) {
            Some(SecretLookup::Resolved(secret, origin))
                if HeaderValue::from_str(secret.expose()).is_ok() =>
            {
                keys.push(ProviderKey { secret, origin });
            }
            Some(SecretLookup::Resolved(_, origin)) => missing.push((place, Missing::InvalidKey(origin))),
            Some(SecretLookup::Missing(what)) => missing.push((place, what)),
            None => {}
        }
    }
    for (place, missing) in &missing {
        let kind = WarningKind::MissingKey {
            provider: id.to_owned(),
            missing: missing.clone(),
            has_other_keys: !keys.is_empty(),
        };
        scope.warn(place, kind);
    }
    Gathered { found: keys, missing: missing.into_iter().next().map(|(_, missing)| missing) }
}

/// The key of the web search.
pub(super) fn for_web_search(
    at: &Cursor<'_>,
    found: SecretLookup,
    scope: &mut Scope<'_, '_, '_>,
) -> Option<ProviderKey> {
    let missing = match found {
        SecretLookup::Resolved(secret, origin) if HeaderValue::from_str(secret.expose()).is_ok() => {
            return Some(ProviderKey { secret, origin });
        }
        SecretLookup::Resolved(_, origin) => Missing::InvalidKey(origin),
        SecretLookup::Missing(missing) => missing,
    };
    scope.warn(at, WarningKind::MissingWebSearch(missing));
    None
}

/// The first of the catalog's names that is set.
pub(super) fn from_names(names: &[String], scope: &Scope<'_, '_, '_>) -> Gathered<ProviderKey> {
    let found = names.iter().find_map(|name| scope.variables.find_variable(name));
    let usable = found.filter(|(value, _)| HeaderValue::from_str(value).is_ok());
    match usable {
        Some((value, origin)) => {
            let key = ProviderKey { secret: crate::secret::Secret::new(value), origin };
            Gathered { found: vec![key], missing: None }
        }
        None => Gathered { found: Vec::new(), missing: Some(Missing::Variables(names.to_vec())) },
    }
}

/// Reads `headers`.
pub(super) fn headers(at: Option<&Cursor<'_>>, id: &str, scope: &mut Scope<'_, '_, '_>) -> Gathered<Header> {
    let mut headers: Vec<Header> = Vec::new();
    let mut missing = None;
    for (key, place) in at.map(Cursor::members).unwrap_or_default() {
        let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
            scope.wrong(&place, format!("\"{key}\" is not the name of a header"));
            continue;
        };
        if OURS.contains(&name.as_str()) {
            scope.wrong(&place, format!("{name} is set for each request and cannot be configured"));
            continue;
        }
        if headers.iter().any(|header| header.name == name) {
            scope.wrong(&place, format!("the header {name} stands here twice: remove one"));
            continue;
        }
        match scope.variables.resolve_secret(&place) {
            Some(SecretLookup::Resolved(value, _)) if HeaderValue::from_str(value.expose()).is_ok() => {
                headers.push(Header { name, value });
            }
            Some(SecretLookup::Resolved(..)) => {
                scope.wrong(&place, "the value holds characters that no HTTP header can carry");
            }
            Some(SecretLookup::Missing(what)) => {
                let provider = id.to_owned();
                scope.warn(&place, WarningKind::MissingHeader { provider, missing: what.clone() });
                missing.get_or_insert(what);
            }
            None => {}
        }
    }
    Gathered { found: headers, missing }
}
