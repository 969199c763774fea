//! Who learns what a request was, when it is over.

use std::sync::Arc;

use crate::config::settings::{Provider, Settings};
use crate::ledger::{Ledger, Writer};
use crate::observe::log;
use crate::observe::metrics::Metrics;
use crate::record::Record;
use crate::relay::Sink;

/// What is told of each request. None of it waits.
pub struct Observers {
    /// Read by the dashboard, too.
    pub(super) ledger: Arc<Ledger>,
    /// What writes it; it runs with the gateway.
    pub(super) writer: Option<Writer>,
    /// Told by `/metrics`.
    pub(super) metrics: Arc<Metrics>,
    first: Sink,
}

impl Observers {
    /// The log, the metrics and this ledger.
    #[must_use]
    pub fn new(ledger: Ledger, writer: Writer) -> Self {
        let first: Sink = Arc::new(|record| log::request(&record));
        Self { ledger: Arc::new(ledger), writer: Some(writer), metrics: Arc::default(), first }
    }

    /// No log, and nothing that outlives the process: only this, and the metrics.
    #[must_use]
    pub fn only(sink: Sink) -> Self {
        Self { ledger: Arc::new(Ledger::forgetful()), writer: None, metrics: Arc::default(), first: sink }
    }

    /// What the relay tells.
    pub(super) fn sink(self) -> Sink {
        let Self { ledger, metrics, first, .. } = self;
        Arc::new(move |record: Record| {
            ledger.note(&record);
            metrics.note(&record);
            first(record);
        })
    }
}

/// Tells the metrics every reference that these settings have a row for, or lead to.
pub(super) fn configured(metrics: &Metrics, settings: &Settings) {
    let row = |(id, provider): (&String, &Arc<Provider>)| {
        provider.models.keys().map(|model| format!("{id}/{model}")).collect::<Vec<_>>()
    };
    let rows: Vec<String> = settings.providers.iter().flat_map(row).collect();
    let chains = settings.routes.iter().map(|route| &route.chain).chain([&settings.default_chain]);
    let named = chains.flat_map(|chain| &chain.references).chain(settings.aliases.values());
    let named: Vec<String> = named.map(ToString::to_string).collect();
    metrics.expect(rows.iter().chain(&named).map(String::as_str));
}
