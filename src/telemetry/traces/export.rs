//! Sends spans to a collector, away from requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{TraceTransport, attributes};

/// The maximum number of requests in one call. Requests that arrive during a call are sent with the next one.
const MAX_BATCH: usize = 128;

/// The path of traces below a collector's base. Source: OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP".
const TRACES_PATH: &str = "/v1/traces";

/// The one task that sends.
pub struct Exporter {
    queue: mpsc::Receiver<Vec<SpanData>>,
    endpoint: watch::Receiver<Option<String>>,
    transport: Arc<dyn TraceTransport>,
    dropped: Arc<AtomicU64>,
    resource: Resource,
    collector: Option<CollectorConnection>,
}

/// Where spans go now.
struct CollectorConnection {
    endpoint: String,
    /// `None` where the exporter does not take the endpoint; that was said.
    exporter: Option<SpanExporter>,
    /// What was lost when it was last heard of; `None` while it takes what it is sent.
    failing_since: Option<u64>,
}

impl Exporter {
    pub(super) fn new(
        queue: mpsc::Receiver<Vec<SpanData>>,
        endpoint: watch::Receiver<Option<String>>,
        transport: Arc<dyn TraceTransport>,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        Self { queue, endpoint, transport, dropped, resource: build_resource(), collector: None }
    }

    /// Sends until it is stopped, and then sends what is still queued.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = &mut stop, if !stopping => {
                    stopping = true;
                    self.queue.close();
                }
                count = self.queue.recv_many(&mut batch, MAX_BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.send(std::mem::take(&mut batch)).await;
                }
            }
        }
    }

    async fn send(&mut self, requests: Vec<Vec<SpanData>>) {
        let Some(endpoint) = self.endpoint.borrow_and_update().clone() else {
            // Switched off since they were made.
            self.collector = None;
            return;
        };
        if self.collector.as_ref().is_none_or(|collector| collector.endpoint != endpoint) {
            self.collector = Some(self.connect(endpoint));
        }
        let Some(collector) = &mut self.collector else { return };
        let count = requests.len() as u64;
        let sent = match &collector.exporter {
            Some(exporter) => exporter.export(requests.into_iter().flatten().collect()).await.is_ok(),
            None => false,
        };
        let lost = self.dropped.load(Ordering::Relaxed);
        if sent {
            if let Some(before) = collector.failing_since.take() {
                info!(
                    "traces reach {} again; those of {} requests are lost",
                    extract_host(&collector.endpoint),
                    lost - before
                );
            }
            return;
        }
        self.dropped.fetch_add(count, Ordering::Relaxed);
        if collector.failing_since.is_none() {
            collector.failing_since = Some(lost);
            let why = self.transport.last_error();
            warn!(
                "traces do not reach {}: {why}; they are lost until they do",
                extract_host(&collector.endpoint)
            );
        }
    }

    fn connect(&self, endpoint: String) -> CollectorConnection {
        // The error may repeat the endpoint, whose path may hold a key.
        let exporter = self.build_exporter(&endpoint).inspect_err(|_| {
            warn!(
                "traces are not sent: the exporter does not take the endpoint at {}",
                extract_host(&endpoint)
            );
        });
        // What was said is not said again.
        let failing_since = exporter.is_err().then(|| self.dropped.load(Ordering::Relaxed));
        CollectorConnection { endpoint, exporter: exporter.ok(), failing_since }
    }

    fn build_exporter(&self, endpoint: &str) -> Result<SpanExporter, ExporterBuildError> {
        let carrier: Arc<dyn TraceTransport> = self.transport.clone();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(build_traces_url(endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_shared_http_client(carrier)
            // Its own waits would block the thread: the carrier tries again.
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        exporter.set_resource(&self.resource);
        Ok(exporter)
    }
}

/// The base URL with the path of traces; a URL that already has that path is used as it is.
fn build_traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(TRACES_PATH) { base.to_owned() } else { format!("{base}{TRACES_PATH}") }
}

/// Host and port, without the other parts of the URL.
fn extract_host(endpoint: &str) -> String {
    let url: Option<http::Uri> = endpoint.parse().ok();
    let host = url.as_ref().and_then(http::Uri::host).unwrap_or("the collector");
    url.as_ref()
        .and_then(http::Uri::port_u16)
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The sender: this process. `OTEL_RESOURCE_ATTRIBUTES` adds to it.
fn build_resource() -> Resource {
    let attributes = [
        KeyValue::new(attributes::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(attributes::SERVICE_INSTANCE, format_instance_id(fastrand::u128(..))),
    ];
    Resource::builder().with_service_name("moonrelay").with_attributes(attributes).build()
}

/// A UUID (RFC 9562, version 4) of these bits, as the conventions recommend.
fn format_instance_id(bits: u128) -> String {
    let bits = bits & !(0xf << 76 | 0x3 << 62) | (0x4 << 76 | 0x2 << 62);
    let hex = format!("{bits:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| hex.get(group).unwrap_or_default());
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::{build_traces_url, extract_host, format_instance_id};

    #[test]
    fn the_path_of_traces_is_added_once() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://otlp.example.com/otlp", "https://otlp.example.com/otlp/v1/traces"),
            ("https://otlp.example.com/otlp/v1/traces", "https://otlp.example.com/otlp/v1/traces"),
        ] {
            assert_eq!(build_traces_url(endpoint), expected);
        }
    }

    #[test]
    fn a_host_is_told_and_nothing_else() {
        assert_eq!(extract_host("https://user:sk-secret@otlp.example.com/sk-secret"), "otlp.example.com");
        assert_eq!(extract_host("http://[::1]:4318/"), "[::1]:4318");
    }

    #[test]
    fn an_instance_is_a_uuid() {
        assert_eq!(format_instance_id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(format_instance_id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
