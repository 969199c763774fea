//! Traces: each request and its attempts as spans, for an OpenTelemetry collector (OTLP over HTTP).
//!
//! Spans are created when a request is over and wait in a bounded queue; one task sends them. A request never
//! waits for this. Spans that find the queue full are counted and lost.

mod traceparent;
mod spans;
mod export;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::{mpsc, watch};

pub use self::export::{Exporter, TraceTransport};
use crate::record::Record;

/// Requests whose spans may wait for a collector. Each takes some kilobytes.
const QUEUE_CAPACITY: usize = 1024;

/// Where spans are sent, and what they contain about the providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceConfig {
    /// The collector's base URL, without a query. `None` disables traces.
    pub endpoint: Option<String>,
    /// By provider id: the name or IP address of its server, and the port (by default that of the scheme).
    pub servers: BTreeMap<String, (String, u16)>,
}

/// Creates spans of finished requests and queues them.
pub struct Traces {
    queue: mpsc::Sender<Vec<SpanData>>,
    config: ArcSwap<TraceConfig>,
    endpoint: watch::Sender<Option<String>>,
    dropped: Arc<AtomicU64>,
}

/// Both ends of the queue. There are no spans before [`Traces::set_config`]. Requests whose spans are lost are added to
/// `dropped`.
#[must_use]
pub fn channel(transport: Arc<dyn TraceTransport>, dropped: Arc<AtomicU64>) -> (Traces, Exporter) {
    let (queue, receiver) = mpsc::channel(QUEUE_CAPACITY);
    let (endpoint, endpoint_changes) = watch::channel(None);
    let exporter = Exporter {
        queue: receiver,
        endpoint: endpoint_changes,
        transport,
        dropped: dropped.clone(),
        resource: export::build_resource(),
        collector: None,
    };
    (Traces { queue, config: ArcSwap::default(), endpoint, dropped }, exporter)
}

impl Traces {
    /// Applies a new configuration. A request that ends just after a reload is exported with the servers of the
    /// new one.
    pub fn set_config(&self, config: TraceConfig) {
        self.endpoint.send_replace(config.endpoint.clone());
        self.config.store(Arc::new(config));
    }

    /// Queues the spans of a finished request, unless its client's trace is not sampled. Never waits.
    pub fn record(&self, record: &Record) {
        let config = self.config.load();
        if config.endpoint.is_none() {
            return;
        }
        if let Some(spans) = spans::build_spans(record, &config.servers)
            && self.queue.try_send(spans).is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
