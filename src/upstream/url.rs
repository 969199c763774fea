//! Where calls go: read once, for all calls that go there.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use http::uri::Scheme;
use http::{HeaderValue, Uri};

use crate::failure::{Failure, Reason};

/// An absolute URL. A clone is the same URL. If it cannot be called, the call reports why.
#[derive(Clone)]
pub struct UpstreamUrl(Arc<ParsedUrl>);

struct ParsedUrl {
    text: String,
    endpoint: Result<Endpoint, Failure>,
}

/// What a URL means for a call.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) uri: Uri,
    pub(super) is_secure: bool,
    /// Only this machine answers there.
    pub(super) is_loopback: bool,
    /// Of HTTP/1.1, in which every call without TLS is; with it the client decides when it knows the version.
    pub(super) host: Option<HeaderValue>,
}

impl UpstreamUrl {
    pub(super) fn endpoint(&self) -> Result<&Endpoint, Failure> {
        self.0.endpoint.as_ref().map_err(Clone::clone)
    }
}

impl From<String> for UpstreamUrl {
    fn from(text: String) -> Self {
        let place = Endpoint::parse(&text);
        Self(Arc::new(ParsedUrl { text, endpoint: place }))
    }
}

impl Deref for UpstreamUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq<&str> for UpstreamUrl {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for UpstreamUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.text.fmt(f)
    }
}

impl std::fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.text.fmt(f)
    }
}

impl Endpoint {
    /// What can be called. A user's name in a URL would be sent in the authority of HTTP/2.
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &dyn std::fmt::Display| Failure::new(Reason::Network, format!("bad URL: {why}"));
        let uri = Uri::try_from(text).map_err(|error| wrong(&error))?;
        let authority = match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => return Err(wrong(&"it holds a user")),
            Some(authority) => authority,
            None => return Err(wrong(&"it is neither http:// nor https://")),
        };
        let is_secure = uri.scheme() == Some(&Scheme::HTTPS);
        if !is_secure && uri.scheme() != Some(&Scheme::HTTP) {
            return Err(wrong(&"it is neither http:// nor https://"));
        }
        // RFC 9110, 7.2: without the port where it is the usual one.
        let named = match uri.port_u16() {
            None | Some(80) => authority.host().to_owned(),
            Some(port) => format!("{}:{port}", authority.host()),
        };
        let host = if is_secure { None } else { HeaderValue::try_from(named).ok() };
        let is_loopback = is_loopback(&uri);
        Ok(Self { uri, is_secure, is_loopback, host })
    }
}

pub(super) fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        // `.localhost` is all ours (RFC 6761), with a dot at the end or without.
        Err(_) => host
            .trim_end_matches('.')
            .rsplit('.')
            .next()
            .is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
    }
}
