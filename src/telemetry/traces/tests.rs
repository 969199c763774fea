use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::trace::{SpanId, SpanKind};
use opentelemetry_http::{HttpClient, HttpError};

use super::*;
use crate::protocol::api::Api;
use crate::record::{Attempt, AttemptOutcome, RequestId};

#[derive(Debug)]
struct SilentCollector;

impl HttpClient for SilentCollector {
    fn send_bytes<'s, 'f>(
        &'s self,
        _: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(std::future::pending())
    }
}

impl TraceTransport for SilentCollector {
    fn last_error(&self) -> String {
        String::new()
    }
}

fn record() -> Record {
    Record {
        received_at: SystemTime::UNIX_EPOCH,
        duration: Duration::from_secs(1),
        ..Record::new(RequestId::now(), "test".to_owned(), Api::ChatCompletions)
    }
}

fn config() -> TraceConfig {
    TraceConfig { endpoint: Some("http://127.0.0.1:1/".to_owned()), servers: BTreeMap::new() }
}

fn traces() -> (Traces, Arc<AtomicU64>, Exporter) {
    let dropped = Arc::<AtomicU64>::default();
    let (traces, exporter) = channel(Arc::new(SilentCollector), dropped.clone());
    traces.set_config(config());
    (traces, dropped, exporter)
}

#[test]
fn full_queue_counts_lost_requests_and_no_endpoint_makes_no_spans() {
    let (traces, dropped, _exporter) = traces();
    for _ in 0..QUEUE_CAPACITY + 5 {
        traces.record(&record());
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 5);
    traces.set_config(TraceConfig::default());
    traces.record(&record());
    assert_eq!(dropped.load(Ordering::Relaxed), 5);
}

#[tokio::test(start_paused = true)]
async fn stop_ends_the_task_when_the_queue_is_empty() {
    let (traces, dropped, exporter) = traces();
    exporter.run(std::future::ready(())).await;
    traces.record(&record());
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "the exporter has ended");
}

#[test]
fn disconnected_client_is_not_an_error() {
    let attempt = Attempt {
        reference: "openrouter/a/b".to_owned(),
        outcome: AttemptOutcome::Cancelled,
        detail: "a detail".to_owned(),
        timeout: None,
        start_offset: Duration::from_millis(10),
        duration: Duration::from_millis(20),
        usage: None,
        cost: None,
    };
    let spans = spans::build_spans(&Record { attempts: vec![attempt], ..record() }, &BTreeMap::new())
        .expect("the trace is sampled");
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["relay", "chat a/b"], "a request without a model has a short name");
    assert_eq!((spans[0].parent_span_id, &spans[0].span_kind), (SpanId::INVALID, &SpanKind::Server));
    assert_eq!(spans[1].end_time, SystemTime::UNIX_EPOCH + Duration::from_millis(30));
    let text = format!("{spans:?}");
    assert!(
        text.contains("abandoned") && !text.contains("error.type") && !text.contains("a detail"),
        "{text}"
    );
}
