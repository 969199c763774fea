//! `GET /requests/{id}`: what became of one request, for whoever asked it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json as object};

use super::answer::{json, millis};
use super::error::Problem;
use super::shared::Shared;
use crate::protocol::amount::Amount;
use crate::protocol::usage::Usage;
use crate::record::RequestId;
use crate::routing::ending::Stage;
use crate::usage::{Entry, StoreError, Try};

/// Between an answer's last byte and its record there is no more than this.
const RECORDED: Duration = Duration::from_secs(3);

/// A path's id.
pub(super) type Id = Result<Path<String>, PathRejection>;

/// What is no text is no request's.
pub(super) fn text(id: Id) -> String {
    id.map_or_else(|_| char::REPLACEMENT_CHARACTER.to_string(), |Path(id)| id)
}

/// The record of one that is over, or is about to be.
pub(super) async fn one(State(shared): State<Arc<Shared>>, id: Id) -> Response {
    let id = text(id);
    match recorded(&shared, &id).await {
        Ok(Some(entry)) => json(StatusCode::OK, &as_json(&entry)),
        Ok(None) => Problem::no_request(&id).into_response(),
        Err(trouble) => Problem::broken(trouble.to_string()).into_response(),
    }
}

/// The record of a request that has just ended, or is about to. Anybody may wait here for what never comes, so the store
/// is asked once; what ends from then on is in memory. Nobody waits once the gateway stops.
pub(super) async fn recorded(shared: &Shared, id: &str) -> Result<Option<Arc<Entry>>, StoreError> {
    let Ok(id) = id.parse::<RequestId>() else { return Ok(None) };
    let mut changes = shared.ledger.changes();
    let known = shared.ledger.find(id).await?;
    if known.is_some() {
        return Ok(known);
    }
    let wait = async {
        loop {
            // The sender lives as long as the ledger.
            let _ = changes.changed().await;
            let recent = shared.ledger.recent();
            if let Some(entry) = recent.into_iter().find(|entry| entry.request_id == id) {
                return entry;
            }
        }
    };
    let mut ending = shared.relay.state().ending();
    tokio::select! {
        entry = tokio::time::timeout(RECORDED, wait) => Ok(entry.ok()),
        () = ending.reached(Stage::Draining) => Ok(None),
    }
}

fn as_json(entry: &Entry) -> Value {
    let answering = entry.attempts.iter().rev().find(|attempt| attempt.answered());
    let bill = answering.and_then(|attempt| attempt.bill.as_ref());
    let currency = bill.map(|bill| bill.currency.as_str());
    let usage = entry.attempts.iter().filter_map(|attempt| attempt.usage).reduce(together);
    object!({
        "id": entry.request_id,
        "at": millis(entry.at()),
        "client": entry.client,
        "requested": entry.requested,
        "answered": entry.answered,
        "face": entry.face,
        "called": entry.called,
        "streamed": entry.streamed,
        "thinking": entry.thinking,
        "outcome": entry.outcome,
        "firstByteMs": entry.first_byte.map(ms),
        "tookMs": ms(entry.took),
        "attempts": entry.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "usage": usage.as_ref().map(tokens),
        "cost": currency.map(|currency| cost(entry, currency).as_f64()),
        "currency": currency,
    })
}

/// Of all attempts that were paid for in this currency: amounts of two are never added.
fn cost(entry: &Entry, currency: &str) -> Amount {
    let bills = entry.attempts.iter().filter_map(|attempt| attempt.bill.as_ref());
    bills.filter(|bill| bill.currency == currency).map(|bill| bill.amount).sum()
}

fn attempt(attempt: &Try) -> Value {
    let bill = attempt.bill.as_ref();
    object!({
        "model": format!("{}/{}", attempt.provider, attempt.model),
        "result": attempt.outcome,
        "detail": attempt.detail,
        "beganMs": ms(attempt.began),
        "tookMs": ms(attempt.took),
        "usage": attempt.usage.as_ref().map(tokens),
        "cost": bill.map(|bill| bill.amount.as_f64()),
        "currency": bill.map(|bill| bill.currency.as_str()),
        "pricing": bill.map(|bill| bill.pricing.as_str()),
    })
}

fn tokens(usage: &Usage) -> Value {
    object!({
        "input": usage.input,
        "output": usage.output,
        "cacheRead": usage.cache_read,
        "cacheWrite": usage.cache_write,
        "reasoning": usage.reasoning,
        "estimated": usage.estimated,
    })
}

fn together(one: Usage, other: Usage) -> Usage {
    Usage {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        cache_read: one.cache_read.saturating_add(other.cache_read),
        cache_write: one.cache_write.saturating_add(other.cache_write),
        reasoning: one.reasoning.saturating_add(other.reasoning),
        estimated: one.estimated || other.estimated,
        cost: None,
    }
}

/// To the microsecond.
fn ms(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}
