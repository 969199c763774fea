//! Delivers the record of each finished request to the log, the metrics, the usage database and the traces.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

#[cfg(feature = "otel")]
use super::otlp_client;
use crate::config::settings::{Provider, Settings};
use crate::record::Record;
use crate::routing::RecordSink;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::request_log;
#[cfg(feature = "otel")]
use crate::telemetry::traces::{self, Traces};
use crate::upstream::Connector;
use crate::usage::{UsageStore, UsageWriter};

/// How long a stop waits for unwritten data.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stop waits for unsent spans.
const TRACE_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Creates spans of finished requests. It never waits.
trait TraceRecorder: Send + Sync {
    fn record(&self, record: &Record);
    fn apply_settings(&self, settings: &Settings);
}

#[cfg(feature = "otel")]
impl TraceRecorder for Traces {
    fn record(&self, record: &Record) {
        Self::record(self, record);
    }

    fn apply_settings(&self, settings: &Settings) {
        self.set_config(otlp_client::build_trace_config(settings));
    }
}

/// The log, or its replacement.
type RecordLogger = Arc<dyn Fn(&Record) + Send + Sync>;

/// The receivers of each request's record. None of them waits.
pub struct TelemetryBuilder {
    usage: UsageStore,
    /// The writer of the usage store; `None` where nothing outlives the process.
    writer: Option<UsageWriter>,
    log: RecordLogger,
}

impl TelemetryBuilder {
    /// The log, the metrics, this usage store, and traces where the settings enable them.
    #[must_use]
    pub fn new(usage: UsageStore, writer: UsageWriter) -> Self {
        Self { usage, writer: Some(writer), log: Arc::new(request_log::log_request) }
    }

    /// No log, and nothing that outlives the process: only this sink and the metrics.
    #[must_use]
    pub fn from_sink(sink: RecordSink) -> Self {
        let log: RecordLogger = Arc::new(move |record| sink(record.clone()));
        Self { usage: UsageStore::in_memory(), writer: None, log }
    }

    /// Returns the receivers, and the tasks that belong to them, which run from now on.
    pub(super) fn build(
        self,
        connector: Arc<dyn Connector>,
        settings: &Settings,
    ) -> (Telemetry, TelemetryTasks) {
        let metrics = Arc::<Metrics>::default();
        let mut telemetry = Telemetry { usage: Arc::new(self.usage), metrics, traces: None, log: self.log };
        let mut tasks = TelemetryTasks { writer: None, traces: None };
        if self.writer.is_some() {
            start_traces(&mut telemetry, &mut tasks, connector);
        }
        telemetry.apply_settings(settings);
        // After the settings: a change of them opens the database again.
        tasks.writer = self.writer.map(|writer| AbortOnDropHandle::new(tokio::spawn(writer.run())));
        (telemetry, tasks)
    }
}

/// The receivers of records while the gateway serves.
#[derive(Clone)]
pub(super) struct Telemetry {
    /// Also read by the dashboard.
    pub(super) usage: Arc<UsageStore>,
    /// Exposed at `/metrics`.
    pub(super) metrics: Arc<Metrics>,
    traces: Option<Arc<dyn TraceRecorder>>,
    log: RecordLogger,
}

impl Telemetry {
    /// Records a finished request. A receiver that panics does not affect the client.
    pub(super) fn record(&self, record: Record) {
        let request_id = record.request_id;
        let deliver = || {
            self.metrics.record(&record);
            if let Some(traces) = &self.traces {
                traces.record(&record);
            }
            (self.log)(&record);
        };
        let delivered = catch_unwind(AssertUnwindSafe(deliver));
        let stored = catch_unwind(AssertUnwindSafe(|| self.usage.record(record)));
        if delivered.is_err() || stored.is_err() {
            error!(%request_id, "cannot record this request: a defect of Moonrelay");
        }
    }

    /// Applies these settings from now on.
    pub(super) fn apply_settings(&self, settings: &Settings) {
        self.usage.apply_settings(settings.usage);
        register_models(&self.metrics, settings);
        if let Some(traces) = &self.traces {
            traces.apply_settings(settings);
        }
    }
}

/// Without the cargo feature `otel`, a configured endpoint is a warning of the configuration.
#[cfg(not(feature = "otel"))]
fn start_traces(_: &mut Telemetry, _: &mut TelemetryTasks, _: Arc<dyn Connector>) {}

#[cfg(feature = "otel")]
fn start_traces(telemetry: &mut Telemetry, tasks: &mut TelemetryTasks, connector: Arc<dyn Connector>) {
    let (stop, stopped) = oneshot::channel();
    let transport = Arc::new(otlp_client::OtlpClient::new(connector));
    let (traces, exporter) = traces::channel(transport, telemetry.metrics.traces_dropped.clone());
    telemetry.traces = Some(Arc::new(traces));
    let export = exporter.run(async {
        // A dropped sender stops the export, too.
        let _ = stopped.await;
    });
    tasks.traces = Some((stop, AbortOnDropHandle::new(tokio::spawn(export))));
}

/// Registers with the metrics every reference that these settings have a row for, or lead to.
fn register_models(metrics: &Metrics, settings: &Settings) {
    let row = |(id, provider): (&String, &Arc<Provider>)| {
        provider.models.keys().map(|model| format!("{id}/{model}")).collect::<Vec<_>>()
    };
    let rows: Vec<String> = settings.providers.iter().flat_map(row).collect();
    let chains = settings.routes.iter().map(|route| &route.chain).chain([&settings.default_chain]);
    let named = chains.flat_map(|chain| &chain.references).chain(settings.aliases.values());
    let named: Vec<String> = named.map(ToString::to_string).collect();
    metrics.register_models(rows.iter().chain(&named).map(String::as_str));
}

/// How serving ended.
pub(super) enum ServeOutcome {
    Graceful {
        /// Connections that were still busy.
        busy: usize,
    },
    /// Stop without waiting for anything.
    Immediate,
}

/// The tasks that write the usage database and send traces.
pub(super) struct TelemetryTasks {
    writer: Option<AbortOnDropHandle<()>>,
    /// The export of traces, and what stops it.
    traces: Option<(oneshot::Sender<()>, AbortOnDropHandle<()>)>,
}

impl TelemetryTasks {
    /// Logs the end. Then writes what is queued, and sends traces where there is time for that.
    pub(super) async fn finish(self, usage: &UsageStore, end: ServeOutcome) {
        if let ServeOutcome::Graceful { busy } = end {
            info!(busy, "stopped");
        }
        usage.close();
        let write = async {
            let Some(writer) = self.writer else { return };
            if timeout(FLUSH_TIMEOUT, writer).await.is_err() {
                let lost = usage.health().queued;
                warn!(lost, "the usage database could not be written in time");
            }
        };
        let send = async {
            let graceful = self.traces.filter(|_| matches!(end, ServeOutcome::Graceful { .. }));
            let Some((stop, export)) = graceful else { return };
            let _ = stop.send(());
            if timeout(TRACE_FLUSH_TIMEOUT, export).await.is_err() {
                let limit = TRACE_FLUSH_TIMEOUT.as_secs();
                warn!("the last traces are lost: the collector takes longer than {limit} s");
            }
        };
        tokio::join!(write, send);
    }
}
