//! The address of one of our own gateways, and requests to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};

use super::client::send_over_unix;
use super::{Connector, UpstreamRequest, UpstreamResponse};
use crate::config::settings::{Bind, Settings};
use crate::failure::Failure;

/// A healthy gateway accepts a connection to its UNIX socket at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayAddress {
    /// `http://127.0.0.1:1969`.
    Http(String),
    /// The path of a UNIX socket.
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

    /// Calls a route and waits for the response head. Dropping the future or the body cancels the call.
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
        let base = match self {
            Self::Http(base) => base,
            Self::Unix(_) => "http://localhost",
        };
        let body = if body.is_empty() { Vec::new() } else { vec![body] };
        let call = UpstreamRequest { method, url: format!("{base}{route}").into(), headers, body };
        match self {
            Self::Http(_) => connector.send(call).await,
            Self::Unix(path) => send_over_unix(path, call, CONNECT_TIMEOUT).await,
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

/// The gateway's own token, if one is configured.
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
