//! The record of one request in progress. It is sent to the sink however the request ends.

use std::sync::{Arc, MutexGuard};

use tokio::time::{Duration, Instant};

use super::active_requests::ActiveRequest;
use super::continuation::estimate_usage;
use super::plan::Target;
use super::request_bodies::{PreparedRequest, RequestBodies};
use super::state::State;
use super::{ClientRequest, RecordSink, headers};
use crate::config::settings::{Reference, Settings};
use crate::failure::Reason;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::ContentBytes;
use crate::record::{Attempt, AttemptCost, AttemptOutcome, CostSource, Record};
use http::HeaderName;

/// Of a User-Agent's product this much names a client, in bytes; a head may hold 64 KiB of it.
const MAX_CLIENT_NAME_BYTES: usize = 64;

/// W3C Trace Context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Passed along with a request. When dropped, it sends the record to the sink. A request that was dropped
/// before its end is recorded as far as it went.
pub(super) struct RequestTracker {
    request: Arc<ActiveRequest>,
    number: u64,
    record_sink: RecordSink,
    state: Arc<State>,
    settings: Arc<Settings>,
}

impl RequestTracker {
    pub(super) fn new(
        record_sink: RecordSink,
        state: Arc<State>,
        settings: Arc<Settings>,
        request: &ClientRequest,
    ) -> Self {
        let record = new_record(request);
        let request = Arc::new(ActiveRequest::new(record));
        let number = state.active_requests().add(request.clone());
        Self { request, number, record_sink, state, settings }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.request.record()
    }

    /// Records what the client requests, once that is read.
    pub(super) fn record_requested(&self, requested: &str, streamed: bool) {
        let mut record = self.record();
        requested.clone_into(&mut record.requested_model);
        record.is_streaming = streamed;
    }

    /// Records that the request was rejected before any target was called.
    pub(super) fn record_rejection(&self, reason: Reason) {
        self.mark_failed(reason);
        self.mark_finished();
    }

    /// How long after the request this is.
    pub(super) fn offset_of(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.request.started())
    }

    /// Adds a try, or a target that was passed over.
    pub(super) fn add_attempt(&self, attempt: Attempt) {
        {
            let attempts = &mut self.record().attempts;
            // Most requests have one.
            attempts.reserve_exact(usize::from(attempts.is_empty()));
            attempts.push(attempt);
        }
        self.state.active_requests().notify();
    }

    /// A try begins. Dropped before its end it counts as cancelled.
    pub(super) fn start_attempt<'t>(
        &'t self,
        reference: &'t str,
        bodies: &'t RequestBodies,
    ) -> AttemptGuard<'t> {
        AttemptGuard { tracker: self, reference, bodies, started: Instant::now() }
    }

    /// Adds a try that was given up, in front of the one that answered instead.
    fn add_cancelled(&self, attempt: Attempt) {
        let attempts = &mut self.record().attempts;
        let answers = attempts.last().is_some_and(|last| last.outcome == AttemptOutcome::Ok);
        attempts.insert(attempts.len() - usize::from(answers), attempt);
    }

    /// Changes the last try: a stream that had begun well broke.
    pub(super) fn amend_last(&self, change: impl FnOnce(&mut Attempt)) {
        if let Some(last) = self.record().attempts.last_mut() {
            change(last);
        }
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.record().attempts.clone()
    }

    /// Records the target that has answered, or begun to.
    pub(super) fn answering_model(&self) -> Option<String> {
        self.record().served_by.clone()
    }

    pub(super) fn record_answer(&self, target: &Target, sent: &PreparedRequest<'_>) {
        let mut record = self.record();
        record.served_by = Some(target.name.clone());
        record.upstream_api = Some(target.api);
        add_missing(&mut record.applied_rules, &sent.adapted.rules);
        add_missing(&mut record.losses, sent.request_body.dropped());
        record.thinking = sent.adapted.thinking;
        record.time_to_first_byte.get_or_insert_with(|| self.request.started().elapsed());
    }

    /// What the last try used.
    pub(super) fn record_usage(&self, usage: Option<TokenUsage>) {
        self.record_client_usage(usage);
        self.amend_last(|attempt| attempt.usage = usage);
    }

    /// Records the usage reported to the client, if it differs from that of the last attempt.
    pub(super) fn record_client_usage(&self, usage: Option<TokenUsage>) {
        self.record().usage = usage;
    }

    /// Changes the try at this place.
    pub(super) fn amend_at(&self, place: usize, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.record().attempts.get_mut(place) {
            change(attempt);
        }
    }

    /// Everything was said to the client.
    pub(super) fn mark_finished(&self) {
        self.record().client_disconnected = false;
    }

    pub(super) fn is_finished(&self) -> bool {
        !self.record().client_disconnected
    }

    pub(super) fn mark_failed(&self, reason: Reason) {
        self.record().failure_reason = Some(reason);
    }
}

/// The record of a request as it begins: its id, its client (by its token, else by its User-Agent's product),
/// its API format.
pub(super) fn new_record(request: &ClientRequest) -> Record {
    let product = headers::user_agent(&request.headers).and_then(|agent| agent.split(['/', ' ']).next());
    let product = product.map(|name| name.get(..MAX_CLIENT_NAME_BYTES).unwrap_or(name));
    let client = request.client.clone().unwrap_or_else(|| product.unwrap_or("unknown").to_owned());
    let trace_parent = headers::text_value(&request.headers, &TRACE_PARENT);
    Record { trace_parent, ..Record::new(request.id, client, request.api) }
}

/// Adds what is not there yet.
fn add_missing(all: &mut Vec<&'static str>, more: &[&'static str]) {
    let new: Vec<_> = more.iter().filter(|name| !all.contains(name)).copied().collect();
    all.extend(new);
}

/// The cost of a target's usage: the provider's own figure if it reports one, else by the price, if one is
/// known.
fn compute_bill(settings: &Settings, reference: &str, usage: &TokenUsage) -> Option<AttemptCost> {
    let reference = Reference::parse(reference)?;
    let provider = settings.providers.get(&reference.provider)?;
    let (amount, pricing) = match usage.cost {
        Some(told) => (told, CostSource::Provider),
        None => {
            (provider.find_model(&reference.model)?.model.prices?.compute_cost(usage), CostSource::PriceTable)
        }
    };
    Some(AttemptCost { amount, currency: provider.currency.clone(), source: pricing })
}

/// An attempt in progress.
pub(super) struct AttemptGuard<'t> {
    tracker: &'t RequestTracker,
    reference: &'t str,
    bodies: &'t RequestBodies,
    started: Instant,
}

impl AttemptGuard<'_> {
    /// The result is known, and recorded elsewhere.
    pub(super) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for AttemptGuard<'_> {
    fn drop(&mut self) {
        self.tracker.add_cancelled(Attempt {
            reference: self.reference.to_owned(),
            outcome: AttemptOutcome::Cancelled,
            detail: "another target answered first, or the client went away".to_owned(),
            timeout: None,
            start_offset: self.tracker.offset_of(self.started),
            duration: self.started.elapsed(),
            // A provider may bill the prompt of what was cancelled; none says how much it was.
            usage: Some(estimate_usage(self.bodies.prompt_tokens(), ContentBytes::default())),
            cost: None,
        });
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        let mut record = self.request.take_final();
        for attempt in &mut record.attempts {
            attempt.cost =
                attempt.usage.and_then(|usage| compute_bill(&self.settings, &attempt.reference, &usage));
        }
        (self.record_sink)(record);
        // After the sink: when no request is in progress, every record was sent.
        self.state.active_requests().remove(self.number);
    }
}
