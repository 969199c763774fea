//! `GET /v1/models`: every name that a client may ask for.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::answer::json as answer;
use super::error::Problem;
use super::shared::Shared;
use crate::relay::Refusal;
use crate::relay::plan::Offered;

/// Both SDKs want a time; the catalog's facts have dates, names of the user's have none.
const CREATED: u64 = 0;

/// The list, in OpenAI's shape, or Anthropic's for its clients.
pub(super) async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let offered = shared.relay.offered();
    let value = if is_anthropic(&headers) {
        json!({
            "data": offered.iter().map(anthropic).collect::<Vec<_>>(),
            "has_more": false,
            "first_id": offered.first().map(|model| &model.id),
            "last_id": offered.last().map(|model| &model.id),
        })
    } else {
        json!({"object": "list", "data": offered.iter().map(openai).collect::<Vec<_>>()})
    };
    answer(StatusCode::OK, &value)
}

/// One name, as [`list`] has it, or any other that a request may use.
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(id)) = id else {
        return Problem::from(Refusal::NoModel).into_response();
    };
    match shared.relay.offer(&id) {
        Ok(model) => {
            let value = if is_anthropic(&headers) { anthropic(&model) } else { openai(&model) };
            answer(StatusCode::OK, &value)
        }
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

fn is_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

fn openai(model: &Offered) -> Value {
    let mut value = json!({"id": model.id, "object": "model", "created": CREATED, "owned_by": model.owner, "name": model.name});
    if let Some(window) = model.context_window {
        value["context_length"] = window.into();
    }
    if let Some(most) = model.max_tokens {
        value["max_output_tokens"] = most.into();
    }
    value
}

fn anthropic(model: &Offered) -> Value {
    json!({"type": "model", "id": model.id, "display_name": model.name, "created_at": "1970-01-01T00:00:00Z"})
}
