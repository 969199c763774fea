//! Records one active request. The record is sent to the sink however the request ends.

use std::sync::{Arc, MutexGuard};

use http::HeaderName;
use tokio::time::{Duration, Instant};

use super::headers;
use super::request::{ClientRequest, RecordSink};
use super::request_bodies::{PreparedRequest, RequestBodies};
use super::target::Target;
use crate::config::settings::{Reference, Settings};
use crate::failure::Reason;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::ContentBytes;
use crate::record::{Attempt, AttemptCost, AttemptOutcome, CostSource, Record};
use crate::state::{ActiveRequest, State};
use crate::stream::estimate_usage;

/// The length limit of a client's name from its User-Agent, in bytes: a request head may have 64 KiB of it.
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

    /// The record, to be changed. It must not be held while another method runs.
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.request.record()
    }

    /// Records that the request failed, and that the client has everything.
    pub(super) fn fail(&self, reason: Reason) {
        let mut record = self.record();
        record.failure_reason = Some(reason);
        record.client_disconnected = false;
    }

    pub(super) fn offset_of(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.request.started())
    }

    /// An attempt that ends now, without usage.
    pub(super) fn new_attempt(
        &self,
        reference: &str,
        started: Instant,
        outcome: AttemptOutcome,
        detail: String,
    ) -> Attempt {
        Attempt {
            reference: reference.to_owned(),
            outcome,
            detail,
            timeout: None,
            start_offset: self.offset_of(started),
            duration: started.elapsed(),
            usage: None,
            cost: None,
        }
    }

    pub(super) fn add_attempt(&self, attempt: Attempt) {
        self.record().attempts.push(attempt);
        self.state.active_requests().notify();
    }

    /// Starts an attempt. If dropped before its end, it counts as cancelled.
    pub(super) fn start_attempt<'t>(
        &'t self,
        reference: &'t str,
        bodies: &'t RequestBodies,
    ) -> AttemptGuard<'t> {
        AttemptGuard { tracker: self, reference, bodies, started: Instant::now() }
    }

    /// Adds a cancelled attempt before the one that responded first.
    fn add_cancelled(&self, attempt: Attempt) {
        let attempts = &mut self.record().attempts;
        let has_answer = attempts.last().is_some_and(|last| last.outcome == AttemptOutcome::Ok);
        attempts.insert(attempts.len() - usize::from(has_answer), attempt);
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.record().attempts.clone()
    }

    /// Losses so far.
    pub(super) fn losses(&self) -> Vec<&'static str> {
        self.record().losses.clone()
    }

    pub(super) fn record_losses(&self, names: &[&'static str]) {
        add_new(&mut self.record().losses, names);
    }

    /// Records the target that responded, and how its request was adapted.
    pub(super) fn record_answer(&self, target: &Target, sent: &PreparedRequest<'_>) {
        let mut record = self.record();
        record.served_by = Some(target.name.clone());
        record.upstream_api = Some(target.api);
        add_new(&mut record.applied_rules, &sent.adapted.rules);
        add_new(&mut record.losses, sent.request_body.dropped());
        record.thinking = sent.adapted.thinking;
        record.time_to_first_byte.get_or_insert_with(|| self.request.started().elapsed());
    }

    /// Records the usage of the last attempt, which is reported to the client unless it was interrupted.
    pub(super) fn record_usage(&self, usage: Option<TokenUsage>) {
        let mut record = self.record();
        record.usage = usage;
        if let Some(last) = record.attempts.last_mut() {
            last.usage = usage;
        }
    }
}

/// Adds the names that a list does not have.
fn add_new(all: &mut Vec<&'static str>, more: &[&'static str]) {
    let new: Vec<_> = more.iter().filter(|name| !all.contains(name)).collect();
    all.extend(new);
}

/// The record of a request at its start. The client's name is that of its token, otherwise its User-Agent's product.
pub(super) fn new_record(request: &ClientRequest) -> Record {
    let product = headers::user_agent(&request.headers).and_then(|agent| agent.split(['/', ' ']).next());
    let product = product.map(|name| name.get(..MAX_CLIENT_NAME_BYTES).unwrap_or(name));
    let client = request.client.clone().unwrap_or_else(|| product.unwrap_or("unknown").to_owned());
    let trace_parent = headers::text_value(&request.headers, &TRACE_PARENT);
    Record { trace_parent, ..Record::new(request.id, client, request.api) }
}

/// The cost of a target's usage: the provider's own figure, otherwise by the price, if one is known.
fn compute_cost(settings: &Settings, reference: &str, usage: &TokenUsage) -> Option<AttemptCost> {
    let reference = Reference::parse(reference)?;
    let provider = settings.providers.get(&reference.provider)?;
    let by_price = || Some(provider.find_model(&reference.model)?.model.prices?.compute_cost(usage));
    let (amount, source) = match usage.cost {
        Some(reported) => (reported, CostSource::Provider),
        None => (by_price()?, CostSource::PriceTable),
    };
    Some(AttemptCost { amount, currency: provider.currency.clone(), source })
}

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
        let (outcome, detail) =
            (AttemptOutcome::Cancelled, "another target answered first, or the client disconnected");
        let attempt = self.tracker.new_attempt(self.reference, self.started, outcome, detail.to_owned());
        // A provider may bill the prompt of a cancelled request, and none reports how much it was.
        let usage = estimate_usage(self.bodies.prompt_tokens(), ContentBytes::default());
        self.tracker.add_cancelled(Attempt { usage: Some(usage), ..attempt });
    }
}

impl Drop for RequestTracker {
    fn drop(&mut self) {
        let mut record = self.request.take_final();
        for attempt in &mut record.attempts {
            let usage = attempt.usage.as_ref();
            attempt.cost = usage.and_then(|usage| compute_cost(&self.settings, &attempt.reference, usage));
        }
        (self.record_sink)(record);
        // After the sink: when no request is in progress, every record was sent.
        self.state.active_requests().remove(self.number);
    }
}
