//! Client tokens.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_in_either_header_identifies_its_client() {
        let tokens = [
            ("claude".to_owned(), Secret::new("one".to_owned())),
            ("codex".to_owned(), Secret::new("two".to_owned())),
        ];
        let named = |name: &'static str, value: &str| {
            let headers: HeaderMap =
                [(http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect();
            authenticate(&headers, &tokens).map(str::to_owned)
        };
        assert_eq!(named("authorization", "Bearer two").as_deref(), Some("codex"));
        assert_eq!(named("authorization", "bearer one").as_deref(), Some("claude"));
        assert_eq!(named("x-api-key", "one").as_deref(), Some("claude"));
        assert_eq!(named("authorization", "Basic one"), None);
        assert_eq!(named("x-api-key", "three"), None);
        assert_eq!(authenticate(&HeaderMap::new(), &tokens), None);
    }
}
