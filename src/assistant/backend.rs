//! The backend of a turn: the running gateway, or a gateway core in this process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{self, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::assistant::outcome::RequestOutcome;
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};
use crate::routing::{Answer, ClientRequest, Engine, RecordSink, RequestError};
use crate::upstream::gateway_client::{self, GatewayAddress};
use crate::upstream::{ByteStream, Connector, UpstreamResponse, read_body};

/// The user agent sent to gateways and providers.
pub const USER_AGENT: &str = concat!("moonrelay/", env!("CARGO_PKG_VERSION"));

/// The running gateway or the local core.
pub struct Backend {
    kind: BackendKind,
    settings: Arc<Settings>,
}

enum BackendKind {
    Gateway(GatewayBackend),
    Local(LocalBackend),
}

/// An answer whose response headers have arrived.
pub(super) struct BackendResponse {
    /// The request's id.
    pub(super) id: String,
    /// The events.
    pub(super) body: ByteStream,
    /// What the response headers report about the request.
    pub(super) header_outcome: RequestOutcome,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) struct BackendError {
    /// Error type, as in the gateway's error objects.
    pub(super) kind: &'static str,
    /// Message for the user.
    pub(super) message: String,
    /// The request's id, if one was assigned.
    pub(super) id: Option<String>,
    /// What the error response reports about the request.
    pub(super) header_outcome: RequestOutcome,
}

impl Backend {
    /// Uses the gateway at this address.
    #[must_use]
    pub fn new_gateway(
        settings: Arc<Settings>,
        address: GatewayAddress,
        connector: Arc<dyn Connector>,
    ) -> Self {
        let gateway = GatewayBackend::new(address, &settings, connector);
        Self { kind: BackendKind::Gateway(gateway), settings }
    }

    /// Calls providers from this process; `also` receives each usage record too.
    #[must_use]
    pub fn new_local(settings: Arc<Settings>, connector: Arc<dyn Connector>, also: RecordSink) -> Self {
        let local = LocalBackend::new(settings.clone(), connector, also);
        Self { kind: BackendKind::Local(local), settings }
    }

    /// Whether providers are called from this process.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self.kind, BackendKind::Local(_))
    }

    /// The configuration.
    #[must_use]
    pub const fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Checks that the backend is available.
    ///
    /// # Errors
    /// A message with the fix, of type `gateway_down` or `auth`.
    pub(super) async fn check_ready(&self) -> Result<(), BackendError> {
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.check_ready().await,
            BackendKind::Local(_) => Ok(()),
        }
    }

    /// Sends a streamed Messages request for a session. Dropping the future or the answer cancels it.
    pub(super) async fn send_request(
        &self,
        body: Bytes,
        session: &str,
    ) -> Result<BackendResponse, BackendError> {
        let headers = self.request_headers(session);
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.send_request(body, headers).await,
            BackendKind::Local(local) => local.send_request(body, headers).await,
        }
    }

    /// The outcome of a request whose answer ended or was dropped; `None` selects the last request.
    pub(super) async fn fetch_outcome(&self, id: Option<&str>) -> Option<RequestOutcome> {
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.fetch_outcome(id?).await,
            BackendKind::Local(local) => local.take_outcome(id),
        }
    }

    fn request_headers(&self, session: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // The header is forwarded to the provider, so it is sent only if it affects which target answers.
        if self.settings.failover.keeps_fallback_for_session
            && let Ok(name) = HeaderValue::from_str(session)
        {
            headers.insert(HeaderName::from_static("x-session-id"), name);
        }
        headers
    }
}

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
        let request = async {
            let response = self.send_http(Method::GET, "/health", HeaderMap::new(), Bytes::new()).await?;
            read_body(response.body, MAX_RECORD_BYTES).await
        };
        match timeout(RESPONSE_TIMEOUT, request).await {
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
        let request = async {
            let response = self
                .send_http(Method::GET, &format!("/requests/{id}"), HeaderMap::new(), Bytes::new())
                .await
                .ok()?;
            let is_there = response.status == StatusCode::OK;
            let body = read_body(response.body, MAX_RECORD_BYTES).await.ok()?;
            is_there.then(|| serde_json::from_slice(&body).ok()).flatten()
        };
        let value: Value = timeout(RESPONSE_TIMEOUT, request).await.ok()??;
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
            "cannot reach a gateway at {} ({why}). Start it with `moonrelay gateway start`, or use --local.",
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
            text("message").map_or_else(|| format!("the gateway returned status {status}"), str::to_owned);
        let kind = match (status, head.attempts.is_empty()) {
            (StatusCode::UNAUTHORIZED, true) => {
                message = format!(
                    "{message} (the gateway at {} requires another token than gateway.auth in this configuration)",
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

/// See the module.
pub(super) struct LocalBackend {
    engine: Engine,
    /// Records of requests not yet fetched; a turn fetches each of its own.
    records: Arc<Mutex<Vec<Record>>>,
}

impl LocalBackend {
    pub(super) fn new(settings: Arc<Settings>, connector: Arc<dyn Connector>, also: RecordSink) -> Self {
        let records: Arc<Mutex<Vec<Record>>> = Arc::default();
        let kept = records.clone();
        let sink: RecordSink = Arc::new(move |record: Record| {
            lock_records(&kept).push(record.clone());
            also(record);
        });
        Self { engine: Engine::new(settings, connector, sink), records }
    }

    pub(super) async fn send_request(
        &self,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<BackendResponse, BackendError> {
        let id = RequestId::now();
        let request = ClientRequest {
            id,
            api: Api::Messages,
            client: None,
            headers,
            body,
            is_fallback_disabled: false,
        };
        // Boxed, because the future of a request is large.
        match Box::pin(self.engine.answer(request)).await {
            Ok(Answer::Stream { model, attempts, body, .. }) => {
                let head = RequestOutcome::from_head(model.as_deref(), &attempts);
                Ok(BackendResponse { id: id.to_string(), body: Box::pin(body.map(Ok)), header_outcome: head })
            }
            Ok(Answer::Complete { body, model, attempts, .. }) => {
                let head = RequestOutcome::from_head(Some(&model), &attempts);
                let body = futures_util::stream::iter([Ok(body.to_bytes())]);
                Ok(BackendResponse { id: id.to_string(), body: Box::pin(body), header_outcome: head })
            }
            Err(refusal) => Err(to_backend_error(id, &refusal)),
        }
    }

    pub(super) fn take_outcome(&self, id: Option<&str>) -> Option<RequestOutcome> {
        let mut records = lock_records(&self.records);
        let place = match id {
            Some(id) => {
                let id = id.parse().ok()?;
                records.iter().position(|record| record.request_id == id)?
            }
            None => records.len().checked_sub(1)?,
        };
        Some(RequestOutcome::from_record(&records.swap_remove(place)))
    }
}

fn lock_records(records: &Mutex<Vec<Record>>) -> MutexGuard<'_, Vec<Record>> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}

fn to_backend_error(id: RequestId, refusal: &RequestError) -> BackendError {
    let kind = match refusal {
        RequestError::UnknownModel { .. } => "unknown_model",
        _ => refusal.reason().as_str(),
    };
    let attempts = match refusal {
        RequestError::NoUsableTarget { attempts }
        | RequestError::AttemptsFailed { attempts, .. }
        | RequestError::ShuttingDown { attempts } => attempts.as_slice(),
        _ => &[],
    };
    BackendError {
        kind,
        message: refusal.to_string(),
        id: Some(id.to_string()),
        header_outcome: RequestOutcome::from_head(None, attempts),
    }
}
