//! Sends traces to a collector over the one HTTP client.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use tokio::time::{sleep, timeout};
use tracing::warn;
use url::Url;

use crate::config::settings::{Provider, Settings};
use crate::failure::{Failure, Reason};
use crate::routing::retry::compute_delay;
use crate::telemetry::traces::{TraceConfig, TraceTransport};
use crate::upstream::{Connector, UpstreamRequest, parse_retry_after, read_capped_body};

/// The limit of one call, including its response.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of calls for the same spans.
const MAX_ATTEMPTS: u32 = 3;
const BACKOFF_INITIAL: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A collector's Retry-After delays later spans at most this long.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
/// A collector's response contains at most what it rejected.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// Sends encoded spans. Retries a few times where that can help.
pub(super) struct OtlpClient {
    connector: Arc<dyn Connector>,
    last_error: Mutex<String>,
    /// Whether a rejection was logged since the last call that was accepted completely.
    is_rejecting_spans: AtomicBool,
}

impl OtlpClient {
    pub(super) fn new(connector: Arc<dyn Connector>) -> Self {
        Self { connector, last_error: Mutex::default(), is_rejecting_spans: AtomicBool::default() }
    }

    fn lock_last_error(&self) -> MutexGuard<'_, String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION"))));
        // OTEL_EXPORTER_OTLP_HEADERS may hold a key.
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        let call = UpstreamRequest {
            method: Method::POST,
            url: head.uri.to_string().into(),
            headers,
            body: vec![body],
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let late = || format!("no response within {} s", CALL_TIMEOUT.as_secs());
            let answer = timeout(CALL_TIMEOUT, self.send_once(call.clone())).await;
            let answer = answer.unwrap_or_else(|_| Err(Failure::new(Reason::Timeout, late())));
            *self.lock_last_error() = match &answer {
                Ok(answer) => format!("it responds with {}", answer.status()),
                Err(failure) => failure.message.clone(),
            };
            let requested = match &answer {
                Ok(answer) if is_retryable(answer.status()) => {
                    parse_retry_after(answer.headers(), SystemTime::now()).unwrap_or_default()
                }
                Ok(accepted) => {
                    self.report_rejected_spans(accepted);
                    return answer.map_err(|failure| failure.message.into());
                }
                Err(_) => Duration::ZERO,
            };
            if attempts == MAX_ATTEMPTS {
                return answer.map_err(|failure| failure.message.into());
            }
            let own_delay = compute_delay(attempts, BACKOFF_INITIAL, BACKOFF_MAX, fastrand::f64());
            sleep(requested.clamp(own_delay, MAX_RETRY_AFTER)).await;
        }
    }

    /// A collector can accept a call and reject some of its spans. That is logged once, until it accepts a
    /// whole call. Its message is not logged: the collector knows its key, and may repeat it.
    fn report_rejected_spans(&self, response: &Response<Bytes>) {
        if !response.status().is_success() {
            return;
        }
        let rejected = count_rejected_spans(response.body());
        if rejected > 0 && !self.is_rejecting_spans.swap(true, Ordering::Relaxed) {
            warn!("the trace collector rejected {rejected} spans; its log has the reason");
        }
        if rejected == 0 {
            self.is_rejecting_spans.store(false, Ordering::Relaxed);
        }
    }

    async fn send_once(&self, call: UpstreamRequest) -> Result<Response<Bytes>, Failure> {
        let received = self.connector.send(call).await?;
        let body = read_capped_body(&received.headers, received.body, MAX_RESPONSE_BYTES, CALL_TIMEOUT).await;
        let mut response = Response::new(body);
        *response.status_mut() = received.status;
        *response.headers_mut() = received.headers;
        Ok(response)
    }
}

/// The number of rejected spans. A body that does not follow the protocol counts as 0. Source: OpenTelemetry
/// protocol specification, "OTLP/HTTP Response": "Partial Success".
fn count_rejected_spans(body: &Bytes) -> i64 {
    let response = ExportTraceServiceResponse::decode(body.clone()).ok();
    let partial = response.and_then(|response| response.partial_success);
    partial.map_or(0, |ExportTracePartialSuccess { rejected_spans, .. }| rejected_spans)
}

/// Source: OpenTelemetry protocol specification, "OTLP/HTTP Response": "Retryable Response Codes".
fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// Without the calls, whose headers may contain a key.
impl fmt::Debug for OtlpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpClient").finish_non_exhaustive()
    }
}

impl HttpClient for OtlpClient {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.post(request))
    }
}

impl TraceTransport for OtlpClient {
    fn last_error(&self) -> String {
        self.lock_last_error().clone()
    }
}

/// The trace settings. The APIs of a provider share their host.
pub(super) fn build_trace_config(settings: &Settings) -> TraceConfig {
    let find_server = |provider: &Provider| {
        let url = Url::parse(&provider.apis.first()?.1).ok()?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
    };
    let servers =
        settings.providers.iter().filter_map(|(id, provider)| Some((id.clone(), find_server(provider)?)));
    TraceConfig { endpoint: settings.otlp_endpoint.clone(), servers: servers.collect() }
}
