//! A request that is over, as spans: one for the request, as a server, and below it one for each call of a provider.
//!
//! Source: OpenTelemetry's semantic conventions for generative AI client spans, 2026-11. Only the calls carry their
//! attributes: what adds up tokens by them counts none twice.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use opentelemetry_semantic_conventions::SCHEMA_URL;

use super::parent::Parent;
use super::{Server, names};
use crate::failure::Reason;
use crate::protocol::usage::Usage;
use crate::record::{Attempt, Bill, Outcome, Record, Skip};

/// The request's span and those of its attempts; `None` where the client's trace is not sampled.
pub(super) fn of(record: &Record, servers: &BTreeMap<String, Server>) -> Option<Vec<SpanData>> {
    let ids = RandomIdGenerator::default();
    let parent = record.trace_parent.as_deref().and_then(Parent::read);
    if parent.is_some_and(|parent| !parent.is_sampled) {
        return None;
    }
    let trace = Trace {
        id: parent.map_or_else(|| ids.new_trace_id(), |parent| parent.trace),
        scope: InstrumentationScope::builder("moonrelay")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build(),
        at: record.at,
        ids,
    };
    let mut request = trace.request(record, parent);
    let mut spans = Vec::with_capacity(1 + record.attempts.len());
    for attempt in &record.attempts {
        if let Outcome::Skipped(skip) = attempt.outcome {
            request.events.events.push(skipped(attempt, skip, record.at));
        } else {
            let number = spans.len() + 1;
            spans.push(trace.attempt(record, attempt, number, &request, servers));
        }
    }
    request.attributes.push(KeyValue::new(names::ATTEMPTS, count(spans.len() as u64)));
    spans.insert(0, request);
    Some(spans)
}

/// What all spans of a request share.
struct Trace {
    id: TraceId,
    scope: InstrumentationScope,
    at: SystemTime,
    ids: RandomIdGenerator,
}

impl Trace {
    fn span(&self, name: String, kind: SpanKind, began: Duration, ended: Duration) -> SpanData {
        let id = self.ids.new_span_id();
        let context = SpanContext::new(self.id, id, TraceFlags::SAMPLED, false, TraceState::NONE);
        SpanData {
            span_context: context,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: self.at + began,
            end_time: self.at + ended.max(began),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn request(&self, record: &Record, parent: Option<Parent>) -> SpanData {
        let name = format!("relay {}", record.requested);
        let mut span = self.span(name.trim_end().to_owned(), SpanKind::Server, Duration::ZERO, record.took);
        if let Some(parent) = parent {
            span.parent_span_id = parent.span;
            span.parent_span_is_remote = true;
        }
        let outcome = match record.failed {
            Some(reason) => reason.as_str(),
            None if record.abandoned => "abandoned",
            None => Outcome::Ok.as_str(),
        };
        let mut say = |name, value: Value| span.attributes.push(KeyValue::new(name, value));
        say(names::REQUEST_ID, record.request_id.to_string().into());
        say(names::CLIENT, record.client.clone().into());
        say(names::FACE, record.face.api().into());
        say(names::REQUESTED, record.requested.clone().into());
        say(names::STREAMED, record.streamed.into());
        say(names::OUTCOME, outcome.into());
        if let Some(face) = record.called {
            say(names::CALLED, face.api().into());
        }
        if let Some(reference) = &record.answered {
            say(names::ANSWERED, reference.clone().into());
        }
        if let Some(level) = record.thinking {
            say(names::THINKING, level.as_str().into());
        }
        if let Some(took) = record.first_byte {
            say(names::FIRST_BYTE, took.as_secs_f64().into());
        }
        fail(&mut span, record.failed);
        span
    }

    fn attempt(
        &self,
        record: &Record,
        attempt: &Attempt,
        number: usize,
        request: &SpanData,
        servers: &BTreeMap<String, Server>,
    ) -> SpanData {
        let (provider, model) = attempt.reference.split_once('/').unwrap_or((&attempt.reference, ""));
        let streams = record.streamed && attempt.outcome == Outcome::Ok;
        // A stream that answers has its outcome at its first event, and ends with the request.
        let ended = if streams { record.took } else { attempt.began + attempt.took };
        let mut span = self.span(format!("chat {model}"), SpanKind::Client, attempt.began, ended);
        span.parent_span_id = request.span_context.span_id();
        let mut say = |name, value: Value| span.attributes.push(KeyValue::new(name, value));
        // The conventions list neither Moonshot nor OpenRouter; where they do not, a provider's own name stands here.
        say(names::OPERATION, "chat".into());
        say(names::PROVIDER, provider.to_owned().into());
        say(names::MODEL, model.to_owned().into());
        if let Some(server) = servers.get(provider) {
            say(names::SERVER_ADDRESS, server.address.clone().into());
            say(names::SERVER_PORT, i64::from(server.port).into());
        }
        if record.streamed {
            say(names::STREAM, true.into());
        }
        if streams {
            say(names::FIRST_CHUNK, attempt.took.as_secs_f64().into());
        }
        say(names::ATTEMPT, count(number as u64));
        say(names::OUTCOME, attempt.outcome.as_str().into());
        if let Some(usage) = &attempt.usage {
            span.attributes.extend(used(usage));
        }
        if let Some(bill) = &attempt.bill {
            span.attributes.extend(billed(bill));
        }
        let failed = match attempt.outcome {
            Outcome::Failed(reason) => Some(reason),
            // What was cancelled did nothing wrong.
            Outcome::Ok | Outcome::Skipped(_) | Outcome::Cancelled => None,
        };
        fail(&mut span, failed);
        span
    }
}

/// The reason, and no more: a provider's message may repeat what it was sent.
fn fail(span: &mut SpanData, reason: Option<Reason>) {
    if let Some(reason) = reason {
        span.status = Status::error(reason.as_str());
        span.attributes.push(KeyValue::new(names::ERROR, reason.as_str()));
    }
}

fn skipped(attempt: &Attempt, skip: Skip, at: SystemTime) -> Event {
    let mut attributes = vec![
        KeyValue::new(names::TARGET, attempt.reference.clone()),
        KeyValue::new(names::REASON, skip.as_str()),
    ];
    if let Skip::CoolingDown(reason) = skip {
        attributes.push(KeyValue::new(names::REST, reason.as_str()));
    }
    Event::new(names::SKIPPED, at + attempt.began, attributes, 0)
}

/// In the conventions the input's figure holds what the cache gave and took, and the output's the reasoning.
fn used(usage: &Usage) -> impl Iterator<Item = KeyValue> {
    let always = [(names::INPUT, usage.prompt()), (names::OUTPUT, usage.output)];
    let parts = [
        (names::CACHE_READ, usage.cache_read),
        (names::CACHE_WRITE, usage.cache_write),
        (names::REASONING, usage.reasoning),
    ];
    let parts = parts.into_iter().filter(|(_, tokens)| *tokens > 0);
    let tokens = always.into_iter().chain(parts).map(|(name, tokens)| KeyValue::new(name, count(tokens)));
    tokens.chain([KeyValue::new(names::ESTIMATED, usage.estimated)])
}

fn billed(bill: &Bill) -> [KeyValue; 3] {
    [
        KeyValue::new(names::COST, bill.amount.as_f64()),
        KeyValue::new(names::CURRENCY, bill.currency.clone()),
        KeyValue::new(names::PRICING, bill.pricing.as_str()),
    ]
}

fn count(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}
