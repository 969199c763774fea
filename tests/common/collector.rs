//! A trace collector (OTLP over HTTP) that stores what it receives and answers as configured.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::process::PATIENCE;

/// Attributes by name.
pub(crate) type Attributes = BTreeMap<String, Value>;

/// One call.
pub(crate) struct Posted {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// As it came.
    pub(crate) body: Bytes,
}

/// One span.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Its name.
    pub(crate) name: String,
    pub(crate) kind: otlp::span::SpanKind,
    /// In hexadecimal.
    pub(crate) trace: String,
    /// In hexadecimal.
    pub(crate) id: String,
    /// In hexadecimal; empty if there is none.
    pub(crate) parent: String,
    /// In nanoseconds since 1970: its start and its end.
    pub(crate) time: (u64, u64),
    pub(crate) attributes: Attributes,
    pub(crate) events: Vec<(String, Attributes)>,
    /// The status' code: unset, ok, error.
    pub(crate) status: otlp::status::StatusCode,
}

impl Posted {
    /// As the protocol has it.
    pub(crate) fn decoded(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(self.body.clone()).expect("a request of the protocol")
    }

    /// The attributes of the resource.
    pub(crate) fn resource(&self) -> Attributes {
        let decoded = self.decoded();
        assert_eq!(decoded.resource_spans.len(), 1, "one process");
        attributes(&decoded.resource_spans[0].resource.as_ref().unwrap().attributes)
    }

    /// All of its spans.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let scopes = self.decoded().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(span).collect()
    }
}

fn span(span: otlp::Span) -> Span {
    Span {
        kind: span.kind(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(|event| (event.name.clone(), attributes(&event.attributes))).collect(),
        status: span.status.as_ref().map_or(otlp::status::StatusCode::Unset, otlp::Status::code),
        name: span.name,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    let value = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => json!(text),
        Some(any_value::Value::BoolValue(flag)) => json!(flag),
        Some(any_value::Value::IntValue(number)) => json!(number),
        Some(any_value::Value::DoubleValue(number)) => json!(number),
        other => panic!("unexpected value {other:?}"),
    };
    let found: Attributes = pairs.iter().map(|pair| (pair.key.clone(), value(&pair.value))).collect();
    assert_eq!(found.len(), pairs.len(), "a name stands once: {pairs:?}");
    found
}

/// Why spans are left out.
pub(crate) const LEFT_OUT: &str = "the key sk-of-the-collector may send no more";

/// How the next call is answered.
enum Order {
    /// At once, with this Retry-After.
    At(StatusCode, Option<&'static str>),
    /// At once, and so many spans were left out.
    LeavesOut(i64),
    /// Answers with success once this is set or dropped.
    Held(oneshot::Receiver<()>),
}

/// It listens until it is dropped.
pub(crate) struct Collector {
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    posted: mpsc::UnboundedReceiver<Posted>,
    orders: Arc<Mutex<VecDeque<Order>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Collector {
    /// Takes everything.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (sender, posted) = mpsc::unbounded_channel();
        let orders: Arc<Mutex<VecDeque<Order>>> = Arc::default();
        let ordered = orders.clone();
        let router =
            axum::Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
                let order = ordered.lock().unwrap().pop_front();
                // The test may have ended already.
                let _ = sender.send(Posted { path: uri.path().to_owned(), headers, body });
                let (mut answer, mut reported) = (HeaderMap::new(), ExportTraceServiceResponse::default());
                let status = match order {
                    None => StatusCode::OK,
                    Some(Order::Held(released)) => {
                        let _ = released.await;
                        StatusCode::OK
                    }
                    Some(Order::LeavesOut(rejected_spans)) => {
                        let error_message = LEFT_OUT.to_owned();
                        reported.partial_success =
                            Some(ExportTracePartialSuccess { rejected_spans, error_message });
                        StatusCode::OK
                    }
                    Some(Order::At(status, wait)) => {
                        answer.extend(
                            wait.map(|wait| (axum::http::header::RETRY_AFTER, wait.parse().unwrap())),
                        );
                        status
                    }
                };
                // An empty message is a full success.
                (status, answer, reported.encode_to_vec())
            });
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, posted, orders, serving }
    }

    /// Answers one call more like this.
    pub(crate) fn answers(&self, status: u16, retry_after: Option<&'static str>) {
        let order = Order::At(StatusCode::from_u16(status).unwrap(), retry_after);
        self.orders.lock().unwrap().push_back(order);
    }

    /// Takes one call more, and leaves so many spans out.
    pub(crate) fn leaves_out(&self, spans: i64) {
        self.orders.lock().unwrap().push_back(Order::LeavesOut(spans));
    }

    /// Holds the answer to one call more until the sender is used or dropped.
    pub(crate) fn holds(&self) -> oneshot::Sender<()> {
        let (release, released) = oneshot::channel();
        self.orders.lock().unwrap().push_back(Order::Held(released));
        release
    }

    /// The next call.
    pub(crate) async fn next(&mut self) -> Posted {
        let next = tokio::time::timeout(PATIENCE, self.posted.recv());
        next.await.expect("spans are sent").expect("it listens")
    }

    /// The spans of so many requests, each with its own span first.
    pub(crate) async fn requests(&mut self, count: usize) -> Vec<Vec<Span>> {
        let mut requests: Vec<Vec<Span>> = Vec::new();
        while requests.len() < count {
            for span in self.next().await.spans() {
                if span.kind == otlp::span::SpanKind::Server {
                    requests.push(vec![span]);
                } else {
                    requests.last_mut().expect("a request's span is the first").push(span);
                }
            }
        }
        assert_eq!(requests.len(), count, "{requests:?}");
        requests
    }

    /// Bytes that were received and not read yet.
    pub(crate) fn rest(&mut self) -> usize {
        std::iter::from_fn(|| self.posted.try_recv().ok()).count()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
