//! The production client: hyper-util's, configured to add and hide nothing.

mod answer;
mod connect;
mod failing;
mod tls;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use hyper_util::client::legacy;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::request_body::SlicedBody;
use super::resolve::{self, LookupFn};
use super::url::Endpoint;
use super::{Connector, UpstreamRequest, UpstreamResponse};
use crate::failure::{Failure, Reason};
use crate::future::box_in_place;
use answer::ResponseStream;
use connect::GuardedConnector;

/// Kimi thinks for minutes without a byte. A ping every half minute keeps NAT entries and detects a dead peer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Under the 75 s at which common front ends close idle connections.
const POOL_IDLE: Duration = Duration::from_secs(60);
/// More concurrent requests than this pay for a new connection. An idle connection holds some kilobytes until
/// [`POOL_IDLE`] is over.
const POOL_SIZE: usize = 64;

/// Connection pools, each built when first needed: a plain one for loopback, and two with TLS. Building those
/// fails without CA certificates (a Nix sandbox, a bare container). Loopback never goes through a proxy.
pub struct Client {
    built: ArcSwap<Built>,
}

/// The pools of one connect time-out, which is theirs for life.
struct Built {
    connect: Duration,
    names: LookupFn,
    plain: OnceLock<Result<Pool, String>>,
    tls: OnceLock<Result<Pool, String>>,
    tls_loopback: OnceLock<Result<Pool, String>>,
}

/// Connections that are established in the same manner.
struct Pool {
    http: legacy::Client<GuardedConnector, SlicedBody>,
    proxies: Option<Arc<Matcher>>,
}

impl Client {
    /// `connect` is the time limit to establish a connection, TLS included. Nothing is opened yet.
    #[must_use]
    pub fn new(connect: Duration) -> Self {
        Self::with_names(connect, resolve::system_lookup())
    }

    fn with_names(connect: Duration, names: LookupFn) -> Self {
        Self { built: ArcSwap::from_pointee(Built::new(connect, names)) }
    }

    async fn call(&self, call: UpstreamRequest) -> Result<UpstreamResponse, Failure> {
        let place = call.url.endpoint()?;
        let mut request = Request::new(SlicedBody::new(call.body));
        *request.method_mut() = call.method;
        *request.headers_mut() = call.headers;
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if let Some(host) = &place.host {
            request.headers_mut().entry(HOST).or_insert_with(|| host.clone());
        }
        *request.uri_mut() = place.uri.clone();
        // The pools may be replaced while it waits.
        let sending = {
            let built = self.built.load();
            built.pool(place)?.request(request)
        };
        let (head, body) = sending.await.map_err(|error| failing::from_call_error(&error))?.into_parts();
        Ok(UpstreamResponse {
            status: head.status,
            headers: head.headers,
            body: Box::pin(ResponseStream(body)),
        })
    }
}

impl Built {
    const fn new(connect: Duration, names: LookupFn) -> Self {
        Self { connect, names, plain: OnceLock::new(), tls: OnceLock::new(), tls_loopback: OnceLock::new() }
    }

    fn pool(&self, place: &Endpoint) -> Result<&Pool, Failure> {
        let pool = |proxies, tls: Result<ClientConfig, _>| {
            let tls = tls.map_err(|error| failing::describe_root_cause(&error))?;
            Ok(Pool::new(self.names.clone(), self.connect, proxies, tls))
        };
        let built = match (place.is_loopback, place.is_secure) {
            (false, _) => {
                let proxies = || Some(Arc::new(Matcher::from_env()));
                self.tls.get_or_init(|| pool(proxies(), tls::trust_system_roots()))
            }
            (true, true) => self.tls_loopback.get_or_init(|| pool(None, tls::trust_system_roots())),
            (true, false) => self.plain.get_or_init(|| pool(None, tls::trust_none())),
        };
        built.as_ref().map_err(|why| {
            Failure::new(
                Reason::Network,
                format!("no TLS client: {why}; install CA certificates or set SSL_CERT_FILE"),
            )
        })
    }
}

impl Pool {
    fn new(names: LookupFn, connect: Duration, proxies: Option<Arc<Matcher>>, tls: ClientConfig) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(GuardedConnector::new(names, connect, proxies.clone(), tls));
        Self { http, proxies }
    }

    fn request(&self, mut request: Request<SlicedBody>) -> legacy::ResponseFuture {
        // For a proxy that forwards the request. A tunnel's proxy gets this when the tunnel is requested.
        if let Some(proxies) = &self.proxies
            && request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(proxy) = proxies.intercept(request.uri())
            && let Some(user) = proxy.basic_auth()
        {
            request.headers_mut().entry(PROXY_AUTHORIZATION).or_insert_with(|| user.clone());
        }
        self.http.request(request)
    }
}

impl Connector for Client {
    fn send(
        &self,
        call: UpstreamRequest,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, Failure>> + Send + '_>> {
        box_in_place(|| self.call(call))
    }

    fn set_connect_timeout(&self, limit: Duration) {
        let built = self.built.load();
        if built.connect != limit {
            self.built.store(Arc::new(Built::new(limit, built.names.clone())));
        }
    }
}
