//! A gateway of ours as its client sees it: where it listens, and how it is called there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Connector, UpstreamRequest, UpstreamResponse};
use crate::config::settings::{Bind, Settings};
use crate::failure::{Failure, Reason};

/// A socket on this machine takes a connection at once, or its gateway is not well.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayAddress {
    /// `http://127.0.0.1:1969`.
    Http(String),
    /// A socket.
    Unix(PathBuf),
}

impl GatewayAddress {
    /// The address of a gateway with this listen address. One that listens on all interfaces is called on this
    /// machine.
    #[must_use]
    pub fn from_bind(bind: &Bind, port: u16) -> Self {
        match bind {
            Bind::Loopback | Bind::All => Self::Http(format!("http://127.0.0.1:{port}")),
            Bind::Address(ip) => Self::Http(format!("http://{}", SocketAddr::new(*ip, port))),
            Bind::Unix(path) => Self::Unix(path.clone()),
        }
    }

    /// Calls a route and waits for the response head. Dropping the future, or the body, cancels the call.
    ///
    /// # Errors
    /// When the connection fails, or breaks before the head.
    pub async fn send(
        &self,
        method: Method,
        route: &str,
        headers: HeaderMap,
        body: Bytes,
        connector: &dyn Connector,
    ) -> Result<UpstreamResponse, Failure> {
        match self {
            Self::Http(base) => {
                let body = if body.is_empty() { Vec::new() } else { vec![body] };
                connector
                    .send(UpstreamRequest { method, url: format!("{base}{route}").into(), headers, body })
                    .await
            }
            Self::Unix(path) => send_over_unix(path, method, route, headers, body).await,
        }
    }
}

impl std::fmt::Display for GatewayAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(base) => f.write_str(base),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The gateway's own token, if the route requires one.
#[must_use]
pub fn build_auth_headers(settings: &Settings) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some((_, token)) = settings.gateway.tokens.first()
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
    {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

async fn send_over_unix(
    path: &Path,
    method: Method,
    route: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<UpstreamResponse, Failure> {
    let unconnected =
        |why: &dyn std::fmt::Display| Failure::new(Reason::Network, format!("cannot connect: {why}"));
    let broke = |error: hyper::Error| Failure::new(Reason::Network, format!("the connection broke: {error}"));
    let stream = match timeout(CONNECT_TIMEOUT, UnixStream::connect(path)).await {
        Ok(connected) => connected.map_err(|error| unconnected(&error))?,
        Err(_) => return Err(unconnected(&format!("nothing within {} s", CONNECT_TIMEOUT.as_secs()))),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    // Closed when the answer is dropped.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = http::Uri::try_from(route)
        .map_err(|error| Failure::new(Reason::BadRequest, format!("{route}: {error}")))?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let (head, body) = sender.send_request(request).await.map_err(broke)?.into_parts();
    let broke =
        |error: hyper::Error| Failure::new(Reason::Truncated, format!("the connection broke: {error}"));
    let body = body.into_data_stream().map(move |piece| {
        let _open = &driving;
        piece.map_err(broke)
    });
    Ok(UpstreamResponse { status: head.status, headers: head.headers, body: Box::pin(body) })
}
