//! The log of requests: one line for each, and one for each failed attempt. It has no prompt, no answer and no key.

use std::time::Duration;

use tracing::{info, warn};

use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::record::{AttemptOutcome, Record, render_attempts_header};

/// Logs a finished request.
pub fn log_request(record: &Record) {
    for attempt in &record.attempts {
        if let AttemptOutcome::Failed(reason) = attempt.outcome {
            warn!(
                request_id = %record.request_id,
                target_model = %attempt.reference,
                reason = %reason,
                ms = to_millis(attempt.duration),
                "attempt failed: {}",
                attempt.detail
            );
        }
    }
    let usage = record.usage.unwrap_or_default();
    info!(
        request_id = %record.request_id,
        client = %record.client,
        requested = %record.requested_model,
        model = record.served_by.as_deref().unwrap_or("none"),
        attempts = %render_attempts_header(&record.attempts),
        face = record.api.as_str(),
        called = record.upstream_api.map(Api::as_str),
        rules = %record.applied_rules.join(","),
        dropped = %record.losses.join(","),
        thinking = record.thinking.map(|level| level.as_str()),
        streamed = record.is_streaming,
        input = usage.input,
        cached = usage.cache_read,
        output = usage.output,
        estimated = usage.is_estimated,
        first_byte_ms = record.time_to_first_byte.map(to_millis),
        ms = to_millis(record.duration),
        abandoned = record.client_disconnected,
        failed = record.failure_reason.map(Reason::as_str),
        "{}",
        summarize(record)
    );
}

fn to_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The message. `journalctl` shows only this by default.
fn summarize(record: &Record) -> String {
    let (ms, requested) = (record.duration.as_millis(), &record.requested_model);
    match (&record.served_by, record.failure_reason) {
        (Some(model), None) if record.client_disconnected => {
            format!("client disconnected from {model} ({requested:?}) after {ms} ms")
        }
        (Some(model), None) => {
            let level = record.thinking.map(|level| format!(", thinking {}", level.as_str()));
            format!("{model} answered {requested:?} in {ms} ms{}", level.unwrap_or_default())
        }
        (Some(model), Some(reason)) => {
            format!("{model} interrupted its answer to {requested:?} after {ms} ms: {reason}")
        }
        (None, Some(reason)) => format!("request for {requested:?} failed after {ms} ms: {reason}"),
        (None, None) => format!("client disconnected ({requested:?}) after {ms} ms"),
    }
}
