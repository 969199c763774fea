//! Sends spans to a collector, away from requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use opentelemetry_semantic_conventions::attribute as conventions;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

/// The maximum number of requests in one call. Requests that arrive during a call are sent with the next one.
const MAX_BATCH: usize = 128;

/// The path of traces below a collector's base. Source: OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP".
const TRACES_PATH: &str = "/v1/traces";

/// The transport to a collector.
pub trait TraceTransport: HttpClient {
    /// How the last call ended, for users: why it got no response, or the status of the response.
    fn last_error(&self) -> String;
}

/// The one task that sends.
pub struct Exporter {
    pub(super) queue: mpsc::Receiver<Vec<SpanData>>,
    pub(super) endpoint: watch::Receiver<Option<String>>,
    pub(super) transport: Arc<dyn TraceTransport>,
    pub(super) dropped: Arc<AtomicU64>,
    pub(super) resource: Resource,
    pub(super) collector: Option<CollectorConnection>,
}

/// Where spans go now.
pub(super) struct CollectorConnection {
    endpoint: String,
    /// `None` if the exporter does not accept the endpoint, which was logged.
    exporter: Option<SpanExporter>,
    /// The requests that were lost before it began to fail; `None` while it works.
    failing_since: Option<u64>,
}

impl Exporter {
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
            // Disabled since these spans were created.
            self.collector = None;
            return;
        };
        let host = extract_host(&endpoint);
        let known = self.collector.take().filter(|collector| collector.endpoint == endpoint);
        let mut collector = known.unwrap_or_else(|| self.connect(endpoint, &host));
        let count = requests.len() as u64;
        let sent = match &collector.exporter {
            Some(exporter) => exporter.export(requests.into_iter().flatten().collect()).await.is_ok(),
            None => false,
        };
        let lost = self.dropped.load(Ordering::Relaxed);
        if !sent {
            self.dropped.fetch_add(count, Ordering::Relaxed);
            if collector.failing_since.is_none() {
                collector.failing_since = Some(lost);
                let why = self.transport.last_error();
                warn!("traces do not reach {host}: {why}; they are lost until they do");
            }
        } else if let Some(before) = collector.failing_since.take() {
            info!("traces reach {host} again; those of {} requests are lost", lost - before);
        }
        self.collector = Some(collector);
    }

    fn connect(&self, endpoint: String, host: &str) -> CollectorConnection {
        let transport: Arc<dyn TraceTransport> = self.transport.clone();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(build_traces_url(&endpoint))
            .with_protocol(Protocol::HttpBinary)
            .with_shared_http_client(transport)
            // Its own waits would block the thread: the transport retries.
            .with_retry_policy(RetryPolicy::disabled())
            .build();
        // The error may repeat the endpoint, whose path may hold a key.
        let Ok(mut exporter) = exporter else {
            warn!("traces are not sent: the exporter does not accept the endpoint at {host}");
            let failing_since = Some(self.dropped.load(Ordering::Relaxed));
            return CollectorConnection { endpoint, exporter: None, failing_since };
        };
        exporter.set_resource(&self.resource);
        CollectorConnection { endpoint, exporter: Some(exporter), failing_since: None }
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
pub(super) fn build_resource() -> Resource {
    let attributes = [
        KeyValue::new(conventions::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(conventions::SERVICE_INSTANCE_ID, format_instance_id(fastrand::u128(..))),
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
    fn only_the_host_is_shown() {
        assert_eq!(extract_host("https://user:sk-secret@otlp.example.com/sk-secret"), "otlp.example.com");
        assert_eq!(extract_host("http://[::1]:4318/"), "[::1]:4318");
    }

    #[test]
    fn an_instance_is_a_uuid() {
        assert_eq!(format_instance_id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(format_instance_id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
