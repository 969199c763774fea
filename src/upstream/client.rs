//! The real client: reqwest, told to add and hide nothing.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::TryStreamExt;
use http::header::{ACCEPT_ENCODING, HeaderValue};

use super::body::Slices;
use super::resolve::{self, Guarded, Lookup};
use super::{Call, Connector, Response};
use crate::failure::{Failure, Reason};

/// Kimi thinks for minutes without a byte; a ping every half minute keeps NAT entries and tells a dead peer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Under the 75 s at which common front ends close idle connections.
const POOL_IDLE: Duration = Duration::from_secs(60);
/// Who asks more often at once than this many times pays for a new connection. What idles holds some kilobytes until
/// [`POOL_IDLE`] is over.
const POOL_SIZE: usize = 64;

/// reqwest clients, each built when first needed: a plain one for loopback, and two with TLS, because building those
/// fails where there are no CA certificates (a Nix sandbox, a bare container). Loopback never goes through a proxy.
pub struct Client {
    built: ArcSwap<Built>,
}

/// The clients of one connect time-out, which is theirs for life.
struct Built {
    connect: Duration,
    names: Lookup,
    plain: OnceLock<Result<reqwest::Client, String>>,
    tls: OnceLock<Result<reqwest::Client, String>>,
    tls_loopback: OnceLock<Result<reqwest::Client, String>>,
}

impl Client {
    /// `connect` is the time limit to establish a connection, TLS included. Nothing is opened yet.
    #[must_use]
    pub fn new(connect: Duration) -> Self {
        Self::with_names(connect, resolve::system())
    }

    fn with_names(connect: Duration, names: Lookup) -> Self {
        Self { built: ArcSwap::from_pointee(Built::new(connect, names)) }
    }

    async fn call(&self, call: Call) -> Result<Response, Failure> {
        let url = reqwest::Url::parse(&call.url)
            .map_err(|error| Failure::new(Reason::Network, format!("bad URL: {error}")))?;
        let built = self.built.load();
        let client = built.for_url(&url)?;
        let mut headers = call.headers;
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut request = client.request(call.method, url).headers(headers);
        if !call.body.is_empty() {
            request = request.body(reqwest::Body::wrap(Slices::new(call.body)));
        }
        let (began, limit) = (Instant::now(), built.connect);
        drop(built);
        let response = request.send().await.map_err(|error| {
            // The kernel gives up by itself too, and later than our clock where that is set to more than two minutes.
            let ours = error.is_connect() && error.is_timeout() && began.elapsed() >= limit;
            if ours { not_connected(limit) } else { failure(&error) }
        })?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = Box::pin(
            response.bytes_stream().map_err(|error| Failure { reason: Reason::Truncated, ..failure(&error) }),
        );
        Ok(Response { status, headers, body })
    }
}

impl Built {
    const fn new(connect: Duration, names: Lookup) -> Self {
        Self { connect, names, plain: OnceLock::new(), tls: OnceLock::new(), tls_loopback: OnceLock::new() }
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        // Fails only when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect)
            .dns_resolver(Guarded(self.names.clone()))
            .tcp_nodelay(true)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
    }

    fn for_url(&self, url: &reqwest::Url) -> Result<reqwest::Client, Failure> {
        let build = |builder: reqwest::ClientBuilder| builder.build().map_err(|error| chain(&error));
        let built = match (is_loopback(url), url.scheme()) {
            (false, _) => self.tls.get_or_init(|| build(self.builder())),
            (true, "https") => self.tls_loopback.get_or_init(|| build(self.builder().no_proxy())),
            (true, _) => self.plain.get_or_init(|| build(self.builder().no_proxy().tls_certs_only([]))),
        };
        built.clone().map_err(|why| {
            Failure::new(
                Reason::Network,
                format!("no TLS client: {why}; install CA certificates or set SSL_CERT_FILE"),
            )
        })
    }
}

impl Connector for Client {
    fn send(&self, call: Call) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + '_>> {
        Box::pin(self.call(call))
    }

    fn limit_connect(&self, limit: Duration) {
        let built = self.built.load();
        if built.connect != limit {
            self.built.store(Arc::new(Built::new(limit, built.names.clone())));
        }
    }
}

