//! Who learns what a request was, when it is over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::End;
use super::collector::{self, Collector, Sending};
use crate::config::settings::{Provider, Settings};
use crate::record::Record;
use crate::routing::Sink;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::outbox::{FULL, GATHER, Observer, Outbox, Telling};
use crate::telemetry::traces::{self, Exporter, Traces};
use crate::upstream::Connector;
use crate::usage::{Ledger, Pace, RECENT, Writer};

/// A stop waits no longer for what is not written yet.
const FLUSH: Duration = Duration::from_secs(5);

/// Who asks for a request that is just over finds it in memory, also when many are told at once.
const _: () = assert!(FULL <= RECENT);

/// The log, or what stands in its place.
type Log = Arc<dyn Fn(&Record) + Send + Sync>;

/// What is told of each request. None of it waits.
pub struct Observers {
    ledger: Ledger,
    /// What writes it.
    writer: Option<Writer>,
    log: Log,
    /// Whether the settings say who else is told.
    are_all: bool,
}

impl Observers {
    /// The log, the metrics, this ledger, and traces where the settings want them.
    #[must_use]
    pub fn new(ledger: Ledger, writer: Writer) -> Self {
        let log: Log = Arc::new(log::request);
        Self { ledger, writer: Some(writer), log, are_all: true }
    }

    /// No log, and nothing that outlives the process: only this, which is told each request at once, and the metrics.
    #[must_use]
    pub fn only(sink: Sink) -> Self {
        let log: Log = Arc::new(move |record| sink(record.clone()));
        Self { ledger: Ledger::forgetful(), writer: None, log, are_all: false }
    }

    /// Who is told from now on, what the relay tells, and the work that goes with it.
    pub(super) fn compose(
        self,
        connector: Arc<dyn Connector>,
        settings: &Settings,
    ) -> (Told, Arc<Outbox>, Work) {
        let Self { ledger, writer, log, are_all } = self;
        let tracing = are_all.then(|| {
            let carrier = Arc::new(Collector::new(connector));
            traces::pair(carrier, collector::wish(settings))
        });
        let (traces, exporter) = tracing.unzip();
        let told = Told { ledger: Arc::new(ledger), metrics: Arc::default(), traces: traces.map(Arc::new) };
        told.follow(settings);
        let gather = if are_all { GATHER } else { Duration::ZERO };
        let outbox = Outbox::new(told.observer(log), gather);
        (told, outbox.clone(), Work { outbox, writer, exporter })
    }
}

/// Who is told while the gateway serves.
#[derive(Clone)]
pub(super) struct Told {
    /// Read by the dashboard, too.
    pub(super) ledger: Arc<Ledger>,
    /// Told by `/metrics`.
    pub(super) metrics: Arc<Metrics>,
    /// What is lost of them is told by `/metrics`, too.
    pub(super) traces: Option<Arc<Traces>>,
}

impl Told {
    fn observer(&self, log: Log) -> Observer {
        let Self { ledger, metrics, traces } = self.clone();
        let book = ledger.clone();
        let tell = move |record: &Record| {
            metrics.note(record);
            if let Some(traces) = &traces {
                traces.note(record);
            }
            log(record);
        };
        let tell = move |record: Record| {
            let id = record.request_id;
            let told = catch_unwind(AssertUnwindSafe(|| tell(&record)));
            // Whatever became of the others.
            let kept = catch_unwind(AssertUnwindSafe(|| ledger.note(record)));
            if told.is_err() || kept.is_err() {
                error!(request_id = %id, "this request could not be told of: a defect of Moonrelay");
            }
        };
        Box::new(move |records| {
            // So many have come behind those that it was woken for.
            let pace = if records.len() < 2 * FULL { Pace::GivesWay } else { Pace::InHaste };
            log::together(|| {
                let mut turns = pace.begin();
                for record in records {
                    turns.give_way();
                    tell(record);
                }
            });
            book.hurry();
        })
    }

    /// These settings count from now on.
    pub(super) fn follow(&self, settings: &Settings) {
        self.ledger.settle(settings.usage);
        configure_models(&self.metrics, settings);
        if let Some(traces) = &self.traces {
            traces.follow(collector::wish(settings));
        }
    }
}

/// Tells the metrics every reference that these settings have a row for, or lead to.
fn configure_models(metrics: &Metrics, settings: &Settings) {
    let row = |(id, provider): (&String, &Arc<Provider>)| {
        provider.models.keys().map(|model| format!("{id}/{model}")).collect::<Vec<_>>()
    };
    let rows: Vec<String> = settings.providers.iter().flat_map(row).collect();
    let chains = settings.routes.iter().map(|route| &route.chain).chain([&settings.default_chain]);
    let named = chains.flat_map(|chain| &chain.references).chain(settings.aliases.values());
    let named: Vec<String> = named.map(ToString::to_string).collect();
    metrics.configured(rows.iter().chain(&named).map(String::as_str));
}

/// What writes the ledger and sends traces, before it begins.
pub(super) struct Work {
    outbox: Arc<Outbox>,
    writer: Option<Writer>,
    exporter: Option<Exporter>,
}

/// The same at work.
pub(super) struct Working {
    outbox: Arc<Outbox>,
    /// Ends with this. Without it (the system had no thread) all is told when somebody asks for it, and at the end.
    _telling: Option<Telling>,
    writing: JoinSet<()>,
    sending: Option<Sending>,
}

impl Work {
    pub(super) fn begin(self) -> Working {
        let (outbox, mut writing) = (self.outbox, JoinSet::new());
        let telling = outbox.begin();
        let telling = telling.inspect_err(|why| error!("no thread tells of requests as they end: {why}"));
        if let Some(writer) = self.writer {
            writing.spawn(writer.run());
        }
        Working { outbox, _telling: telling.ok(), writing, sending: self.exporter.map(Sending::begin) }
    }
}

impl Working {
    /// Tells of what is over, and then of the end; writes what waits, and sends traces where there is time for that.
    pub(super) async fn finish(mut self, ledger: &Ledger, end: End) {
        // Who cannot be told by then would not hear of that either.
        let _ = tokio::time::timeout(FLUSH, self.outbox.told()).await;
        if let End::InOrder { busy } = end {
            info!(busy, "stopped");
        }
        ledger.end();
        let sent = async {
            if let Some(sending) = self.sending.filter(|_| matches!(end, End::InOrder { .. })) {
                sending.finish().await;
            }
        };
        let written = tokio::time::timeout(FLUSH, self.writing.join_next());
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
    use crate::config::settings::Usage;
    use crate::protocol::face::Face;
    use crate::record::RequestId;

    #[tokio::test(start_paused = true)]
    async fn what_is_told_together_is_written_at_once() {
        let home = tempfile::tempdir().unwrap();
        let (ledger, writer) = Ledger::kept(Some(home.path()), Usage::default());
        let told = Told { ledger: Arc::new(ledger), metrics: Arc::default(), traces: None };
        let writing = tokio::spawn(writer.run());
        told.ledger.settled().await;
        let record = || Record::begun(RequestId::now(), "test".to_owned(), Face::Chat);
        let began = Instant::now();
        told.observer(Arc::new(|_| {}))(vec![record(), record()]);
        // The clock stands still while a file is written.
        while told.ledger.health().written < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
        told.ledger.end();
        writing.await.unwrap();
    }
}
