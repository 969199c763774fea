//! Who learns what a request was, when it is over.

use std::sync::Arc;

use crate::ledger::Ledger;
use crate::observe::log;
use crate::observe::traces::Traces;
use crate::record::Record;
use crate::relay::Sink;

/// What is told of each request. None of it waits.
pub struct Observers {
    /// Read by the dashboard, too.
    pub(super) ledger: Arc<Ledger>,
    first: Sink,
    are_all: bool,
}

impl Observers {
    /// The log, this ledger, and traces where the settings want them.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger: Arc::new(ledger), first: Arc::new(|record| log::request(&record)), are_all: true }
    }

    /// No log, and nothing that is kept: only this.
    #[must_use]
    pub fn only(sink: Sink) -> Self {
        Self { ledger: Arc::new(Ledger::forgetful()), first: sink, are_all: false }
    }

    /// Whether the settings say who else is told.
    pub(super) const fn are_all(&self) -> bool {
        self.are_all
    }

    /// What the relay tells.
    pub(super) fn sink(self, traces: Option<Arc<Traces>>) -> Sink {
        let Self { ledger, first, .. } = self;
        Arc::new(move |record: Record| {
            ledger.note(&record);
            if let Some(traces) = &traces {
                traces.note(&record);
            }
            first(record);
        })
    }
}