pub(super) fn is_loopback(url: &reqwest::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Our clock ran out. It rests the target as every time-out does.
fn not_connected(limit: Duration) -> Failure {
    let seconds = limit.as_secs_f64();
    Failure::new(
        Reason::Timeout,
        format!("no connection within {seconds:.1} s (failover.timeouts.connectSeconds)"),
    )
}

/// Never the URL: a user may have put a key into it.
fn failure(error: &reqwest::Error) -> Failure {
    let reason = if error.is_timeout() { Reason::Timeout } else { Reason::Network };
    let what = if error.is_connect() {
        "cannot connect"
    } else if error.is_timeout() {
        "timed out"
    } else {
        "the connection broke"
    };
    let cause = root(error);
    Failure::new(reason, if cause.is_empty() { what.to_owned() } else { format!("{what}: {cause}") })
}

/// The innermost cause says what happened; the outer ones repeat that a request was sent.
fn root(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut innermost = String::new();
    while let Some(inner) = cause {
        innermost = inner.to_string();
        cause = inner.source();
    }
    innermost
}

fn chain(error: &reqwest::Error) -> String {
    let cause = root(error);
    if cause.is_empty() { error.to_string() } else { cause }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Every name leads to this machine.
    fn poisoned() -> Client {
        let here = ([127, 0, 0, 1], 0).into();
        let client = Client::with_names(
            Duration::from_secs(5),
            Arc::new(move |_| Box::pin(async move { Ok(vec![here]) })),
        );
        // Without certificates and proxies of this machine.
        let built = client.built.load();
        let plain = built.builder().no_proxy().tls_certs_only([]).build().map_err(|error| chain(&error));
        built.tls.get_or_init(|| plain);
        client
    }

    fn call(host: &str, listener: &TcpListener) -> Call {
        let url = format!("http://{host}:{}/v1", listener.local_addr().unwrap().port());
        Call { method: http::Method::POST, url, headers: http::HeaderMap::new(), body: Vec::new() }
    }

    #[tokio::test]
    async fn a_name_server_that_lies_gets_no_request() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = poisoned();
        let failure = client.send(call("api.example.com", &listener)).await.err().unwrap();
        assert_eq!(failure.reason, Reason::Network);
        assert!(failure.message.contains("leads api.example.com to 127.0.0.1"), "{failure}");
        assert!(listener.accept().now_or_never().is_none(), "nothing was connected");
        // The same client does reach the machine by a name that may stand for it.
        let reached = client.send(call("box.lan", &listener));
        tokio::select! {
            _ = reached => panic!("nobody answers"),
            accepted = listener.accept() => assert!(accepted.is_ok()),
        }
    }

    #[tokio::test]
    async fn the_name_of_a_proxy_is_looked_at_and_what_it_looks_up_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for (proxy, is_reached) in [("proxy.example.com", false), ("proxy", true)] {
            let client = poisoned();
            let mut built = Built::new(Duration::from_secs(5), client.built.load().names.clone());
            let proxy = reqwest::Proxy::all(format!("http://{proxy}:{port}")).unwrap();
            let through = built.builder().proxy(proxy).tls_certs_only([]).build().unwrap();
            built.tls = OnceLock::from(Ok(through));
            client.built.store(Arc::new(built));
            let asked = client.send(call("api.example.com", &listener));
            tokio::select! {
                refused = asked => {
                    let failure = refused.err().unwrap();
                    assert!(!is_reached && failure.message.contains("leads proxy.example.com"), "{failure}");
                }
                _ = listener.accept() => assert!(is_reached, "it was asked to carry the request"),
            }
        }
    }

    #[tokio::test]
    async fn a_url_is_never_told() {
        let client = Client::new(Duration::from_secs(5));
        for url in
            ["http://user:sk-secret@127.0.0.1:1/sk-secret?key=sk-secret", "sk-secret", "http://sk-secret:x/"]
        {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let call = Call { url: url.to_owned(), ..call("127.0.0.1", &listener) };
            let failure = client.send(call).await.err().unwrap();
            assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
        }
    }
}
