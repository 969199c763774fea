//! Receives the record of each request when it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::ServeOutcome;
use super::otlp_client::{self, OtlpClient, TraceTask};
use crate::config::settings::{Provider, Settings};
use crate::record::Record;
use crate::routing::RecordSink;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::record_queue::{GATHER_DELAY, MAX_BATCH, RecordObserver, RecordQueue, TelemetryWorker};
use crate::telemetry::traces::{self, Exporter, Traces};
use crate::upstream::Connector;
use crate::usage::{RECENT_CAPACITY, UsageStore, UsageWriter, WritePriority};

/// How long a stop waits for unwritten data.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A query for a request that has just ended finds it in memory, even if many are recorded at once.
const _: () = assert!(MAX_BATCH <= RECENT_CAPACITY);

/// The log, or its replacement.
type RecordLogger = Arc<dyn Fn(&Record) + Send + Sync>;

/// The receivers of each request's record. None of them waits.
pub struct TelemetryBuilder {
    usage: UsageStore,
    /// The writer of the usage store.
    writer: Option<UsageWriter>,
    log: RecordLogger,
    /// Whether the settings choose further receivers.
    is_complete: bool,
}

impl TelemetryBuilder {
    /// The log, the metrics, this usage store, and traces where the settings enable them.
    #[must_use]
    pub fn new(usage: UsageStore, writer: UsageWriter) -> Self {
        let log: RecordLogger = Arc::new(log::log_request);
        Self { usage, writer: Some(writer), log, is_complete: true }
    }

    /// No log, and nothing that outlives the process: only this sink, which receives each record at once, and
    /// the metrics.
    #[must_use]
    pub fn from_sink(sink: RecordSink) -> Self {
        let log: RecordLogger = Arc::new(move |record| sink(record.clone()));
        Self { usage: UsageStore::in_memory(), writer: None, log, is_complete: false }
    }

    /// The receivers from now on, what the engine reports, and the tasks that belong to them.
    pub(super) fn build(
        self,
        connector: Arc<dyn Connector>,
        settings: &Settings,
    ) -> (Telemetry, Arc<RecordQueue>, TelemetryTasks) {
        let Self { usage: ledger, writer, log, is_complete: are_all } = self;
        let tracing = are_all.then(|| {
            let carrier = Arc::new(OtlpClient::new(connector));
            traces::channel(carrier, otlp_client::build_trace_config(settings))
        });
        let (traces, exporter) = tracing.unzip();
        let told =
            Telemetry { usage: Arc::new(ledger), metrics: Arc::default(), traces: traces.map(Arc::new) };
        told.apply_settings(settings);
        let gather = if are_all { GATHER_DELAY } else { Duration::ZERO };
        let outbox = RecordQueue::new(told.build_observer(log), gather);
        (told, outbox.clone(), TelemetryTasks { record_queue: outbox, writer, exporter })
    }
}

/// The receivers of records while the gateway serves.
#[derive(Clone)]
pub(super) struct Telemetry {
    /// Also read by the dashboard.
    pub(super) usage: Arc<UsageStore>,
    /// Exposed at `/metrics`.
    pub(super) metrics: Arc<Metrics>,
    /// `/metrics` reports the lost spans, too.
    pub(super) traces: Option<Arc<Traces>>,
}

impl Telemetry {
    fn build_observer(&self, log: RecordLogger) -> RecordObserver {
        let Self { usage: ledger, metrics, traces } = self.clone();
        let book = ledger.clone();
        let tell = move |record: &Record| {
            metrics.record(record);
            if let Some(traces) = &traces {
                traces.record(record);
            }
            log(record);
        };
        let tell = move |record: Record| {
            let id = record.request_id;
            let told = catch_unwind(AssertUnwindSafe(|| tell(&record)));
            // Even if the other receivers failed.
            let kept = catch_unwind(AssertUnwindSafe(|| ledger.record(record)));
            if told.is_err() || kept.is_err() {
                error!(request_id = %id, "this request could not be told of: a defect of Moonrelay");
            }
        };
        Box::new(move |records| {
            // This many records were queued behind those that woke the worker.
            let pace =
                if records.len() < 2 * MAX_BATCH { WritePriority::Background } else { WritePriority::Urgent };
            log::batch_writes(|| {
                let mut turns = pace.start();
                for record in records {
                    turns.yield_if_due();
                    tell(record);
                }
            });
            book.request_flush();
        })
    }

    /// Applies these settings from now on.
    pub(super) fn apply_settings(&self, settings: &Settings) {
        self.usage.apply_settings(settings.usage);
        register_models(&self.metrics, settings);
        if let Some(traces) = &self.traces {
            traces.set_config(otlp_client::build_trace_config(settings));
        }
    }
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
    record_queue: Arc<RecordQueue>,
    writer: Option<UsageWriter>,
    exporter: Option<Exporter>,
}

/// The same tasks while they run.
pub(super) struct RunningTelemetryTasks {
    record_queue: Arc<RecordQueue>,
    /// Ends with this value. Without it (the system had no thread) records are delivered when a query needs
    /// them, and at the end.
    _worker: Option<TelemetryWorker>,
    writer_tasks: JoinSet<()>,
    trace_task: Option<TraceTask>,
}

impl TelemetryTasks {
    pub(super) fn spawn(self) -> RunningTelemetryTasks {
        let (outbox, mut writing) = (self.record_queue, JoinSet::new());
        let telling = outbox.spawn_worker();
        let telling = telling.inspect_err(|why| error!("no thread tells of requests as they end: {why}"));
        if let Some(writer) = self.writer {
            writing.spawn(writer.run());
        }
        RunningTelemetryTasks {
            record_queue: outbox,
            _worker: telling.ok(),
            writer_tasks: writing,
            trace_task: self.exporter.map(TraceTask::spawn),
        }
    }
}

impl RunningTelemetryTasks {
    /// Delivers the records of ended requests and logs the end. Then writes what is queued, and sends traces
    /// where there is time for that.
    pub(super) async fn finish(mut self, ledger: &UsageStore, end: ServeOutcome) {
        // A receiver that does not take the records by then would not take the end either.
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.record_queue.flush()).await;
        if let ServeOutcome::Graceful { busy } = end {
            info!(busy, "stopped");
        }
        ledger.close();
        let sent = async {
            if let Some(sending) = self.trace_task.filter(|_| matches!(end, ServeOutcome::Graceful { .. })) {
                sending.finish().await;
            }
        };
        let written = tokio::time::timeout(FLUSH_TIMEOUT, self.writer_tasks.join_next());
        if tokio::join!(written, sent).0.is_err() {
            let lost = ledger.health().queued;
            warn!(lost, "the ledger could not be written in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::config::settings::UsageSettings;
    use crate::protocol::api::Api;
    use crate::record::RequestId;

    #[tokio::test(start_paused = true)]
    async fn what_is_told_together_is_written_at_once() {
        let home = tempfile::tempdir().unwrap();
        let (ledger, writer) = UsageStore::persistent(Some(home.path()), UsageSettings::default());
        let told = Telemetry { usage: Arc::new(ledger), metrics: Arc::default(), traces: None };
        let writing = tokio::spawn(writer.run());
        told.usage.flush().await;
        let record = || Record::new(RequestId::now(), "test".to_owned(), Api::ChatCompletions);
        let began = Instant::now();
        told.build_observer(Arc::new(|_| {}))(vec![record(), record()]);
        // The clock is paused while a file is written.
        while told.usage.health().written < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
        told.usage.close();
        writing.await.unwrap();
    }
}
