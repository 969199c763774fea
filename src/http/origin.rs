//! Browser pages of other origins, and names that are not ours, are refused: a web site must not reach a gateway on
//! loopback (cross-site requests, DNS rebinding).

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Whether the request may be served. An address as host is safe: only a name can be rebound.
/// A page cannot reach a UNIX socket, whose clients say any host (`by_name` is false there).
pub(super) fn allowed(headers: &HeaderMap, by_name: bool, hostname: Option<&str>) -> Result<(), String> {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return Err("the request has no Host".to_owned());
    };
    let name = name_of(host);
    if by_name && !is_ours(name, hostname) {
        return Err(format!("{name:?} is not a name of this gateway; use 127.0.0.1 or localhost"));
    }
    let cross_site =
        headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    let foreign = headers.get(ORIGIN).is_some_and(|origin| {
        origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_none_or(|(_, authority)| authority != host)
    });
    if cross_site || foreign {
        return Err("browser pages of another origin are refused".to_owned());
    }
    Ok(())
}

/// `[::1]:1969` → `::1`, `localhost:1969` → `localhost`.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn is_ours(name: &str, hostname: Option<&str>) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok()
        || hostname.is_some_and(|own| {
            let own = own.to_ascii_lowercase();
            name == own || name.strip_suffix(".local") == Some(&own)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers =
            pairs.iter().map(|&(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        allowed(&headers.collect(), true, Some("desk")).is_ok()
    }

    #[test]
    fn takes_our_names_and_refuses_others() {
        for host in
            ["127.0.0.1:1969", "localhost:1969", "[::1]:1969", "localhost", "desk.local:1969", "10.0.0.2"]
        {
            assert!(check(&[("host", host)]), "{host}");
        }
        for host in ["evil.example:1969", "localhost.evil.example", ""] {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[]));
    }

    #[test]
    fn refuses_pages_of_other_origins() {
        assert!(check(&[("host", "localhost:1969"), ("origin", "http://localhost:1969")]));
        assert!(check(&[("host", "localhost:1969"), ("sec-fetch-mode", "cors")]));
        for origin in ["https://evil.example", "http://localhost:3000", "null"] {
            assert!(!check(&[("host", "localhost:1969"), ("origin", origin)]), "{origin}");
        }
        assert!(!check(&[("host", "localhost:1969"), ("sec-fetch-site", "cross-site")]));
    }
}
