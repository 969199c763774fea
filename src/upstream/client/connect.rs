//! How a connection is made: to the host itself or through a proxy, with TLS where the URL has it, in limited time.

use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};
use tower::Service;

use super::super::resolve::{GuardedResolver, LookupFn};
use super::failing::{Late, is_timeout};

/// Detects a peer whose machine is gone: after this long without a byte the kernel probes repeatedly.
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
/// So long may what was sent be unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

type Tcp = HttpConnector<GuardedResolver>;
type Failed = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, Failed>> + Send>>;

/// Makes connections. The pool clones it for each request.
#[derive(Clone)]
pub(super) struct GuardedConnector(Arc<Limited>);

struct Limited {
    limit: Duration,
    https: HttpsConnector<Hop>,
}

impl GuardedConnector {
    /// `limit` is for all of it: the name, the proxy, TLS.
    pub(super) fn new(
        names: LookupFn,
        limit: Duration,
        proxies: Option<Arc<Matcher>>,
        tls: ClientConfig,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(GuardedResolver(names));
        tcp.enforce_http(false);
        // Each address of a name gets its share, so that the next one has a chance.
        tcp.set_connect_timeout(Some(limit));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(PROBE));
        tcp.set_keepalive_interval(Some(PROBE));
        tcp.set_keepalive_retries(Some(PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let proxies = proxies.map(|proxies| {
            // CONNECT and the absolute form are of HTTP/1.1.
            let mut tls = tls.clone();
            tls.alpn_protocols.clear();
            (proxies, HttpsConnector::from((tcp.clone(), tls)))
        });
        Self(Arc::new(Limited { limit, https: HttpsConnector::from((Hop { tcp, proxies }, tls)) }))
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = Line;
    type Error = Failed;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let limit = self.0.limit;
        let connecting = self.0.https.clone().call(to);
        Box::pin(async move {
            let began = Instant::now();
            match timeout(limit, connecting).await {
                // The kernel gives up by itself too, and later than our clock where that is set to more than two minutes.
                Ok(Err(error)) if !is_timeout(&*error) || began.elapsed() < limit => Err(error),
                Ok(Ok(MaybeHttpsStream::Http(line))) => Ok(line),
                Ok(Ok(secured)) => {
                    let speaks_h2 = secured.connected().is_negotiated_h2();
                    Ok(Line { stream: Box::new(secured), is_passed_on: false, speaks_h2 })
                }
                Ok(Err(_)) | Err(_) => Err(Late(limit).into()),
            }
        })
    }
}

/// The route to a host, or to the proxy in front of it.
#[derive(Clone)]
struct Hop {
    tcp: Tcp,
    proxies: Option<(Arc<Matcher>, HttpsConnector<Tcp>)>,
}

impl Service<Uri> for Hop {
    type Response = Line;
    type Error = Failed;
    type Future = Connecting<Line>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let through = self.proxies.as_mut().and_then(|(proxies, way)| Some((proxies.intercept(&to)?, way)));
        let Some((proxy, way)) = through else {
            let connecting = self.tcp.call(to);
            return Box::pin(async move { Ok(Line::new(connecting.await?, false)) });
        };
        if to.scheme() != Some(&Scheme::HTTPS) {
            let connecting = way.call(proxy.uri().clone());
            return Box::pin(async move { Ok(Line::new(connecting.await?, true)) });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), way.clone());
        if let Some(user) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(user.clone());
        }
        let connecting = tunnel.call(to);
        Box::pin(async move { Ok(Line::new(connecting.await?, false)) })
    }
}

/// What bytes go over.
trait Wire: Read + Write + Send + Unpin {}

impl<T: Read + Write + Send + Unpin> Wire for T {}

/// A connection to the host or its proxy.
pub(super) struct Line {
    /// Boxed, so that a plain connection does not reserve memory for TLS, nor a TLS connection for a proxy's.
    stream: Box<dyn Wire>,
    /// A proxy reads the requests: they name the host.
    is_passed_on: bool,
    speaks_h2: bool,
}

impl Line {
    fn new(stream: impl Wire + 'static, is_passed_on: bool) -> Self {
        Self { stream: Box::new(stream), is_passed_on, speaks_h2: false }
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_passed_on);
        if self.speaks_h2 { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}
