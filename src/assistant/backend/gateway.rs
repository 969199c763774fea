//! Sends requests to the running gateway, as its clients do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::outcome::RequestOutcome;
use super::{BackendError, BackendResponse};
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::upstream::gateway_client::{self, GatewayAddress};
use crate::upstream::{Connector, UpstreamResponse, read_body};

/// A gateway that lives answers that it does at once.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest JSON of one request, in bytes.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// The route of the Messages API.
const MESSAGES_PATH: &str = "/v1/messages";

/// See the module.
pub(super) struct GatewayBackend {
    address: GatewayAddress,
    auth_headers: HeaderMap,
    connector: Arc<dyn Connector>,
}

impl GatewayBackend {
    pub(super) fn new(address: GatewayAddress, settings: &Settings, connector: Arc<dyn Connector>) -> Self {
        Self { address, auth_headers: gateway_client::build_auth_headers(settings), connector }
    }

    /// `/health` needs no token, and its connection serves for the request that follows.
    pub(super) async fn check_ready(&self) -> Result<(), BackendError> {
        let asked = async {
            let response = self.send_http(Method::GET, "/health", HeaderMap::new(), Bytes::new()).await?;
            read_body(response.body, MAX_RECORD_BYTES).await
        };
        match timeout(RESPONSE_TIMEOUT, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => Err(self.unreachable_error(&failure.message)),
            Err(_) => {
                Err(self.unreachable_error(&format!("no answer within {} s", RESPONSE_TIMEOUT.as_secs())))
            }
        }
    }

    pub(super) async fn send_request(
        &self,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<BackendResponse, BackendError> {
        let sent = self.send_http(Method::POST, MESSAGES_PATH, headers, body).await;
        let response = sent.map_err(|failure| match failure.reason {
            Reason::Network => self.unreachable_error(&failure.message),
            reason => BackendError {
                kind: reason.as_str(),
                message: failure.message,
                id: None,
                header_outcome: RequestOutcome::default(),
            },
        })?;
        let id = header_text(&response.headers, "x-moonrelay-request-id");
        let head = RequestOutcome::from_headers(&response.headers);
        if response.status == StatusCode::OK {
            return Ok(BackendResponse {
                id: id.unwrap_or_default(),
                body: response.body,
                header_outcome: head,
            });
        }
        Err(self.read_error(response, id, head).await)
    }

    /// The gateway waits until the request's record is there, for a while.
    pub(super) async fn fetch_outcome(&self, id: &str) -> Option<RequestOutcome> {
        let asked = async {
            let response = self
                .send_http(Method::GET, &format!("/requests/{id}"), HeaderMap::new(), Bytes::new())
                .await
                .ok()?;
            let is_there = response.status == StatusCode::OK;
            let body = read_body(response.body, MAX_RECORD_BYTES).await.ok()?;
            is_there.then(|| serde_json::from_slice(&body).ok()).flatten()
        };
        let value: Value = timeout(RESPONSE_TIMEOUT, asked).await.ok()??;
        RequestOutcome::from_json(&value)
    }

    async fn send_http(
        &self,
        method: Method,
        route: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<UpstreamResponse, Failure> {
        headers.extend(self.auth_headers.clone());
        self.address.send(method, route, headers, body, self.connector.as_ref()).await
    }

    fn unreachable_error(&self, why: &str) -> BackendError {
        let message = format!(
            "no gateway answers at {} ({why}); start it with `moonrelay gateway start`, or ask without one: --local",
            self.address
        );
        BackendError { kind: "gateway_down", message, id: None, header_outcome: RequestOutcome::default() }
    }

    async fn read_error(
        &self,
        response: UpstreamResponse,
        id: Option<String>,
        mut head: RequestOutcome,
    ) -> BackendError {
        let status = response.status;
        let body = read_body(response.body, MAX_RECORD_BYTES).await.unwrap_or_default();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = value.get("error").unwrap_or(&Value::Null);
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        head.add_error_attempts(error.get("attempts").unwrap_or(&Value::Null));
        let mut message =
            text("message").map_or_else(|| format!("the gateway answered {status}"), str::to_owned);
        let kind = match (status, head.attempts.is_empty()) {
            (StatusCode::UNAUTHORIZED, true) => {
                message = format!(
                    "{message} (the gateway at {} asks for another token than gateway.auth has here)",
                    self.address
                );
                Reason::Auth.as_str()
            }
            (StatusCode::NOT_FOUND, true) if text("code") == Some("model_not_found") => "unknown_model",
            _ => head.reason().or_else(|| reason_from_status(status)).unwrap_or(Reason::Server).as_str(),
        };
        // A request refused before any attempt has no further details to fetch.
        let id = id.filter(|_| !head.attempts.is_empty());
        BackendError { kind, message, id, header_outcome: head }
    }
}

fn reason_from_status(status: StatusCode) -> Option<Reason> {
    status.is_client_error().then_some(Reason::BadRequest)
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
