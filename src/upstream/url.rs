//! The URL of a request, parsed once for all requests to it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use url::{Host, Url};

use crate::failure::{Failure, Reason};

/// An absolute URL. Clones share it. The error of an invalid URL is returned when a request is sent to it.
#[derive(Clone)]
pub struct UpstreamUrl(Arc<ParsedUrl>);

struct ParsedUrl {
    text: String,
    parsed: Result<Url, Failure>,
}

impl UpstreamUrl {
    pub(super) fn parsed(&self) -> Result<&Url, Failure> {
        self.0.parsed.as_ref().map_err(Clone::clone)
    }
}

impl From<String> for UpstreamUrl {
    fn from(text: String) -> Self {
        let parsed = parse(&text).map_err(|why| Failure::new(Reason::Network, format!("bad URL: {why}")));
        Self(Arc::new(ParsedUrl { text, parsed }))
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

impl fmt::Debug for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.text.fmt(f)
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.text.fmt(f)
    }
}

/// The messages never repeat the URL, because a user may have put a key into it.
fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it is neither http:// nor https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains a user name".to_owned());
    }
    Ok(url)
}

/// Whether the host can only be this machine. The whole of `.localhost` is reserved for it (RFC 6761).
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name.trim_end_matches('.').rsplit('.').next() == Some("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_and_addresses_of_this_machine_are_loopback() {
        let is_here = |host: &str| is_loopback(&Url::parse(&format!("http://{host}/v1")).unwrap());
        for host in ["127.0.0.1:9", "127.9.9.9", "[::1]:9", "localhost", "LOCALHOST.:9", "moon.localhost"] {
            assert!(is_here(host), "{host}");
        }
        for host in ["10.0.0.1", "[::2]", "localhost.example", "notlocalhost", "127.0.0.1.example"] {
            assert!(!is_here(host), "{host}");
        }
    }
}
