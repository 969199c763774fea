//! Names to addresses: what a name server says is believed only as far as the name allows. A public name that leads to
//! this machine or its link would carry a key to whatever listens there.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// Looks up a name's addresses.
pub(super) type LookupFn = Arc<dyn Fn(String) -> LookupFuture + Send + Sync>;
/// Its answer, without ports; an address of a link says which one (its scope).
pub(super) type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Endings of names that no public name server gives out (RFC 2606, RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`,
/// and what routers use). Such a name, and one without a dot, may stand for any machine.
const PRIVATE_SUFFIXES: &[&str] =
    &["local", "internal", "lan", "home", "corp", "intranet", "test", "home.arpa"];

/// The system's own.
pub(super) fn system_lookup() -> LookupFn {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

/// Looks names up and takes what they may lead to. The connection is made to these addresses: nothing is looked up a
/// second time.
#[derive(Clone)]
pub(super) struct GuardedResolver(pub(super) LookupFn);

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let name = name.as_str().to_owned();
        let looking = (self.0)(name.clone());
        Box::pin(async move { Ok(filter_addresses(&name, looking.await?)?.into_iter()) })
    }
}

/// The addresses that this name may have.
fn filter_addresses(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let bare = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let below = |end: &str| bare.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
    let fits: fn(IpAddr) -> bool = if bare == "localhost" || below("localhost") {
        |ip| ip.to_canonical().is_loopback()
    } else if !bare.contains('.') || PRIVATE_SUFFIXES.iter().any(|end| below(end)) {
        |_| true
    } else {
        is_public_address
    };
    let first = found.first().copied();
    let fitting: Vec<SocketAddr> = found.into_iter().filter(|address| fits(address.ip())).collect();
    match (fitting.is_empty(), first) {
        (false, _) => Ok(fitting),
        (true, None) => Err(format!("{name} has no address")),
        (true, Some(wrong)) => Err(format!(
            "the name server leads {name} to {}, where it cannot be: a filter, or an attack; no key is sent there",
            wrong.ip()
        )),
    }
}

/// Whether an address can be that of a public host. Those of private networks can: companies answer for public names
/// inside.
fn is_public_address(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let here = ip.octets()[0] == 0 || ip.is_loopback() || ip.is_link_local();
            !(here || ip.is_multicast() || ip.is_broadcast())
        }
        // NAT64 carries it to the IPv4 address at its end (RFC 6052, 2.1).
        IpAddr::V6(ip) if ip.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) => {
            let [.., a, b, c, d] = ip.octets();
            is_public_address([a, b, c, d].into())
        }
        IpAddr::V6(ip) => {
            let here = ip.is_unspecified() || ip.is_loopback() || ip.is_unicast_link_local();
            !(here || ip.is_multicast())
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
    fn a_public_name_leads_neither_here_nor_to_the_link() {
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
    fn what_fits_is_kept_and_nothing_is_no_address() {
        let mixed = addresses("127.0.0.1 203.0.113.9 ::1");
        assert_eq!(filter_addresses("openrouter.ai", mixed), Ok(addresses("203.0.113.9")));
        assert_eq!(
            filter_addresses("openrouter.ai", Vec::new()),
            Err("openrouter.ai has no address".to_owned())
        );
    }

    #[test]
    fn private_names_lead_anywhere_and_localhost_only_here() {
        for name in ["ollama", "box.lan", "box.local", "llm.home.arpa", "Box.Internal."] {
            assert_eq!(filter_addresses(name, addresses("127.0.0.1")), Ok(addresses("127.0.0.1")), "{name}");
        }
        let on_a_link = vec!["[fe80::7%3]:0".parse().unwrap()];
        assert_eq!(filter_addresses("box.local", on_a_link.clone()), Ok(on_a_link), "the link is not lost");
        for name in ["localhost", "moon.localhost", "LOCALHOST."] {
            assert_eq!(filter_addresses(name, addresses("127.0.0.1 ::1")), Ok(addresses("127.0.0.1 ::1")));
            assert!(filter_addresses(name, addresses("203.0.113.9")).is_err(), "{name}");
        }
    }
}
