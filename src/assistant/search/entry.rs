//! A search as one request in the log, the ledger and the metrics.

use std::time::Instant;

use super::failure::SearchFailure;
use super::found::Found;
use super::rounds::Progress;
use super::terms::Terms;
use super::tool;
use crate::protocol::face::Face;
use crate::record::{Attempt, Outcome, Record};

/// Tells the sink when it is dropped, whatever came of the search.
pub(super) struct Entry<'a, S: Fn(Record)> {
    record: Option<Record>,
    sink: S,
    terms: &'a Terms,
    progress: &'a Progress,
    began: Instant,
    outcome: Outcome,
    detail: String,
}

impl<'a, S: Fn(Record)> Entry<'a, S> {
    pub(super) fn new(record: Record, sink: S, terms: &'a Terms, progress: &'a Progress) -> Self {
        // What was asked is the user's own; the ledger has what was done.
        let record = Record { requested: tool::NAME.to_owned(), ..record };
        let detail = "the client went away".to_owned();
        let (outcome, began) = (Outcome::Cancelled, Instant::now());
        Self { record: Some(record), sink, terms, progress, began, outcome, detail }
    }

    /// It has come to its end.
    pub(super) fn over(&mut self, outcome: &Result<Found, SearchFailure>) {
        let Some(record) = &mut self.record else { return };
        record.abandoned = false;
        match outcome {
            Ok(found) => {
                record.answered = Some(found.reference.clone());
                record.called = (!found.cached).then_some(Face::Chat);
                record.first_byte = Some(self.began.elapsed());
                self.outcome = Outcome::Ok;
                self.detail.clear();
            }
            Err(failure) => {
                record.failed = Some(failure.kind.reason());
                self.outcome = Outcome::Failed(failure.kind.reason());
                self.detail.clone_from(&failure.message);
            }
        }
    }
}

impl<S: Fn(Record)> Drop for Entry<'_, S> {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        let seen = self.progress.seen().clone();
        let took = self.began.elapsed();
        record.took = took;
        // All rounds are one attempt: they are one search, and no fallback of each other.
        if !seen.model.is_empty() {
            let spent = seen.spent.at(self.terms.price(&seen.model));
            let usage = spent.usage.is_something().then_some(spent.usage);
            record.usage = usage;
            record.attempts.push(Attempt {
                reference: self.terms.reference(&seen.model),
                outcome: self.outcome,
                detail: std::mem::take(&mut self.detail),
                timeout: None,
                began: std::time::Duration::ZERO,
                took,
                usage,
                bill: spent.bill().filter(|bill| bill.amount > crate::protocol::amount::Amount::ZERO),
            });
        }
        (self.sink)(record);
    }
}
