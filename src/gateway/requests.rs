//! `GET /requests/{id}`: the outcome of one request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json as object};

use super::app_state::AppState;
use super::error::ApiError;
use super::response::json_response;
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::RequestId;
use crate::record::to_unix_millis;
use crate::state::ShutdownPhase;
use crate::usage::{DatabaseError, UsageAttempt, UsageEntry};

/// The longest time between the last byte of a response and its record.
const RECORD_TIMEOUT: Duration = Duration::from_secs(3);

/// A path's id.
pub(super) type RequestIdPath = Result<Path<String>, PathRejection>;

/// An id that is not text belongs to no request.
pub(super) fn decode_id(id: RequestIdPath) -> String {
    id.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(id)| id)
}

/// Returns the record of a request that has ended, or is about to end.
pub(super) async fn get_request(State(shared): State<Arc<AppState>>, id: RequestIdPath) -> Response {
    let id = decode_id(id);
    match wait_for_record(&shared, &id).await {
        Ok(Some(entry)) => json_response(StatusCode::OK, &to_json(&entry)),
        Ok(None) => ApiError::request_not_found(&id).into_response(),
        Err(trouble) => ApiError::internal(trouble.to_string()).into_response(),
    }
}

/// The record of a request that has just ended, or is about to end. A client may wait here for a record that
/// never comes, so the store is queried only once; requests that end later are in memory. The wait ends when
/// the gateway stops.
pub(super) async fn wait_for_record(
    shared: &AppState,
    id: &str,
) -> Result<Option<Arc<UsageEntry>>, DatabaseError> {
    let Ok(id) = id.parse::<RequestId>() else { return Ok(None) };
    let mut changes = shared.usage.subscribe();
    let known = shared.usage.find_request(id).await?;
    if known.is_some() {
        return Ok(known);
    }
    let wait = async {
        loop {
            // The sender lives as long as the usage store.
            let _ = changes.changed().await;
            let recent = shared.usage.recent();
            if let Some(entry) = recent.into_iter().find(|entry| entry.request_id == id) {
                return entry;
            }
        }
    };
    let mut ending = shared.engine.state().watch_shutdown();
    tokio::select! {
        entry = tokio::time::timeout(RECORD_TIMEOUT, wait) => Ok(entry.ok()),
        () = ending.wait_for(ShutdownPhase::Draining) => Ok(None),
    }
}

fn to_json(entry: &UsageEntry) -> Value {
    let answering = entry.attempts.iter().rev().find(|attempt| attempt.has_answered());
    let bill = answering.and_then(|attempt| attempt.bill.as_ref());
    let currency = bill.map(|bill| bill.currency.as_str());
    // Amounts of two currencies are never added.
    let bills = entry.attempts.iter().filter_map(|attempt| attempt.bill.as_ref());
    let bills = bills.filter(|bill| Some(bill.currency.as_str()) == currency);
    let cost: Amount = bills.map(|bill| bill.amount).sum();
    let usage = entry.attempts.iter().filter_map(|attempt| attempt.usage).reduce(add_usage);
    object!({
        "id": entry.request_id,
        "at": to_unix_millis(entry.started_at()),
        "client": entry.client,
        "requested": entry.requested,
        "answered": entry.answered_by,
        "face": entry.api,
        "called": entry.target_api,
        "streamed": entry.is_streamed,
        "thinking": entry.thinking,
        "outcome": entry.outcome,
        "losses": entry.losses,
        "firstByteMs": entry.first_byte.map(to_millis),
        "tookMs": to_millis(entry.duration),
        "attempts": entry.attempts.iter().map(render_attempt).collect::<Vec<_>>(),
        "usage": usage.as_ref().map(render_usage),
        "cost": currency.map(|_| cost.as_f64()),
        "currency": currency,
    })
}

fn render_attempt(attempt: &UsageAttempt) -> Value {
    let bill = attempt.bill.as_ref();
    object!({
        "model": format!("{}/{}", attempt.provider, attempt.model),
        "result": attempt.outcome,
        "detail": attempt.detail,
        "beganMs": to_millis(attempt.started_after),
        "tookMs": to_millis(attempt.duration),
        "usage": attempt.usage.as_ref().map(render_usage),
        "cost": bill.map(|bill| bill.amount.as_f64()),
        "currency": bill.map(|bill| bill.currency.as_str()),
        "pricing": bill.map(|bill| bill.source.as_str()),
    })
}

fn render_usage(usage: &TokenUsage) -> Value {
    object!({
        "input": usage.input,
        "output": usage.output,
        "cacheRead": usage.cache_read,
        "cacheWrite": usage.cache_write,
        "cacheWrite1h": usage.cache_write_1h,
        "reasoning": usage.reasoning,
        "estimated": usage.is_estimated,
    })
}

fn add_usage(one: TokenUsage, other: TokenUsage) -> TokenUsage {
    TokenUsage {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        cache_read: one.cache_read.saturating_add(other.cache_read),
        cache_write: one.cache_write.saturating_add(other.cache_write),
        cache_write_1h: one.cache_write_1h.saturating_add(other.cache_write_1h),
        reasoning: one.reasoning.saturating_add(other.reasoning),
        is_estimated: one.is_estimated || other.is_estimated,
        cost: None,
    }
}

/// Milliseconds, rounded to the microsecond.
fn to_millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
