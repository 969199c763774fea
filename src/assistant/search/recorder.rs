//! Records a search as one request in the log, the usage database and the metrics.

use std::time::Instant;

use super::conversation::SearchProgress;
use super::failure::SearchFailure;
use super::result::SearchResult;
use super::search_config::SearchConfig;
use super::tool;
use crate::protocol::api::Api;
use crate::record::{Attempt, AttemptOutcome, Record};

/// Reports to the sink on drop, whatever the outcome of the search.
pub(super) struct SearchRecorder<'a, S: Fn(Record)> {
    record: Option<Record>,
    sink: S,
    config: &'a SearchConfig,
    progress: &'a SearchProgress,
    started_at: Instant,
    outcome: AttemptOutcome,
    detail: String,
}

impl<'a, S: Fn(Record)> SearchRecorder<'a, S> {
    pub(super) fn new(
        record: Record,
        sink: S,
        config: &'a SearchConfig,
        progress: &'a SearchProgress,
    ) -> Self {
        // The query is private to the user; the usage database stores only what was done.
        let record = Record { requested_model: tool::NAME.to_owned(), ..record };
        let detail = "the client went away".to_owned();
        let (outcome, started_at) = (AttemptOutcome::Cancelled, Instant::now());
        Self { record: Some(record), sink, config, progress, started_at, outcome, detail }
    }

    /// It has come to its end.
    pub(super) fn finish(&mut self, outcome: &Result<SearchResult, SearchFailure>) {
        let Some(record) = &mut self.record else { return };
        record.client_disconnected = false;
        match outcome {
            Ok(found) => {
                record.served_by = Some(found.reference.clone());
                record.upstream_api = (!found.is_cached).then_some(Api::ChatCompletions);
                record.time_to_first_byte = Some(self.started_at.elapsed());
                self.outcome = AttemptOutcome::Ok;
                self.detail.clear();
            }
            Err(failure) => {
                record.failure_reason = Some(failure.kind.reason());
                self.outcome = AttemptOutcome::Failed(failure.kind.reason());
                self.detail.clone_from(&failure.message);
            }
        }
    }
}

impl<S: Fn(Record)> Drop for SearchRecorder<'_, S> {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        let seen = self.progress.lock_state().clone();
        let took = self.started_at.elapsed();
        record.duration = took;
        // All rounds are one attempt: they are one search, and no fallback of each other.
        if !seen.model.is_empty() {
            let spent = seen.usage.with_price(self.config.price(&seen.model));
            let usage = spent.tokens.is_nonzero().then_some(spent.tokens);
            record.usage = usage;
            record.attempts.push(Attempt {
                reference: self.config.reference(&seen.model),
                outcome: self.outcome,
                detail: std::mem::take(&mut self.detail),
                timeout: None,
                start_offset: std::time::Duration::ZERO,
                duration: took,
                usage,
                cost: spent.bill().filter(|bill| bill.amount > crate::protocol::amount::Amount::ZERO),
            });
        }
        (self.sink)(record);
    }
}
