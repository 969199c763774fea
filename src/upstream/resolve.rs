//! Names to addresses. An answer of a name server is trusted only as far as the name allows: a public name that leads to
//! this machine or its link would send a key to whatever listens there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

/// Looks up the addresses of a name.
pub(super) type LookupFn = Arc<dyn Fn(String) -> LookupFuture + Send + Sync>;
/// Addresses without ports. A link-local address has its scope.
pub(super) type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Suffixes of names that no public name server has (RFC 2606, RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`,
/// and what routers use). Such a name, and one without a dot, may be any machine.
const PRIVATE_SUFFIXES: &[&str] =
    &["local", "internal", "lan", "home", "corp", "intranet", "test", "home.arpa"];

/// The system's resolver.
pub(super) fn system_lookup() -> LookupFn {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

/// Looks up a name and returns the addresses that it may have.
///
/// # Errors
/// When the lookup fails, or returns no address that this name may have.
pub(super) fn resolve(
    lookup: &LookupFn,
    name: String,
) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + use<> {
    let found = lookup(name.clone());
    async move { filter_addresses(&name, found.await?).map_err(io::Error::other) }
}

fn filter_addresses(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let bare = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let below = |end: &str| bare.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
    let is_allowed: fn(IpAddr) -> bool = if bare == "localhost" || below("localhost") {
        |ip| ip.to_canonical().is_loopback()
    } else if !bare.contains('.') || PRIVATE_SUFFIXES.iter().any(|end| below(end)) {
        |_| true
    } else {
        is_public_address
    };
    let first = found.first().copied();
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| is_allowed(address.ip())).collect();
    match (allowed.is_empty(), first) {
        (false, _) => Ok(allowed),
        (true, None) => Err(format!("{name} has no address")),
        (true, Some(wrong)) => Err(format!(
            "the name server resolves {name} to {}, which a public name cannot have: a filter, or an attack; \
             nothing was sent",
            wrong.ip()
        )),
    }
}

/// Whether a public name can have this address. Private networks are allowed: companies resolve public names to them.
fn is_public_address(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let is_local = ip.octets()[0] == 0 || ip.is_loopback() || ip.is_link_local();
            !(is_local || ip.is_multicast() || ip.is_broadcast())
        }
        // NAT64: the last four bytes are an IPv4 address (RFC 6052, 2.1).
        IpAddr::V6(ip) if ip.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) => {
            let [.., a, b, c, d] = ip.octets();
            is_public_address([a, b, c, d].into())
        }
        IpAddr::V6(ip) => {
            let is_local = ip.is_unspecified() || ip.is_loopback() || ip.is_unicast_link_local();
            !(is_local || ip.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &str) -> Vec<SocketAddr> {
        list.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn public_name_resolves_neither_to_loopback_nor_to_the_link() {
        let wrong = "127.0.0.1 127.9.9.9 0.0.0.0 0.1.2.3 169.254.169.254 224.0.0.1 255.255.255.255 :: ::1 fe80::1 ff02::1 \
                     ::ffff:127.0.0.1 ::ffff:169.254.1.1 64:ff9b::127.0.0.1 64:ff9b::169.254.169.254";
        for address in addresses(wrong) {
            for name in ["api.moonshot.ai", "API.Moonshot.AI.", "localhost.evil.example", "lan.example"] {
                let why = filter_addresses(name, vec![address]).unwrap_err();
                assert!(why.contains(&address.ip().to_string()) && why.contains(name), "{why}");
            }
        }
        // The last as a DNS64 returns it where IPv4 is missing (RFC 6147).
        let right = addresses("203.0.113.9 2001:db8::1 10.0.0.7 192.168.1.2 fd00::7 64:ff9b::203.0.113.9");
        assert_eq!(filter_addresses("api.moonshot.ai", right.clone()), Ok(right));
    }

    #[test]
    fn allowed_addresses_are_kept_and_none_is_an_error() {
        let mixed = addresses("127.0.0.1 203.0.113.9 ::1");
        assert_eq!(filter_addresses("openrouter.ai", mixed), Ok(addresses("203.0.113.9")));
        assert_eq!(
            filter_addresses("openrouter.ai", Vec::new()),
            Err("openrouter.ai has no address".to_owned())
        );
    }

    #[test]
    fn private_name_resolves_anywhere_and_localhost_only_to_loopback() {
        for name in ["ollama", "box.lan", "box.local", "llm.home.arpa", "Box.Internal."] {
            assert_eq!(filter_addresses(name, addresses("127.0.0.1")), Ok(addresses("127.0.0.1")), "{name}");
        }
        let on_a_link = vec!["[fe80::7%3]:0".parse().unwrap()];
        assert_eq!(filter_addresses("box.local", on_a_link.clone()), Ok(on_a_link), "the scope is kept");
        for name in ["localhost", "moon.localhost", "LOCALHOST."] {
            assert_eq!(filter_addresses(name, addresses("127.0.0.1 ::1")), Ok(addresses("127.0.0.1 ::1")));
            assert!(filter_addresses(name, addresses("203.0.113.9")).is_err(), "{name}");
        }
    }
}
