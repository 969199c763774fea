//! The gateway that runs, if one does: where it listens, and what it says of itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::config::settings::{Bind, Settings};
use crate::upstream::{Call, Connector, read_whole};

/// Of an answer; a status has a few hundred bytes.
const LARGEST: usize = 1024 * 1024;

/// Where a gateway is asked.
pub(in crate::cli) enum Address {
    /// `http://127.0.0.1:1969`.
    Http(String),
    /// A socket.
    Unix(PathBuf),
}

impl Address {
    /// Of a gateway that listens there; one that listens everywhere is asked on this machine.
    pub(in crate::cli) fn of(bind: &Bind, port: u16) -> Self {
        match bind {
            Bind::Loopback | Bind::All => Self::Http(format!("http://127.0.0.1:{port}")),
            Bind::Address(ip) => Self::Http(format!("http://{}", SocketAddr::new(*ip, port))),
            Bind::Unix(path) => Self::Unix(path.clone()),
        }
    }

    /// What `/status` says.
    ///
    /// # Errors
    /// Why there is no answer within `patience`, for people.
    pub(in crate::cli) async fn status(
        &self,
        settings: &Settings,
        connector: &dyn Connector,
        patience: Duration,
    ) -> Result<Value, String> {
        self.ask("/status", settings, connector, patience).await
    }

    /// What a route says that answers JSON.
    ///
    /// # Errors
    /// Why there is no answer within `patience`, for people.
    pub(in crate::cli) async fn ask(
        &self,
        route: &'static str,
        settings: &Settings,
        connector: &dyn Connector,
        patience: Duration,
    ) -> Result<Value, String> {
        let headers = headers(settings);
        let asked = async {
            match self {
                Self::Http(base) => over_tcp(&format!("{base}{route}"), headers, connector).await,
                Self::Unix(path) => over_unix(path, route, headers).await,
            }
        };
        let (status, body) = timeout(patience, asked)
            .await
            .map_err(|_| format!("no answer within {} s", patience.as_secs_f64()))??;
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        serde_json::from_slice(&body).map_err(|_| "what answers there is not moonrelay".to_owned())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(base) => f.write_str(base),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Our own token, where one is asked for.
fn headers(settings: &Settings) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some((_, token)) = settings.gateway.tokens.first()
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
    {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

async fn over_tcp(
    url: &str,
    headers: HeaderMap,
    connector: &dyn Connector,
) -> Result<(StatusCode, Bytes), String> {
    let call = Call { method: Method::GET, url: url.to_owned(), headers, body: Vec::new() };
    let response = connector.send(call).await.map_err(|failure| failure.message)?;
    let body = read_whole(response.body, LARGEST).await.map_err(|failure| failure.message)?;
    Ok((response.status, body))
}

async fn over_unix(
    path: &Path,
    route: &'static str,
    headers: HeaderMap,
) -> Result<(StatusCode, Bytes), String> {
    let broke = |error: hyper::Error| format!("the connection broke: {error}");
    let stream = UnixStream::connect(path).await.map_err(|error| format!("cannot connect: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = http::Uri::from_static(route);
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let response = sender.send_request(request).await.map_err(broke)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    connection.abort();
    let body = body.map_err(|error| format!("the connection broke: {error}"))?;
    Ok((status, body.to_bytes()))
}
