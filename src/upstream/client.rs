//! The HTTP client of every outgoing request: reqwest, configured to add and hide nothing. HTTP/1.1 only, because one
//! HTTP/2 connection would make many streams wait for each other (docs/adr/0017-reqwest.md).

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::OnceCell;
use url::Url;

use super::body::SlicedBody;
use super::resolve::{self, LookupFn};
use super::url::is_loopback;
use super::{Connector, UpstreamRequest, UpstreamResponse};
use crate::failure::{Failure, Reason, TimeoutKind};

/// Below the 75 s after which common front ends close idle connections.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// An idle connection takes some kilobytes. More concurrent requests than this open new connections.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// Sends requests over pooled connections.
pub struct Client {
    clients: ArcSwap<Clients>,
}

/// The reqwest clients of one connect timeout, each built when it is first needed. Loopback never goes through a proxy,
/// and plain loopback works without CA certificates (a Nix sandbox, a bare container).
struct Clients {
    connect_timeout: Duration,
    lookup: LookupFn,
    remote: OnceCell<BuildResult>,
    loopback: OnceCell<BuildResult>,
    loopback_tls: OnceCell<BuildResult>,
}

/// A client, or why it could not be built.
type BuildResult = Result<reqwest::Client, String>;

impl Client {
    /// `connect_timeout` is the limit to establish a connection: name, proxy and TLS. Nothing is opened yet.
    #[must_use]
    pub fn new(connect_timeout: Duration) -> Self {
        Self { clients: ArcSwap::from_pointee(Clients::new(connect_timeout, resolve::system_lookup())) }
    }

    async fn call(&self, call: UpstreamRequest) -> Result<UpstreamResponse, Failure> {
        let clients = self.clients.load_full();
        let url = call.url.parsed()?;
        let client = clients.find(url).await?;
        let host = url.authority().to_owned();
        execute(&client, url.clone(), call, host, clients.connect_timeout).await
    }
}

impl Connector for Client {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        Box::pin(self.call(call))
    }

    fn set_connect_timeout(&self, limit: Duration) {
        let clients = self.clients.load();
        if clients.connect_timeout != limit {
            self.clients.store(Arc::new(Clients::new(limit, clients.lookup.clone())));
        }
    }
}

impl Clients {
    fn new(connect_timeout: Duration, lookup: LookupFn) -> Self {
        let (remote, loopback, loopback_tls) = Default::default();
        Self { connect_timeout, lookup, remote, loopback, loopback_tls }
    }

    async fn find(&self, url: &Url) -> Result<reqwest::Client, Failure> {
        let (is_loopback, is_tls) = (is_loopback(url), url.scheme() == "https");
        let cell = match (is_loopback, is_tls) {
            (false, _) => &self.remote,
            (true, false) => &self.loopback,
            (true, true) => &self.loopback_tls,
        };
        let build = || async {
            let (lookup, limit) = (self.lookup.clone(), self.connect_timeout);
            // CA certificates are read from files.
            let built = tokio::task::spawn_blocking(move || {
                let needs_roots = !is_loopback || is_tls;
                let tls = if needs_roots { trust_system_roots() } else { trust(RootCertStore::empty()) };
                let client = builder(lookup, limit, tls.map_err(|error| root_cause(&error))?);
                let client = if is_loopback { client.no_proxy() } else { client };
                client.build().map_err(|error| root_cause(&error))
            });
            built.await.unwrap_or_else(|error| Err(error.to_string()))
        };
        cell.get_or_init(build).await.clone().map_err(|why| {
            Failure::new(
                Reason::Network,
                format!("no TLS client: {why}; install CA certificates or set SSL_CERT_FILE"),
            )
        })
    }
}

/// Sends a request over a UNIX socket. The host in its URL is only sent as the `host` header.
pub(super) async fn send_over_unix(
    socket: &Path,
    call: UpstreamRequest,
    connect_timeout: Duration,
) -> Result<UpstreamResponse, Failure> {
    let unusable = |why: String| Failure::new(Reason::Network, format!("cannot connect: {why}"));
    let tls = trust(RootCertStore::empty()).map_err(|error| unusable(root_cause(&error)))?;
    let client = builder(resolve::system_lookup(), connect_timeout, tls).no_proxy().unix_socket(socket);
    let client = client.build().map_err(|error| unusable(root_cause(&error)))?;
    let url = call.url.parsed()?.clone();
    execute(&client, url, call, format!("unix:{}", socket.display()), connect_timeout).await
}

/// reqwest's defaults for TCP are right: no delay, and a peer whose machine is gone is detected within a minute, by probes
/// after 15 s of silence or by data that is not acknowledged for 30 s.
fn builder(lookup: LookupFn, connect_timeout: Duration, tls: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(GuardedResolver(lookup))
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
}

/// `host` is for error messages.
async fn execute(
    client: &reqwest::Client,
    url: Url,
    call: UpstreamRequest,
    host: String,
    connect_timeout: Duration,
) -> Result<UpstreamResponse, Failure> {
    let mut request = reqwest::Request::new(call.method, url);
    *request.headers_mut() = call.headers;
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    *request.body_mut() = Some(reqwest::Body::wrap(SlicedBody::new(call.body)));
    let mut response = match client.execute(request).await {
        Ok(response) => response,
        Err(error) if is_connect_timeout(&error) => {
            return Err(Failure::timed_out(TimeoutKind::Connect, connect_timeout));
        }
        Err(error) => return Err(describe(&error, &host)),
    };
    Ok(UpstreamResponse {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: Box::pin(response.bytes_stream().map(move |chunk| {
            chunk.map_err(|error| Failure { reason: Reason::Truncated, ..describe(&error, &host) })
        })),
    })
}

/// Resolves names to the addresses that they may have. The connection is made to these: nothing is resolved twice.
struct GuardedResolver(LookupFn);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = resolve::resolve(&self.0, name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(resolving.await?.into_iter()) as Addrs) })
    }
}

/// Trusts the system's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Fails when there are none.
fn trust_system_roots() -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(with_http1(builder.with_platform_verifier()?.with_no_client_auth()))
}

fn trust(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(with_http1(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn with_http1(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Whether our own limit expired. The kernel's errors have a number.
fn is_connect_timeout(error: &reqwest::Error) -> bool {
    let is_kernel_error = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some())
    };
    error.is_connect() && error.is_timeout() && !causes(error).any(is_kernel_error)
}

/// Never repeats the URL, because a user may have put a key into it.
fn describe(error: &reqwest::Error, host: &str) -> Failure {
    let reason = if error.is_timeout() { Reason::Timeout } else { Reason::Network };
    let what = match (error.is_connect(), reason) {
        (true, _) => format!("cannot connect to {host}"),
        (false, Reason::Timeout) => format!("connection to {host} timed out"),
        (false, _) => format!("connection to {host} failed"),
    };
    Failure::new(reason, format!("{what}: {}", root_cause(error)))
}

/// The innermost cause says what happened; the outer ones repeat that a request was sent.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
