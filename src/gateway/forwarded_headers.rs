//! The client headers that are not forwarded: credentials, cookies, those of this connection, and those that
//! only a browser or the gateway's own protocol sends.

use http::header::{CONNECTION, HeaderName};
use http::{HeaderMap, HeaderValue};

const DROPPED_HEADERS: &[&str] = &[
    // Headers of this connection (RFC 9110, 7.6.1).
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "host",
    "content-length",
    "content-encoding",
    "accept-encoding",
    // The client's credentials for the gateway.
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "x-api-key",
    "api-key",
    "cookie",
    "cookie2",
    // Another provider's account.
    "openai-organization",
    "openai-project",
    // The location of the client.
    "origin",
    "referer",
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    // Belongs to another API.
    "anthropic-version",
    // These describe the original body, or a cache.
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "date",
    "range",
    // The identity of the client, from a proxy in front of the gateway.
    "remote-user",
    "x-remote-user",
    "x-client-ip",
];
const DROPPED_PREFIXES: &[&str] = &[
    "sec-",
    "x-forwarded",
    "x-moonrelay-",
    "proxy-",
    "if-",
    "cf-",
    "tailscale-",
    "x-amz-",
    "x-goog-",
    "x-auth-",
];

/// Parts of other names that clients use for credentials.
const DROPPED_SUBSTRINGS: &[&str] = &["token", "secret", "password", "api-key", "apikey", "credential"];

/// The headers that may go to a provider.
pub(super) fn filter_headers(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        // A non-ASCII byte invalidates its own name, not the list.
        .flat_map(|list| list.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
        .collect();
    let is_forwarded = |name: &HeaderName| {
        let name = name.as_str();
        !DROPPED_HEADERS.contains(&name)
            && !DROPPED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            && !DROPPED_SUBSTRINGS.iter().any(|word| name.contains(word))
            && !named.iter().any(|other| other == name)
    };
    headers
        .iter()
        .filter(|(name, _)| is_forwarded(name))
        .map(|(name, value)| (name.clone(), copy_value(value)))
        .collect()
}

/// Copies the value. The original is a slice of the socket's read buffer and would hold those 8 KiB as long as
/// a stream runs.
fn copy_value(value: &HeaderValue) -> HeaderValue {
    let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes()) else { return value.clone() };
    copy.set_sensitive(value.is_sensitive());
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_connection_headers_are_dropped() {
        let client: HeaderMap = [
            ("user-agent", "KimiCLI/1.46.0"),
            ("x-msh-device-id", "1"),
            ("authorization", "Bearer local"),
            ("x-api-key", "local"),
            ("cookie", ""),
            ("connection", "keep-alive, caf\u{e9}, X-Hop"),
            ("x-hop", "1"),
            ("private-token", "1"),
            ("x-goog-api-key", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("sec-fetch-mode", "cors"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
        let sent = filter_headers(&client);
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["user-agent", "x-msh-device-id"]);
    }

    #[test]
    fn non_ascii_connection_header_still_names_dropped_headers() {
        let mut client = HeaderMap::new();
        client.insert(CONNECTION, http::HeaderValue::from_bytes(b"\xff, X-Secret").unwrap());
        client.insert("x-secret", http::HeaderValue::from_static("1"));
        assert!(filter_headers(&client).is_empty());
    }
}
