//! Who may send a request: the check of its origin, and of the client token.
//!
//! A web site must not reach a gateway on loopback (cross-site requests, DNS rebinding).

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The client whose token the request carries: `Authorization: Bearer` or `x-api-key`. `None` when no token
/// matches. Every token is compared, each in constant time, so that the time reveals nothing.
pub(super) fn authenticate<'t>(headers: &HeaderMap, tokens: &'t [(String, Secret)]) -> Option<&'t str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let key = headers.get(API_KEY).and_then(|value| value.to_str().ok());
    let mut found = None;
    for given in [bearer, key].into_iter().flatten() {
        for (name, token) in tokens {
            if bool::from(token.expose().as_bytes().ct_eq(given.as_bytes())) {
                found = Some(name.as_str());
            }
        }
    }
    found
}

const FETCH_SITE_HEADER: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request may not be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OriginError {
    /// The request does not name its host exactly once and clearly (RFC 9112, 3.2: 400).
    InvalidHost(&'static str),
    /// The request is for another host, or comes from a page that is not the gateway's.
    Forbidden(String),
}

/// Whether the request may be served. A page cannot reach a UNIX socket, whose clients send any host (`by_name`
/// is false there).
pub(super) fn check_origin(
    uri: &Uri,
    headers: &HeaderMap,
    by_name: bool,
    hostname: Option<&str>,
) -> Result<(), OriginError> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(OriginError::InvalidHost("a request must have exactly one Host"));
    };
    let host = host.to_str().unwrap_or_default();
    let host_name = parse_host_name(host).ok_or(OriginError::InvalidHost("the Host is not a valid host"))?;
    // RFC 9112, 3.2.2: the host in the request target takes precedence. A legitimate client sends the same in
    // both.
    for name in uri.authority().map(Authority::host).into_iter().chain([host_name]) {
        if by_name && !is_own_name(name, hostname) {
            let message = format!("{name:?} is not a name of this gateway; use 127.0.0.1 or localhost");
            return Err(OriginError::Forbidden(message));
        }
    }
    let own_site =
        headers.get_all(FETCH_SITE_HEADER).iter().all(|site| site == "same-origin" || site == "none");
    let own_page = headers.get_all(ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, page)| page.eq_ignore_ascii_case(host))
    });
    if own_site && own_page {
        Ok(())
    } else {
        Err(OriginError::Forbidden("browser pages of another origin are rejected".to_owned()))
    }
}

/// The name in `host` or `host:port`.
fn parse_host_name(text: &str) -> Option<&str> {
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    let authority: Authority = text.parse().ok()?;
    let (name, after) = text.split_at_checked(authority.host().len())?;
    if name != authority.host() {
        return None;
    }
    let port = after.strip_prefix(':');
    ((after.is_empty() || port.is_some()) && port.is_none_or(is_port)).then_some(name)
}

/// An address as host is safe: only a name can be rebound.
fn is_own_name(name: &str, hostname: Option<&str>) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let name = bare.unwrap_or_else(|| name.strip_suffix('.').unwrap_or(name));
    if name.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.strip_suffix(".localhost").is_some_and(|below| !below.is_empty())
        || hostname.is_some_and(|own| {
            let own = own.to_ascii_lowercase();
            name == own || name.strip_suffix(".local") == Some(&own)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_in_either_header_identifies_its_client() {
        let tokens = [
            ("claude".to_owned(), Secret::new("one".to_owned())),
            ("codex".to_owned(), Secret::new("two".to_owned())),
        ];
        let find = |name: &'static str, value: &str| {
            let headers: HeaderMap =
                [(http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect();
            authenticate(&headers, &tokens).map(str::to_owned)
        };
        assert_eq!(find("authorization", "Bearer two").as_deref(), Some("codex"));
        assert_eq!(find("authorization", "bearer one").as_deref(), Some("claude"));
        assert_eq!(find("x-api-key", "one").as_deref(), Some("claude"));
        assert_eq!(find("authorization", "Basic one"), None);
        assert_eq!(find("x-api-key", "three"), None);
        assert_eq!(authenticate(&HeaderMap::new(), &tokens), None);
    }

    fn check(uri: &'static str, pairs: &[(&'static str, &str)]) -> Result<(), OriginError> {
        let headers =
            pairs.iter().map(|&(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        check_origin(&Uri::from_static(uri), &headers.collect(), true, Some("Desk"))
    }

    fn host(host: &str) -> Result<(), OriginError> {
        check("/", &[("host", host)])
    }

    #[test]
    fn own_names_are_accepted() {
        let own = "127.0.0.1:1969 127.0.0.1 localhost:1969 [::1]:1969 [::1] localhost LocalHost:1969 localhost.:1969 \
                    moon.localhost:1969 a.b.localhost. desk DESK:80 desk.local:1969 10.0.0.2 [2001:db8::7]:9 localhost:";
        for name in own.split_whitespace() {
            assert_eq!(host(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_can_be_rebound_are_rejected() {
        let foreign = "evil.example:1969 localhost.evil.example 127.0.0.1.evil.example localhost.evil localhost.. \
                       .localhost 2130706433 0x7f.1 127.1 desk.evil.example";
        for name in foreign.split_whitespace() {
            assert!(matches!(host(name), Err(OriginError::Forbidden(_))), "{name}: {:?}", host(name));
        }
    }

    #[test]
    fn invalid_or_repeated_host_is_rejected() {
        for name in
            ["", "a b", "me@localhost", "localhost:99999", "localhost:x", "[::1", "[::1]x:1", "::1", "a/b"]
        {
            assert!(matches!(host(name), Err(OriginError::InvalidHost(_))), "{name}: {:?}", host(name));
        }
        assert!(matches!(check("/", &[]), Err(OriginError::InvalidHost(_))));
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert!(matches!(check("/", &twice), Err(OriginError::InvalidHost(_))));
    }

    #[test]
    fn absolute_target_must_name_the_gateway() {
        let host = [("host", "localhost:1969")];
        assert_eq!(check("http://127.0.0.1:1969/v1/models", &host), Ok(()));
        assert!(matches!(check("http://evil.example/v1/models", &host), Err(OriginError::Forbidden(_))));
        let host = [("host", "127.0.0.1:1969")];
        assert!(matches!(check("http://evil.example/v1/models", &host), Err(OriginError::Forbidden(_))));
        let foreign = [("host", "evil.example")];
        assert!(matches!(check("http://localhost:1969/", &foreign), Err(OriginError::Forbidden(_))));
    }

    #[test]
    fn pages_of_other_origins_are_rejected() {
        let from = |name, value| check("/", &[("host", "localhost:1969"), (name, value)]);
        assert_eq!(from("origin", "http://localhost:1969"), Ok(()));
        assert_eq!(from("sec-fetch-mode", "cors"), Ok(()));
        assert_eq!(from("sec-fetch-site", "none"), Ok(()));
        for origin in ["https://evil.example", "http://localhost:3000", "http://localhost", "null", ""] {
            assert!(matches!(from("origin", origin), Err(OriginError::Forbidden(_))), "{origin}");
        }
        for site in ["cross-site", "same-site", "anything"] {
            assert!(matches!(from("sec-fetch-site", site), Err(OriginError::Forbidden(_))), "{site}");
        }
    }
}
