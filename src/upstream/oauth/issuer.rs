//! The two endpoints of an OAuth server, and their responses.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use tokio::time::timeout;
use url::Url;

use super::super::url::is_loopback;
use super::super::{Connector, UpstreamRequest, parse_retry_after, read_capped_body};
use crate::failure::{Failure, Reason};
use crate::secret::{Redactor, Secret};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A healthy server responds within some tenths of a second.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// A real response has 4,000 bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// The lifetime of a token if the server names none (that of Kimi's, captured 2026-11-21).
const DEFAULT_LIFETIME: Duration = Duration::from_mins(15);
/// A limit that every clock can represent, so that no token is lost to an overflow.
const MAX_LIFETIME: Duration = Duration::from_hours(24 * 365);
/// The longest part of the server's own message that is shown.
const MAX_MESSAGE_CHARS: usize = 300;

/// Form fields whose values are secrets.
const SECRETS: [&str; 2] = ["device_code", "refresh_token"];

/// The OAuth server, and the client that requests a login.
#[derive(Clone)]
pub struct Issuer {
    host: String,
    client_id: String,
    device_id: Option<String>,
}

/// The tokens that the server grants.
pub(super) struct TokenGrant {
    pub(super) access_token: Secret,
    pub(super) refresh_token: Option<Secret>,
    pub(super) lifetime: Duration,
}

/// A response of the server.
pub(super) enum OAuthResponse {
    /// The requested result.
    Success(Map<String, Value>),
    /// An error code of RFC 6749, 5.2, or RFC 8628, 3.5.
    Error { error: String, description: String, status: StatusCode },
}

impl Issuer {
    /// `device` is a random id of this installation.
    ///
    /// # Errors
    /// Why this host is not accepted.
    pub fn new(host: &str, client_id: &str, device: Option<String>) -> Result<Self, String> {
        let url = Url::parse(host).map_err(|error| format!("not a URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err("it must not contain a user name or a query".to_owned());
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return Err("tokens would be sent in clear text to another machine: use https://".to_owned());
            }
            other => return Err(format!("unsupported scheme {other}: use https://")),
        }
        if client_id.is_empty() {
            return Err("the client id is empty".to_owned());
        }
        let host = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { host, client_id: client_id.to_owned(), device_id: device })
    }

    /// Without a trailing slash.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The client for which it requests logins.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Identifies this program, and of the machine only a random number that Moonrelay generated. Kimi's own programs
    /// also send the machine's name, model and system.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(HeaderName::from_static("x-msh-platform"), HeaderValue::from_static("moonrelay"));
        headers.insert(HeaderName::from_static("x-msh-version"), HeaderValue::from_static(VERSION));
        if let Some(Ok(device)) = self.device_id.as_deref().map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static("x-msh-device-id"), device);
        }
        headers
    }

    /// Sends a form. `path` is `device_authorization` or `token`.
    pub(super) async fn post(
        &self,
        connector: &dyn Connector,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<OAuthResponse, Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.client_id)
            .extend_pairs(fields)
            .finish();
        let call = UpstreamRequest {
            method: Method::POST,
            url: format!("{}/api/oauth/{path}", self.host).into(),
            headers: self.headers(),
            body: vec![form.into()],
        };
        let secrets = fields.iter().filter(|(name, _)| SECRETS.contains(name));
        let secrets: Vec<Secret> = secrets.map(|(_, value)| Secret::new((*value).to_owned())).collect();
        let redactor = Redactor::new(&secrets);
        let late = || format!("no response within {} s", RESPONSE_TIMEOUT.as_secs());
        let response = timeout(RESPONSE_TIMEOUT, send_and_parse(connector, call, &redactor)).await;
        let response = response.unwrap_or_else(|_| Err(Failure::new(Reason::Timeout, late())));
        response
            .map_err(|failure| Failure { message: format!("{}: {}", self.host, failure.message), ..failure })
    }
}

async fn send_and_parse(
    connector: &dyn Connector,
    call: UpstreamRequest,
    redactor: &Redactor,
) -> Result<OAuthResponse, Failure> {
    let response = connector.send(call).await?;
    let (status, retry_after) =
        (response.status, parse_retry_after(&response.headers, std::time::SystemTime::now()));
    // The caller's timeout expires first.
    let body =
        read_capped_body(&response.headers, response.body, MAX_RESPONSE_BYTES, 2 * RESPONSE_TIMEOUT).await;
    let members = serde_json::from_slice::<Map<String, Value>>(&body).unwrap_or_default();
    let text = |key: &str| {
        let text = members.get(key).and_then(Value::as_str).unwrap_or_default();
        sanitize(&redactor.redact(text))
    };
    let error = text("error");
    if !error.is_empty() {
        return Ok(OAuthResponse::Error { error, description: text("error_description"), status });
    }
    if status.is_success() && !members.is_empty() {
        return Ok(OAuthResponse::Success(members));
    }
    let reason = if status == StatusCode::TOO_MANY_REQUESTS { Reason::RateLimit } else { Reason::Server };
    let what =
        if status.is_success() { "unexpected response".to_owned() } else { format!("status {status}") };
    Err(Failure { status: Some(status.as_u16()), retry_after, ..Failure::new(reason, what) })
}

/// Text of the server for a terminal: short, and without control characters.
pub(super) fn sanitize(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

impl TokenGrant {
    pub(super) fn from_members(members: &Map<String, Value>) -> Result<Self, Failure> {
        let token = |key: &str| {
            let text = members.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())?;
            HeaderValue::from_str(text).is_ok().then(|| Secret::new(text.to_owned()))
        };
        let access = token("access_token")
            .ok_or_else(|| Failure::new(Reason::Server, "the OAuth server granted no token"))?;
        Ok(Self {
            access_token: access,
            refresh_token: token("refresh_token"),
            lifetime: parse_seconds(members, "expires_in").unwrap_or(DEFAULT_LIFETIME),
        })
    }
}

/// A number of seconds, or a string with one.
pub(super) fn parse_seconds(members: &Map<String, Value>, key: &str) -> Option<Duration> {
    let value = members.get(key)?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Some(Duration::try_from_secs_f64(number).ok()?.min(MAX_LIFETIME))
}
