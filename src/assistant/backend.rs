//! The backend of a turn: the running gateway, or a gateway core in this process.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{self, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::answer_reader::AnswerReader;
use super::outcome::{RequestOutcome, TurnEvent, TurnFailure};
use crate::config::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::record::{Record, RequestId};
use crate::routing::{Answer, ClientRequest, Engine, RecordSink, RequestError};
use crate::upstream::gateway_client::{self, GatewayAddress};
use crate::upstream::{ByteStream, Connector, UpstreamResponse, read_body};

/// The user agent sent to gateways and providers.
pub const USER_AGENT: &str = concat!("moonrelay/", env!("CARGO_PKG_VERSION"));

/// A running gateway answers `/health` and `/requests` at once.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest JSON of one request, in bytes.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// Resolves when the user stops the turn.
pub(super) type StopSignal<'s> = Pin<&'s mut (dyn Future<Output = ()> + Send)>;

/// The running gateway or the local core.
pub struct Backend {
    kind: BackendKind,
    settings: Arc<Settings>,
}

enum BackendKind {
    Gateway(GatewayBackend),
    Local(LocalBackend),
}

/// A response whose head has arrived, or a failed request.
struct BackendResponse {
    /// The request's id, if its outcome can be fetched.
    id: Option<String>,
    /// The outcome as far as the response head reports it.
    head: RequestOutcome,
    body: Result<ByteStream, TurnFailure>,
}

impl BackendResponse {
    fn failed(failure: TurnFailure) -> Self {
        Self { id: None, head: RequestOutcome::default(), body: Err(failure) }
    }
}

/// The answer to a request, as far as it arrived, its outcome, and why it is incomplete.
pub(super) struct RequestResult {
    pub(super) answer: AnswerReader,
    pub(super) outcome: RequestOutcome,
    pub(super) end: Result<(), TurnFailure>,
}

impl Backend {
    /// Uses the gateway at this address.
    #[must_use]
    pub fn new_gateway(
        settings: Arc<Settings>,
        address: GatewayAddress,
        connector: Arc<dyn Connector>,
    ) -> Self {
        let auth_headers = gateway_client::build_auth_headers(&settings);
        Self { kind: BackendKind::Gateway(GatewayBackend { address, auth_headers, connector }), settings }
    }

