//! `POST /v1/search`: an answer from the web.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use super::app_state::{AppState, Caller};
use super::completion;
use super::error::ApiError;
use super::response::{insert_answer_headers, insert_model_header, json_response, new_attempt};
use crate::assistant::search::{SearchResult, Searcher, tool};
use crate::protocol::api::Api;
use crate::record::AttemptOutcome;
use crate::routing::Engine;
use crate::state::ShutdownPhase;

/// Searches the web. A client that disconnects drops this, and with it the upstream request.
pub(super) async fn handle_search(
    State(shared): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, ApiError> {
    let found = search(&shared, caller, request).await?;
    let mut response = json_response(StatusCode::OK, &found.to_json());
    let headers = response.headers_mut();
    let reference = found.reference.clone();
    if found.is_cached {
        insert_model_header(headers, Some(&reference));
    } else {
        let attempt = new_attempt(reference.clone(), AttemptOutcome::Ok, String::new(), found.duration);
        insert_answer_headers(headers, Some(&reference), &[attempt]);
    }
    Ok(response)
}

async fn search(shared: &AppState, caller: Caller, request: Request) -> Result<SearchResult, ApiError> {
    let request = completion::read_request(shared, caller, Api::ChatCompletions, request).await?;
    let query = parse_query(&request.body)?;
    let relay = &shared.engine;
    let searcher = Searcher::with_cache(shared.search_cache.clone(), relay.connector(), &relay.settings());
    let mut ending = relay.state().watch_shutdown();
    let searching =
        searcher.search_recorded(&query, Engine::new_record(&request), |record| relay.send_record(record));
    tokio::select! {
        outcome = Box::pin(searching) => Ok(outcome?),
        () = ending.wait_for(ShutdownPhase::Interrupting) => Err(ApiError::search_interrupted()),
    }
}

/// Reads the query. Other fields are rejected, because they would have no effect.
fn parse_query(body: &Bytes) -> Result<String, ApiError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_body(None, format!("the body is not JSON: {error}")))?;
    let wrong =
        || ApiError::bad_body(Some("query"), "the body must be {\"query\": \"…\"}, and the query a string");
    let members = value.as_object().ok_or_else(wrong)?;
    tool::reject_unknown_members(members).map_err(|why| ApiError::bad_body(None, why))?;
    members.get("query").and_then(Value::as_str).map(str::to_owned).ok_or_else(wrong)
}
