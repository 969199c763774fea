//! Traces: each request and its attempts as spans, for an OpenTelemetry collector (OTLP over HTTP).
//!
//! Spans are created when a request is over and wait in a bounded queue; one task sends them. A request never
//! waits for this. Spans that find the queue full are counted and lost.

mod attributes;
mod export;
mod spans;
mod traceparent;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use opentelemetry_http::HttpClient;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::{mpsc, watch};

pub use self::export::Exporter;
use crate::record::Record;

/// How many requests' spans wait for a collector, of some kilobytes each.
const QUEUE_CAPACITY: usize = 1024;

/// Where spans are sent, and what they contain about the providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceConfig {
    /// The collector's base URL, without a query; `None` makes no spans.
    pub endpoint: Option<String>,
    /// By provider id.
    pub servers: BTreeMap<String, ServerAddress>,
}

/// Where a provider's server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name, or an IP address.
    pub address: String,
    /// The scheme's own where the URL names none.
    pub port: u16,
}

/// The transport to a collector.
pub trait TraceTransport: HttpClient {
    /// How the last call ended, for people: why it got no answer, or the answer's status.
    fn last_error(&self) -> String;
}

/// Takes requests that are over.
pub struct Traces {
    queue: mpsc::Sender<Vec<SpanData>>,
    config: ArcSwap<TraceConfig>,
    endpoint: watch::Sender<Option<String>>,
    dropped: Arc<AtomicU64>,
}

/// Both ends: what takes requests, and what sends their spans over the carrier.
#[must_use]
pub fn channel(carrier: Arc<dyn TraceTransport>, wish: TraceConfig) -> (Traces, Exporter) {
    let (queue, waiting) = mpsc::channel(QUEUE_CAPACITY);
    let (endpoint, follows) = watch::channel(wish.endpoint.clone());
    let lost = Arc::new(AtomicU64::new(0));
    let exporter = Exporter::new(waiting, follows, carrier, lost.clone());
    (Traces { queue, config: ArcSwap::from_pointee(wish), endpoint, dropped: lost }, exporter)
}

impl Traces {
    /// Applies a new configuration. A request that ends just after a reload is exported with the servers of the
    /// new one.
    pub fn set_config(&self, wish: TraceConfig) {
        self.endpoint.send_replace(wish.endpoint.clone());
        self.config.store(Arc::new(wish));
    }

    /// Takes a request that is over, unless its client's trace is not sampled. It never waits.
    pub fn record(&self, record: &Record) {
        let wish = self.config.load();
        if wish.endpoint.is_none() {
            return;
        }
        if let Some(spans) = spans::build_spans(record, &wish.servers)
            && self.queue.try_send(spans).is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Requests of which no collector will know: the queue was full, or the collector did not take them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
