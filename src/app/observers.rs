//! Who learns what a request was, when it is over.

use std::sync::Arc;

use crate::ledger::{Ledger, Writer};
use crate::observe::log;
use crate::record::Record;
use crate::relay::Sink;

/// What is told of each request. None of it waits.
pub struct Observers {
    /// Read by the dashboard, too.
    pub(super) ledger: Arc<Ledger>,
    /// What writes it; it runs with the gateway.
    pub(super) writer: Option<Writer>,
    first: Sink,
}

impl Observers {
    /// The log and this ledger.
    #[must_use]
    pub fn new(ledger: Ledger, writer: Writer) -> Self {
        let first: Sink = Arc::new(|record| log::request(&record));
        Self { ledger: Arc::new(ledger), writer: Some(writer), first }
    }

    /// No log, and nothing that is kept: only this.
    #[must_use]
    pub fn only(sink: Sink) -> Self {
        Self { ledger: Arc::new(Ledger::forgetful()), writer: None, first: sink }
    }

    /// What the relay tells.
    pub(super) fn sink(self) -> Sink {
        let Self { ledger, first, .. } = self;
        Arc::new(move |record: Record| {
            ledger.note(&record);
            first(record);
        })
    }
}
