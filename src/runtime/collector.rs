//! The way to a collector of traces, over the one HTTP client.

use std::collections::BTreeMap;
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
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::warn;
use url::Url;

use crate::config::settings::{Provider, Settings};
use crate::failure::{Failure, Reason};
use crate::policy::backoff;
use crate::telemetry::traces::{Carrier, Exporter, Server, Wish};
use crate::upstream::{Call, Connector, read_capped, retry_after};

/// For one call, its answer included.
const LIMIT: Duration = Duration::from_secs(10);
/// So many calls for the same spans.
const TRIES: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// The longest that a collector's Retry-After holds up the spans behind.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A collector's answer says at most what it did not take.
const ANSWER: usize = 64 << 10;
/// A stop waits no longer for what is not sent yet.
const FLUSH: Duration = Duration::from_secs(3);

/// Sends what the exporter has encoded, a few times where that can help.
pub(super) struct Collector {
    connector: Arc<dyn Connector>,
    trouble: Mutex<String>,
    /// It left spans out, and that was said.
    leaves_out: AtomicBool,
}

impl Collector {
    pub(super) fn new(connector: Arc<dyn Connector>) -> Self {
        Self { connector, trouble: Mutex::default(), leaves_out: AtomicBool::default() }
    }

    fn trouble(&self) -> MutexGuard<'_, String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("moonrelay/", env!("CARGO_PKG_VERSION"))));
        // OTEL_EXPORTER_OTLP_HEADERS may hold a key.
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        let call = Call { method: Method::POST, url: head.uri.to_string().into(), headers, body: vec![body] };
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = match timeout(LIMIT, self.once(call.clone())).await {
                Ok(answer) => answer,
                Err(_) => {
                    let why = format!("no answer within {} s", LIMIT.as_secs());
                    Err(Failure::new(Reason::Timeout, why))
                }
            };
            *self.trouble() = match &answer {
                Ok(answer) => format!("it answers {}", answer.status()),
                Err(failure) => failure.message.clone(),
            };
            let asked = match &answer {
                Ok(answer) if is_temporary(answer.status()) => {
                    retry_after(answer.headers(), SystemTime::now()).unwrap_or_default()
                }
                Ok(taken) => {
                    self.heed(taken);
                    return answer.map_err(told);
                }
                Err(_) => Duration::ZERO,
            };
            if tries == TRIES {
                return answer.map_err(told);
            }
            let ours = backoff::wait(tries, BACKOFF, BACKOFF_MAX, fastrand::f64());
            sleep(asked.clamp(ours, LONGEST_WAIT)).await;
        }
    }

    /// A collector can take a call and leave spans of it out: said once, until it takes a call whole. Its own words
    /// are not: it knows its key, and may repeat it.
    fn heed(&self, answer: &Response<Bytes>) {
        if !answer.status().is_success() {
            return;
        }
        let left_out = left_out(answer.body());
        if left_out > 0 && !self.leaves_out.swap(true, Ordering::Relaxed) {
            warn!(
                "the collector of traces does not take all: it left out {left_out} spans; its log says why"
            );
        }
        if left_out == 0 {
            self.leaves_out.store(false, Ordering::Relaxed);
        }
    }

    async fn once(&self, call: Call) -> Result<Response<Bytes>, Failure> {
        let answer = self.connector.send(call).await?;
        let body = read_capped(&answer.headers, answer.body, ANSWER, LIMIT).await;
        let mut response = Response::new(body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}

fn told(failure: Failure) -> HttpError {
    failure.message.into()
}

/// How many spans. What is not of the protocol says nothing. Source: OpenTelemetry protocol specification, "OTLP/HTTP
/// Response": "Partial Success".
fn left_out(body: &Bytes) -> i64 {
    let partial = |told: ExportTraceServiceResponse| told.partial_success;
    let told = ExportTraceServiceResponse::decode(body.clone()).ok().and_then(partial);
    told.map_or(0, |ExportTracePartialSuccess { rejected_spans, .. }| rejected_spans)
}

/// Source: OpenTelemetry protocol specification, "OTLP/HTTP Response": "Retryable Response Codes".
fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// Nothing of the calls.
impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl HttpClient for Collector {
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

impl Carrier for Collector {
    fn trouble(&self) -> String {
        self.trouble().clone()
    }
}

/// What the settings want of traces.
pub(super) fn wish(settings: &Settings) -> Wish {
    let servers: BTreeMap<String, Server> = settings
        .providers
        .iter()
        .filter_map(|(id, provider)| Some((id.clone(), server(provider)?)))
        .collect();
    Wish { endpoint: settings.otlp_endpoint.clone(), servers }
}

/// The faces of a provider share their host.
fn server(provider: &Provider) -> Option<Server> {
    let (_, base) = provider.faces.first()?;
    let url = Url::parse(base).ok()?;
    Some(Server { address: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
}

/// The task that sends traces.
pub(super) struct Sending {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Sending {
    pub(super) fn begin(exporter: Exporter) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(exporter.run(async {
            // Who drops it means it too.
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    /// Sends what waits, as far as there is time.
    pub(super) async fn finish(self) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if timeout(FLUSH, &mut task).await.is_err() {
            task.abort();
            warn!("the last traces are lost: the collector takes longer than {} s", FLUSH.as_secs());
        }
    }
}
