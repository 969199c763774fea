//! The record of one request while it is under way; it goes to the sink however the request ends.

use std::sync::{Arc, MutexGuard};

use tokio::time::{Duration, Instant};

use super::bodies::{Bodies, Prepared};
use super::continuation::estimate;
use super::live::Live;
use super::plan::Target;
use super::state::State;
use super::{ClientRequest, Sink, headers};
use crate::config::settings::{Reference, Settings};
use crate::failure::Reason;
use crate::protocol::usage::Usage;
use crate::provider::answer::Volume;
use crate::record::{Attempt, Bill, Outcome, Pricing, Record};
use http::HeaderName;

/// Of a User-Agent's product this much names a client, in bytes; a head may hold 64 KiB of it.
const LONGEST_NAME: usize = 64;

/// W3C Trace Context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Handed along with a request. Dropped, it tells the sink; a request that was dropped before its end is recorded as
/// far as it went.
pub(super) struct Track {
    live: Arc<Live>,
    number: u64,
    sink: Sink,
    state: Arc<State>,
    settings: Arc<Settings>,
}

impl Track {
    pub(super) fn new(
        sink: Sink,
        state: Arc<State>,
        settings: Arc<Settings>,
        request: &ClientRequest,
    ) -> Self {
        let record = begun(request);
        let live = Arc::new(Live::new(record));
        let number = state.under_way().enter(live.clone());
        Self { live, number, sink, state, settings }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.live.record()
    }

    /// What it asks for, once that is read.
    pub(super) fn asks(&self, requested: &str, streamed: bool) {
        let mut record = self.record();
        requested.clone_into(&mut record.requested);
        record.streamed = streamed;
    }

    /// It is refused before anybody was asked.
    pub(super) fn refused(&self, reason: Reason) {
        self.failed(reason);
        self.finished();
    }

    /// How long after the request this is.
    pub(super) fn since(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.live.started())
    }

    /// Adds a try, or a target that was passed over.
    pub(super) fn attempt(&self, attempt: Attempt) {
        {
            let attempts = &mut self.record().attempts;
            // Most requests have one.
            attempts.reserve_exact(usize::from(attempts.is_empty()));
            attempts.push(attempt);
        }
        self.state.under_way().tell();
    }

    /// A try begins. Dropped before its end it counts as cancelled.
    pub(super) fn trying<'t>(&'t self, reference: &'t str, bodies: &'t Bodies) -> Trying<'t> {
        Trying { track: self, reference, bodies, started: Instant::now() }
    }

    /// Adds a try that was given up, in front of the one that answered instead.
    fn cancelled(&self, attempt: Attempt) {
        let attempts = &mut self.record().attempts;
        let answers = attempts.last().is_some_and(|last| last.outcome == Outcome::Ok);
        attempts.insert(attempts.len() - usize::from(answers), attempt);
    }

    /// Changes the last try: a stream that had begun well broke.
    pub(super) fn amend(&self, change: impl FnOnce(&mut Attempt)) {
        if let Some(last) = self.record().attempts.last_mut() {
            change(last);
        }
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.record().attempts.clone()
    }

    /// Who has answered, or begun to.
    pub(super) fn model(&self) -> Option<String> {
        self.record().answered.clone()
    }

    pub(super) fn answered(&self, target: &Target, sent: &Prepared<'_>) {
        let mut record = self.record();
        record.answered = Some(target.name.clone());
        record.called = Some(target.face);
        add(&mut record.rules, &sent.rewritten.rules);
        add(&mut record.dropped, sent.said.dropped());
        record.thinking = sent.rewritten.thinking;
        record.first_byte.get_or_insert_with(|| self.live.started().elapsed());
    }

    /// What the last try used.
    pub(super) fn used(&self, usage: Option<Usage>) {
        self.told(usage);
        self.amend(|attempt| attempt.usage = usage);
    }

    /// What the client was told, where that is not what the last try used.
    pub(super) fn told(&self, usage: Option<Usage>) {
        self.record().usage = usage;
    }

    /// Changes the try at this place.
    pub(super) fn amend_at(&self, place: usize, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.record().attempts.get_mut(place) {
            change(attempt);
        }
    }

    /// Everything was said to the client.
    pub(super) fn finished(&self) {
        self.record().abandoned = false;
    }

    pub(super) fn is_finished(&self) -> bool {
        !self.record().abandoned
    }

    pub(super) fn failed(&self, reason: Reason) {
        self.record().failed = Some(reason);
    }
}

/// The record of a request as it begins: its id, its client (by its token, else by its User-Agent's product), its face.
pub(super) fn begun(request: &ClientRequest) -> Record {
    let product = headers::user_agent(&request.headers).and_then(|agent| agent.split(['/', ' ']).next());
    let product = product.map(|name| name.get(..LONGEST_NAME).unwrap_or(name));
    let client = request.client.clone().unwrap_or_else(|| product.unwrap_or("unknown").to_owned());
    let trace_parent = headers::text(&request.headers, &TRACE_PARENT);
    Record { trace_parent, ..Record::begun(request.id, client, request.face) }
}

/// Adds what is not there yet.
fn add(all: &mut Vec<&'static str>, more: &[&'static str]) {
    let new: Vec<_> = more.iter().filter(|name| !all.contains(name)).copied().collect();
    all.extend(new);
}

/// What a target's usage costs: the provider's own figure where it tells one, else by the price, where one is known.
fn bill(settings: &Settings, reference: &str, usage: &Usage) -> Option<Bill> {
    let reference = Reference::parse(reference)?;
    let provider = settings.providers.get(&reference.provider)?;
    let (amount, pricing) = match usage.cost {
        Some(told) => (told, Pricing::Provider),
        None => (provider.model(&reference.model)?.facts.cost?.of(usage), Pricing::Price),
    };
    Some(Bill { amount, currency: provider.currency.clone(), pricing })
}

/// A try under way.
pub(super) struct Trying<'t> {
    track: &'t Track,
    reference: &'t str,
    bodies: &'t Bodies,
    started: Instant,
}

impl Trying<'_> {
    /// What came of it is known, and told elsewhere.
    pub(super) fn ended(self) {
        std::mem::forget(self);
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        self.track.cancelled(Attempt {
            reference: self.reference.to_owned(),
            outcome: Outcome::Cancelled,
            detail: "another target answered first, or the client went away".to_owned(),
            timeout: None,
            began: self.track.since(self.started),
            took: self.started.elapsed(),
            // A provider may bill the prompt of what was cancelled; none says how much it was.
            usage: Some(estimate(self.bodies.prompt_tokens(), Volume::default())),
            bill: None,
        });
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        let mut record = self.live.over();
        for attempt in &mut record.attempts {
            attempt.bill = attempt.usage.and_then(|usage| bill(&self.settings, &attempt.reference, &usage));
        }
        (self.sink)(record);
        // Behind the sink: where nothing is under way any more, everything is out to be told.
        self.state.under_way().leave(self.number);
    }
}