    /// Calls providers from this process; `also` receives each usage record too.
    #[must_use]
    pub fn new_local(settings: Arc<Settings>, connector: Arc<dyn Connector>, also: RecordSink) -> Self {
        let last_record: Arc<Mutex<Option<Record>>> = Arc::default();
        let kept = last_record.clone();
        let sink: RecordSink = Arc::new(move |record: Record| {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
            also(record);
        });
        let engine = Engine::new(settings.clone(), connector, sink);
        Self { kind: BackendKind::Local(LocalBackend { engine, last_record }), settings }
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
    /// A message with the fix, of type `gateway_down`.
    pub(super) async fn check_ready(&self) -> Result<(), TurnFailure> {
        match &self.kind {
            BackendKind::Gateway(gateway) => gateway.check_ready().await,
            BackendKind::Local(_) => Ok(()),
        }
    }

    /// Sends a streamed Messages request, reports the answer as it arrives, and returns the outcome.
    pub(super) async fn run_request(
        &self,
        body: Bytes,
        session: &str,
        stop: &mut StopSignal<'_>,
        on_event: &mut (dyn FnMut(TurnEvent) + Send),
    ) -> RequestResult {
        let headers = self.request_headers(session);
        let send = async {
            match &self.kind {
                BackendKind::Gateway(gateway) => gateway.send_request(body, headers).await,
                BackendKind::Local(local) => local.send_request(body, headers).await,
            }
        };
        let response = tokio::select! {
            biased;
            () = stop.as_mut() => BackendResponse::failed(TurnFailure::aborted()),
            response = send => response,
        };
        let mut answer = AnswerReader::new();
        let mut end = match response.body {
            Ok(body) => read_answer(body, &mut answer, stop, on_event).await,
            Err(failure) => Err(failure),
        };
        // The connection is closed by now, so the record of the stopped request will arrive soon.
        let outcome = match &self.kind {
            BackendKind::Gateway(gateway) => gateway.fetch_outcome(response.id.as_deref()).await,
            BackendKind::Local(local) => local.take_outcome(),
        };
        let outcome = outcome.unwrap_or(response.head);
        if let (Err(failure), Some(reason)) = (&mut end, outcome.reason())
            && failure.kind == Reason::Server.as_str()
        {
            failure.kind = reason.as_str();
        }
        RequestResult { answer, outcome, end }
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

/// Reads an answer to its end.
async fn read_answer(
    mut body: ByteStream,
    answer: &mut AnswerReader,
    stop: &mut StopSignal<'_>,
    on_event: &mut (dyn FnMut(TurnEvent) + Send),
) -> Result<(), TurnFailure> {
    loop {
        let chunk = tokio::select! {
            biased;
            () = stop.as_mut() => return Err(TurnFailure::aborted()),
            chunk = body.next() => chunk,
        };
        let Some(chunk) = chunk else { break };
        let bytes = chunk.map_err(|failure| TurnFailure::new(Reason::Truncated.as_str(), failure.message))?;
        let pushed = answer.push(bytes, on_event);
        pushed.map_err(|error| TurnFailure::new(Reason::Server.as_str(), error.to_string()))?;
    }
    match (answer.stop_reason(), &answer.error_message) {
        (Some(_), _) => Ok(()),
        (None, Some(message)) => Err(TurnFailure::new(Reason::Server.as_str(), message.clone())),
        (None, None) => Err(TurnFailure::new(Reason::Truncated.as_str(), "the answer was interrupted")),
    }
}

/// Requests to a running gateway.
struct GatewayBackend {
    address: GatewayAddress,
    auth_headers: HeaderMap,
    connector: Arc<dyn Connector>,
}

impl GatewayBackend {
    /// `/health` needs no token, and its connection serves for the request that follows.
    async fn check_ready(&self) -> Result<(), TurnFailure> {
        match timeout(RESPONSE_TIMEOUT, self.get("/health")).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => Err(self.unreachable_error(&failure.message)),
            Err(_) => {
                Err(self.unreachable_error(&format!("no answer within {} s", RESPONSE_TIMEOUT.as_secs())))
            }
        }
    }

    async fn send_request(&self, body: Bytes, headers: HeaderMap) -> BackendResponse {
        let response = match self.send(Method::POST, "/v1/messages", headers, body).await {
            Ok(response) => response,
            Err(failure) if failure.reason == Reason::Network => {
                return BackendResponse::failed(self.unreachable_error(&failure.message));
            }
            Err(failure) => {
                return BackendResponse::failed(TurnFailure::new(failure.reason.as_str(), failure.message));
            }
        };
        let id = response.headers.get("x-moonrelay-request-id").and_then(|id| id.to_str().ok());
        let id = id.map(str::to_owned);
        let head = RequestOutcome::from_headers(&response.headers);
        if response.status == StatusCode::OK {
            return BackendResponse { id, head, body: Ok(response.body) };
        }
        let failure = self.read_error(response, &head).await;
        // A request refused before any attempt has no further details to fetch.
        let id = id.filter(|_| !head.attempts.is_empty());
        BackendResponse { id, head, body: Err(failure) }
    }

    /// The gateway waits until the request's record is there, for a while.
    async fn fetch_outcome(&self, id: Option<&str>) -> Option<RequestOutcome> {
        let route = format!("/requests/{}", id?);
        let (status, body) = timeout(RESPONSE_TIMEOUT, self.get(&route)).await.ok()?.ok()?;
        let value = serde_json::from_slice(&body).ok().filter(|_| status == StatusCode::OK)?;
        RequestOutcome::from_json(&value)
    }

    async fn get(&self, route: &str) -> Result<(StatusCode, Bytes), Failure> {
        let response = self.send(Method::GET, route, HeaderMap::new(), Bytes::new()).await?;
        Ok((response.status, read_body(response.body, MAX_RECORD_BYTES).await?))
    }

    async fn send(
        &self,
        method: Method,
        route: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<UpstreamResponse, Failure> {
        headers.extend(self.auth_headers.clone());
        self.address.send(method, route, headers, body, self.connector.as_ref()).await
    }

    fn unreachable_error(&self, why: &str) -> TurnFailure {
        let message = format!(
            "cannot reach a gateway at {} ({why}). Start it with `moonrelay gateway start`, or use --local.",
            self.address
        );
        TurnFailure::new("gateway_down", message)
    }

    async fn read_error(&self, response: UpstreamResponse, head: &RequestOutcome) -> TurnFailure {
        let status = response.status;
        let body = read_body(response.body, MAX_RECORD_BYTES).await.unwrap_or_default();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let error = &value["error"];
        let message = error["message"].as_str();
        let message = message.map_or_else(|| format!("the gateway returned status {status}"), str::to_owned);
        match (status, head.attempts.is_empty()) {
            (StatusCode::UNAUTHORIZED, true) => TurnFailure::new(
                Reason::Auth.as_str(),
                format!(
                    "{message} (the gateway at {} requires another token than gateway.auth in this configuration)",
                    self.address
                ),
            ),
            (StatusCode::NOT_FOUND, true) if error["code"] == "model_not_found" => {
                TurnFailure::new("unknown_model", message)
            }
            _ => {
                let by_status = if status.is_client_error() { Reason::BadRequest } else { Reason::Server };
                TurnFailure::new(head.reason().unwrap_or(by_status).as_str(), message)
            }
        }
    }
}

/// Requests to the providers.
struct LocalBackend {
    engine: Engine,
    /// The record of the last request, until its outcome is taken.
    last_record: Arc<Mutex<Option<Record>>>,
}

impl LocalBackend {
    async fn send_request(&self, body: Bytes, headers: HeaderMap) -> BackendResponse {
        let request = ClientRequest {
            id: RequestId::now(),
            api: Api::Messages,
            client: None,
            headers,
            body,
            is_fallback_disabled: false,
            is_compaction: false,
        };
        // Boxed, because the future of a request is large.
        let body: Result<ByteStream, TurnFailure> = match Box::pin(self.engine.answer(request)).await {
            Ok(Answer::Stream { body, .. }) => Ok(Box::pin(body.map(Ok))),
            Ok(Answer::Complete { body, .. }) => {
                Ok(Box::pin(futures_util::stream::iter([Ok(body.to_bytes())])))
            }
            Err(error @ RequestError::UnknownModel { .. }) => {
                Err(TurnFailure::new("unknown_model", error.to_string()))
            }
            Err(error) => Err(TurnFailure::new(error.reason().as_str(), error.to_string())),
        };
        // The record has the outcome.
        BackendResponse { id: None, head: RequestOutcome::default(), body }
    }

    fn take_outcome(&self) -> Option<RequestOutcome> {
        let record = self.last_record.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(RequestOutcome::from_record(&record))
    }
}
