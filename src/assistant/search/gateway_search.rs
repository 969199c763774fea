//! Searches through the running gateway: it may have the answer cached, has the service's key, and records usage.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::result::{SearchFailure, SearchFailureKind, SearchResult};
use crate::assistant::backend;
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::upstream::gateway_client::{self, GatewayAddress};
use crate::upstream::{Connector, read_body};

/// A running gateway answers `/health` at once.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// In addition to the gateway's own timeout of a search.
const EXTRA_TIMEOUT: Duration = Duration::from_secs(10);
/// Of an answer, in bytes; the gateway takes four megabytes itself, and JSON may escape each of them.
const MAX_RESPONSE_BYTES: usize = 32 << 20;

/// The gateway's address and the headers and timeout of its requests.
pub(super) struct GatewaySearch {
    address: GatewayAddress,
    auth_headers: HeaderMap,
    timeout: Duration,
}

impl GatewaySearch {
    pub(super) fn new(address: GatewayAddress, settings: &Settings) -> Self {
        let timeout = settings.web_search.timeout.saturating_mul(2).saturating_add(EXTRA_TIMEOUT);
        Self { address, auth_headers: gateway_client::build_auth_headers(settings), timeout }
    }

    /// `None` if no gateway runs, or it does not support searches.
    pub(super) async fn search(
        &self,
        query: &str,
        connector: &dyn Connector,
    ) -> Option<Result<SearchResult, SearchFailure>> {
        // Without the token, until the process has identified itself as a gateway.
        let health = self.send(Method::GET, "/health", HeaderMap::new(), Bytes::new(), connector);
        let (_, health) = timeout(PROBE_TIMEOUT, health).await.ok()?.ok()?;
        let health: Value = serde_json::from_slice(&health).unwrap_or_default();
        if health.get("status").and_then(Value::as_str) != Some("live") {
            return None;
        }
        let mut headers = self.auth_headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(json!({ "query": query }).to_string());
        let response = self.send(Method::POST, "/v1/search", headers, body, connector);
        let late = || Failure::new(Reason::Timeout, format!("no answer within {} s", self.timeout.as_secs()));
        match timeout(self.timeout, response).await.unwrap_or_else(|_| Err(late())) {
            Ok((status, body)) => self.parse_response(status, &body).transpose(),
            Err(failure) => {
                let message = format!("the gateway at {}: {}", self.address, failure.message);
                Some(Err(SearchFailure::from_failure(failure, message)))
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        route: &str,
        mut headers: HeaderMap,
        body: Bytes,
        connector: &dyn Connector,
    ) -> Result<(StatusCode, Bytes), Failure> {
        headers.insert(USER_AGENT, HeaderValue::from_static(backend::USER_AGENT));
        let response = self.address.send(method, route, headers, body, connector).await?;
        Ok((response.status, read_body(response.body, MAX_RESPONSE_BYTES).await?))
    }

    fn parse_response(&self, status: StatusCode, body: &[u8]) -> Result<Option<SearchResult>, SearchFailure> {
        let (address, value) = (&self.address, serde_json::from_slice(body).unwrap_or(Value::Null));
        if let Some(found) = SearchResult::from_json(&value).filter(|_| status.is_success()) {
            return Ok(Some(found));
        }
        let error = &value["error"];
        let message = error["message"].as_str();
        let message = message.map_or_else(|| format!("it returned status {status}"), str::to_owned);
        let (kind, message) = match error["code"].as_str().unwrap_or_default() {
            // A gateway of a version without searches.
            "no_route" => return Ok(None),
            "missing_key" => (SearchFailureKind::MissingKey, format!("the gateway at {address}: {message}")),
            "invalid_api_key" => (
                SearchFailureKind::GatewayAuth,
                format!(
                    "the gateway at {address} requires another token than gateway.auth in this configuration; `web-search --local` searches \
                     without it"
                ),
            ),
            code => (
                SearchFailureKind::from_code(code).unwrap_or(SearchFailureKind::Gateway),
                format!("{message} (through the gateway at {address})"),
            ),
        };
        Err(SearchFailure::new(kind, message))
    }
}
