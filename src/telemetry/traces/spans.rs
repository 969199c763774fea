//! A finished request as spans: one for the request, as a server, and below it one for each call of a provider.
//!
//! Source: OpenTelemetry's semantic conventions for generative AI client spans, 2026-11. Only the calls carry their
//! attributes, so that a sum of tokens by them counts none twice. Our own attributes begin with `moonrelay.`.

#![expect(
    deprecated,
    reason = "the GenAI conventions moved to a repository of their own, and no crate of that one exists; the names are the same"
)]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute as conventions};

use super::traceparent::ParentSpan;
use crate::failure::Reason;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, AttemptCost, AttemptOutcome, Record, SkipReason};

/// The request's span and those of its attempts; `None` where the client's trace is not sampled.
pub(super) fn build_spans(
    record: &Record,
    servers: &BTreeMap<String, (String, u16)>,
) -> Option<Vec<SpanData>> {
    let ids = RandomIdGenerator::default();
    let parent = record.trace_parent.as_deref().and_then(ParentSpan::parse);
    if parent.is_some_and(|parent| !parent.is_sampled) {
        return None;
    }
    let trace = TraceBuilder {
        id: parent.map_or_else(|| ids.new_trace_id(), |parent| parent.trace_id),
        scope: InstrumentationScope::builder("moonrelay")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build(),
        started_at: record.received_at,
        ids,
    };
    let mut request = trace.build_request_span(record, parent);
    let mut spans = Vec::with_capacity(1 + record.attempts.len());
    for attempt in &record.attempts {
        if let AttemptOutcome::Skipped(skip) = attempt.outcome {
            request.events.events.push(build_skip_event(attempt, skip, record.received_at));
        } else {
            let number = spans.len() + 1;
            spans.push(trace.build_attempt_span(record, attempt, number, &request, servers));
        }
    }
    request.attributes.push(KeyValue::new("moonrelay.attempts", to_value(spans.len() as u64)));
    spans.insert(0, request);
    Some(spans)
}

/// What all spans of a request share.
struct TraceBuilder {
    id: TraceId,
    scope: InstrumentationScope,
    started_at: SystemTime,
    ids: RandomIdGenerator,
}

