//! The search of the gateway that runs: it may have the answer already, has the key that a service is given, and keeps the
//! books.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::result::SearchResult;
use super::result::{SearchFailure, SearchFailureKind};
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::upstream::gateway_client::{self, GatewayAddress};
use crate::upstream::{Connector, read_body};

/// A gateway that runs says so at once.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Beside the time that a search may take there.
const EXTRA_TIMEOUT: Duration = Duration::from_secs(10);
/// Of an answer, in bytes; the gateway takes four megabytes itself, and JSON may escape each of them.
const MAX_RESPONSE_BYTES: usize = 32 << 20;

/// The gateway's address and the headers and timeout of its requests.
pub(super) struct RemoteSearch {
    address: GatewayAddress,
    auth_headers: HeaderMap,
    timeout: Duration,
}

/// What came of it.
pub(super) enum RemoteOutcome {
    /// The answer, or why there is none.
    Completed(Result<SearchResult, SearchFailure>),
    /// It runs, and has no key for that.
    NoKey(SearchFailure),
    /// None runs, or one that has no search.
    Unavailable,
}

impl RemoteSearch {
    pub(super) fn new(address: GatewayAddress, settings: &Settings) -> Self {
        let timeout = settings.web_search.timeout.saturating_mul(2).saturating_add(EXTRA_TIMEOUT);
        Self { address, auth_headers: gateway_client::build_auth_headers(settings), timeout }
    }

    pub(super) async fn search(&self, query: &str, connector: &dyn Connector) -> RemoteOutcome {
        // Without the token: it is for a gateway of ours, which says first that it is one.
        let health = self.send_request(Method::GET, "/health", HeaderMap::new(), Bytes::new(), connector);
        let lives = timeout(PROBE_TIMEOUT, health).await;
        let is_ours = |body: &[u8]| {
            let health: Value = serde_json::from_slice(body).unwrap_or_default();
            health.get("status").and_then(Value::as_str) == Some("live")
        };
        if !lives.is_ok_and(|response| response.is_ok_and(|(_, body)| is_ours(&body))) {
            return RemoteOutcome::Unavailable;
        }
        let mut headers = self.auth_headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(json!({ "query": query }).to_string());
        let asking = self.send_request(Method::POST, "/v1/search", headers, body, connector);
        let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", self.timeout.as_secs()));
        match timeout(self.timeout, asking).await.unwrap_or_else(|_| Err(late())) {
            Ok((status, body)) => self.parse_response(status, &body),
            Err(failure) => {
                let message = format!("the gateway at {}: {}", self.address, failure.message);
                RemoteOutcome::Completed(Err(SearchFailure::from_failure(failure, message)))
            }
        }
    }

    async fn send_request(
        &self,
        method: Method,
        route: &str,
        mut headers: HeaderMap,
        body: Bytes,
        connector: &dyn Connector,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let agent = HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION")));
        headers.insert(USER_AGENT, agent);
        let response = self.address.send(method, route, headers, body, connector).await?;
        Ok((response.status, read_body(response.body, MAX_RESPONSE_BYTES).await?))
    }

    fn parse_response(&self, status: StatusCode, body: &[u8]) -> RemoteOutcome {
        let (address, value) = (&self.address, serde_json::from_slice(body).unwrap_or(Value::Null));
        if let Some(found) = SearchResult::from_json(&value).filter(|_| status.is_success()) {
            return RemoteOutcome::Completed(Ok(found));
        }
        let word = |key: &str| value.pointer(&format!("/error/{key}")).and_then(Value::as_str);
        let message = word("message").map_or_else(|| format!("it returned status {status}"), str::to_owned);
        let code = word("code").unwrap_or_default();
        match code {
            // One of before there was a search.
            "no_route" => RemoteOutcome::Unavailable,
            "missing_key" => {
                let message = format!("the gateway at {address}: {message}");
                RemoteOutcome::NoKey(SearchFailure::new(SearchFailureKind::MissingKey, message))
            }
            "invalid_api_key" => RemoteOutcome::Completed(Err(SearchFailure::new(
                SearchFailureKind::GatewayAuth,
                format!(
                    "the gateway at {address} requires another token than gateway.auth in this configuration; `web-search --local` searches \
                     without it"
                ),
            ))),
            _ => {
                let kind = SearchFailureKind::from_code(code).unwrap_or(SearchFailureKind::Gateway);
                let message = format!("{message} (through the gateway at {address})");
                RemoteOutcome::Completed(Err(SearchFailure::new(kind, message)))
            }
        }
    }
}
