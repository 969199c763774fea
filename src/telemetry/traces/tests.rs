//! What no process shows from outside: the bound of the queue, and spans of any record.

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
struct Nobody;

impl HttpClient for Nobody {
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

impl TraceTransport for Nobody {
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

fn wish() -> TraceConfig {
    TraceConfig { endpoint: Some("http://127.0.0.1:1/".to_owned()), servers: BTreeMap::new() }
}

#[test]
fn what_finds_no_room_is_counted_and_what_nobody_wants_is_not_made() {
    let (traces, _exporter) = channel(Arc::new(Nobody), wish());
    for _ in 0..QUEUE_CAPACITY + 5 {
        traces.record(&record());
    }
    assert_eq!(traces.dropped(), 5);
    traces.set_config(TraceConfig::default());
    traces.record(&record());
    assert_eq!(traces.dropped(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_task_when_the_queue_is_empty() {
    let (traces, exporter) = channel(Arc::new(Nobody), wish());
    exporter.run(std::future::ready(())).await;
    traces.record(&record());
    assert_eq!(traces.dropped(), 1, "nobody sends it any more");
}

#[test]
fn a_client_that_went_away_leaves_a_request_without_an_error() {
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
        .expect("it is sampled");
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["relay", "chat a/b"], "a request that names nothing is no name");
    assert_eq!((spans[0].parent_span_id, &spans[0].span_kind), (SpanId::INVALID, &SpanKind::Server));
    assert_eq!(spans[1].end_time, SystemTime::UNIX_EPOCH + Duration::from_millis(30));
    let said = format!("{spans:?}");
    assert!(
        said.contains("abandoned") && !said.contains("error.type") && !said.contains("a detail"),
        "{said}"
    );
}