impl TraceBuilder {
    fn build_span(&self, name: String, kind: SpanKind, began: Duration, ended: Duration) -> SpanData {
        let id = self.ids.new_span_id();
        let context = SpanContext::new(self.id, id, TraceFlags::SAMPLED, false, TraceState::NONE);
        SpanData {
            span_context: context,
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: self.started_at + began,
            end_time: self.started_at + ended.max(began),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn build_request_span(&self, record: &Record, parent: Option<ParentSpan>) -> SpanData {
        let name = format!("relay {}", record.requested_model);
        let mut span =
            self.build_span(name.trim_end().to_owned(), SpanKind::Server, Duration::ZERO, record.duration);
        if let Some(parent) = parent {
            span.parent_span_id = parent.span_id;
            span.parent_span_is_remote = true;
        }
        let outcome = match record.failure_reason {
            Some(reason) => reason.as_str(),
            None if record.client_disconnected => "abandoned",
            None => AttemptOutcome::Ok.as_str(),
        };
        let text = |name: &'static str, value: &str| KeyValue::new(name, value.to_owned());
        span.attributes.extend([
            text("moonrelay.request.id", &record.request_id.to_string()),
            text("moonrelay.client", &record.client),
            text("moonrelay.face", record.api.as_str()),
            text("moonrelay.requested", &record.requested_model),
            KeyValue::new("moonrelay.streamed", record.is_streaming),
            text("moonrelay.outcome", outcome),
        ]);
        let optional = [
            record.upstream_api.map(|api| text("moonrelay.called", api.as_str())),
            record.served_by.as_ref().map(|reference| text("moonrelay.answered", reference)),
            record.thinking.map(|level| text("moonrelay.thinking", level.as_str())),
            record.time_to_first_byte.map(|took| KeyValue::new("moonrelay.first_byte", took.as_secs_f64())),
        ];
        span.attributes.extend(optional.into_iter().flatten());
        set_error(&mut span, record.failure_reason);
        span
    }

    fn build_attempt_span(
        &self,
        record: &Record,
        attempt: &Attempt,
        number: usize,
        request: &SpanData,
        servers: &BTreeMap<String, (String, u16)>,
    ) -> SpanData {
        let (provider, model) = attempt.reference.split_once('/').unwrap_or((&attempt.reference, ""));
        let streams = record.is_streaming && attempt.outcome == AttemptOutcome::Ok;
        // A stream that answers has its outcome at its first event, and ends with the request.
        let ended = if streams { record.duration } else { attempt.start_offset + attempt.duration };
        let mut span =
            self.build_span(format!("chat {model}"), SpanKind::Client, attempt.start_offset, ended);
        span.parent_span_id = request.span_context.span_id();
        let mut add_attribute = |name, value: Value| span.attributes.push(KeyValue::new(name, value));
        // The conventions list neither Moonshot nor OpenRouter; for those the provider's own name is used.
        add_attribute(conventions::GEN_AI_OPERATION_NAME, "chat".into());
        add_attribute(conventions::GEN_AI_PROVIDER_NAME, provider.to_owned().into());
        add_attribute(conventions::GEN_AI_REQUEST_MODEL, model.to_owned().into());
        if let Some((address, port)) = servers.get(provider) {
            add_attribute(conventions::SERVER_ADDRESS, address.clone().into());
            add_attribute(conventions::SERVER_PORT, i64::from(*port).into());
        }
        if record.is_streaming {
            add_attribute(conventions::GEN_AI_REQUEST_STREAM, true.into());
        }
        if streams {
            add_attribute(
                conventions::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
                attempt.duration.as_secs_f64().into(),
            );
        }
        add_attribute("moonrelay.attempt", to_value(number as u64));
        add_attribute("moonrelay.outcome", attempt.outcome.as_str().into());
        if let Some(usage) = &attempt.usage {
            span.attributes.extend(usage_attributes(usage));
        }
        if let Some(bill) = &attempt.cost {
            span.attributes.extend(cost_attributes(bill));
        }
        let failed = match attempt.outcome {
            AttemptOutcome::Failed(reason) => Some(reason),
            // What was cancelled did nothing wrong.
            AttemptOutcome::Ok | AttemptOutcome::Skipped(_) | AttemptOutcome::Cancelled => None,
        };
        set_error(&mut span, failed);
        span
    }
}

/// The reason, and no more: a provider's message may repeat what it was sent.
fn set_error(span: &mut SpanData, reason: Option<Reason>) {
    if let Some(reason) = reason {
        span.status = Status::error(reason.as_str());
        span.attributes.push(KeyValue::new(conventions::ERROR_TYPE, reason.as_str()));
    }
}

fn build_skip_event(attempt: &Attempt, skip: SkipReason, at: SystemTime) -> Event {
    let mut attributes = vec![
        KeyValue::new("moonrelay.target", attempt.reference.clone()),
        KeyValue::new("moonrelay.reason", skip.as_str()),
    ];
    if let SkipReason::InCooldown(reason) = skip {
        attributes.push(KeyValue::new("moonrelay.rest", reason.as_str()));
    }
    Event::new("moonrelay.target.skipped", at + attempt.start_offset, attributes, 0)
}

/// In the conventions, the input includes tokens read from and written to the cache, and the output the reasoning.
fn usage_attributes(usage: &TokenUsage) -> impl Iterator<Item = KeyValue> {
    let always = [
        (conventions::GEN_AI_USAGE_INPUT_TOKENS, usage.prompt_tokens()),
        (conventions::GEN_AI_USAGE_OUTPUT_TOKENS, usage.output),
    ];
    let parts = [
        (conventions::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage.cache_read),
        (conventions::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, usage.cache_write),
        (conventions::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, usage.reasoning),
    ];
    let parts = parts.into_iter().filter(|(_, tokens)| *tokens > 0);
    let tokens = always.into_iter().chain(parts).map(|(name, tokens)| KeyValue::new(name, to_value(tokens)));
    tokens.chain([KeyValue::new("moonrelay.usage.estimated", usage.is_estimated)])
}

fn cost_attributes(bill: &AttemptCost) -> [KeyValue; 3] {
    [
        KeyValue::new("moonrelay.cost", bill.amount.as_f64()),
        KeyValue::new("moonrelay.cost.currency", bill.currency.clone()),
        KeyValue::new("moonrelay.cost.pricing", bill.source.as_str()),
    ]
}

fn to_value(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}
