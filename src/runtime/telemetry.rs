//! Delivers the record of each finished request to the log, the metrics, the usage database and the traces.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

use super::ServeOutcome;
use crate::config::settings::{Provider, Settings};
use crate::record::Record;
use crate::routing::RecordSink;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::request_log;
use crate::upstream::Connector;
use crate::usage::{UsageStore, UsageWriter};

/// How long a stop waits for unwritten data.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stop waits for unsent spans.
const TRACE_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends traces until its argument resolves, and then what is still queued.
pub(super) type TraceExport = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Creates spans of finished requests. It never waits.
pub(super) trait TraceRecorder: Send + Sync {
    fn record(&self, record: &Record);
    fn apply_settings(&self, settings: &Settings);
}

/// The log, or its replacement.
type RecordLogger = Arc<dyn Fn(&Record) + Send + Sync>;

/// The receivers of each request's record. None of them waits.
pub struct TelemetryBuilder {
    usage: UsageStore,
    /// The writer of the usage store.
    writer: Option<UsageWriter>,
    log: RecordLogger,
    /// Whether the settings can enable traces.
    has_traces: bool,
}

impl TelemetryBuilder {
    /// The log, the metrics, this usage store, and traces where the settings enable them.
    #[must_use]
    pub fn new(usage: UsageStore, writer: UsageWriter) -> Self {
        Self { usage, writer: Some(writer), log: Arc::new(request_log::log_request), has_traces: true }
    }

    /// No log, and nothing that outlives the process: only this sink and the metrics.
    #[must_use]
    pub fn from_sink(sink: RecordSink) -> Self {
        let log: RecordLogger = Arc::new(move |record| sink(record.clone()));
        Self { usage: UsageStore::in_memory(), writer: None, log, has_traces: false }
    }

    /// Returns the receivers, and the tasks that belong to them.
    pub(super) fn build(
        self,
        connector: Arc<dyn Connector>,
        settings: &Settings,
    ) -> (Telemetry, TelemetryTasks) {
        let metrics = Arc::<Metrics>::default();
        let (traces, trace_task) =
            if self.has_traces { build_traces(connector, &metrics) } else { (None, None) };
        let telemetry = Telemetry { usage: Arc::new(self.usage), metrics, traces, log: self.log };
        telemetry.apply_settings(settings);
        (telemetry, TelemetryTasks { writer: self.writer, trace_task })
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
fn build_traces(_: Arc<dyn Connector>, _: &Metrics) -> (Option<Arc<dyn TraceRecorder>>, Option<TraceTask>) {
    (None, None)
}

#[cfg(feature = "otel")]
fn build_traces(
    connector: Arc<dyn Connector>,
    metrics: &Metrics,
) -> (Option<Arc<dyn TraceRecorder>>, Option<TraceTask>) {
    let (stop, stopped) = oneshot::channel();
    let (traces, export) = super::otlp_client::build(connector, metrics.traces_dropped.clone(), async {
        // A dropped sender stops the export, too.
        let _ = stopped.await;
    });
    (Some(traces), Some(TraceTask { stop, export }))
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

/// The tasks that write the usage database and send traces, before they start.
pub(super) struct TelemetryTasks {
    writer: Option<UsageWriter>,
    trace_task: Option<TraceTask>,
}

/// The same tasks while they run.
pub(super) struct RunningTelemetryTasks {
    writer_tasks: JoinSet<()>,
    trace_task: Option<RunningTraceTask>,
}

impl TelemetryTasks {
    pub(super) fn spawn(self) -> RunningTelemetryTasks {
        let mut writer_tasks = JoinSet::new();
        if let Some(writer) = self.writer {
            writer_tasks.spawn(writer.run());
        }
        RunningTelemetryTasks { writer_tasks, trace_task: self.trace_task.map(TraceTask::spawn) }
    }
}

impl RunningTelemetryTasks {
    /// Logs the end. Then writes what is queued, and sends traces where there is time for that.
    pub(super) async fn finish(mut self, usage: &UsageStore, end: ServeOutcome) {
        if let ServeOutcome::Graceful { busy } = end {
            info!(busy, "stopped");
        }
        usage.close();
        let sent = async {
            if let Some(task) = self.trace_task.filter(|_| matches!(end, ServeOutcome::Graceful { .. })) {
                task.finish().await;
            }
        };
        let written = tokio::time::timeout(FLUSH_TIMEOUT, self.writer_tasks.join_next());
        if tokio::join!(written, sent).0.is_err() {
            let lost = usage.health().queued;
            warn!(lost, "the usage database could not be written in time");
        }
    }
}

/// The export of traces, before it starts.
struct TraceTask {
    stop: oneshot::Sender<()>,
    export: TraceExport,
}

impl TraceTask {
    fn spawn(self) -> RunningTraceTask {
        RunningTraceTask { stop: self.stop, task: tokio::spawn(self.export) }
    }
}

/// The same export while it runs.
struct RunningTraceTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RunningTraceTask {
    /// Sends what is queued, for at most [`TRACE_FLUSH_TIMEOUT`].
    async fn finish(self) {
        let _ = self.stop.send(());
        let mut task = self.task;
        if tokio::time::timeout(TRACE_FLUSH_TIMEOUT, &mut task).await.is_err() {
            task.abort();
            warn!(
                "the last traces are lost: the collector takes longer than {} s",
                TRACE_FLUSH_TIMEOUT.as_secs()
            );
        }
    }
}
