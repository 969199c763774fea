//! `POST /v1/chat/completions`, `/v1/responses`, `/v1/messages`: completions; `/v1/responses/compact`; and how many tokens a
//! request has.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use super::app_state::{AppState, Caller};
use super::error::ApiError;
use super::offload::run_routing;
use super::response::{insert_answer_headers, insert_losses_header, insert_model_header, json_response};
use super::{forwarded_headers, request_body};
use crate::protocol::api::Api;
use crate::routing::token_count::TokenCount;
use crate::routing::{Answer, ClientRequest};

const FALLBACK_HEADER: HeaderName = HeaderName::from_static("x-moonrelay-fallback");

/// Handles a request of one API, streaming or not.
pub(super) async fn handle_completion(
    api: Api,
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let request = match read_request(&state, caller, api, request).await {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    let body_bytes = request.body.len();
    let routing = Box::pin(async move { state.engine.answer(request).await });
    match run_routing(body_bytes, routing).await {
        Ok(answer) => render_answer(answer),
        Err(error) => ApiError::from_recorded(error).into_response(),
    }
}

/// Reads the whole request.
pub(super) async fn read_request(
    state: &AppState,
    caller: Caller,
    api: Api,
    request: Request,
) -> Result<ClientRequest, ApiError> {
    // The whole head: its path is a slice of the 8 KiB that were read from the socket.
    let (head, body) = request.into_parts();
    let body = request_body::read_until_shutdown(&head.headers, body, &state.engine).await?;
    let is_fallback_disabled = match head.headers.get(FALLBACK_HEADER).map(HeaderValue::as_bytes) {
        None | Some(b"on") => false,
        Some(b"off") => true,
        Some(_) => return Err(ApiError::bad_header("x-moonrelay-fallback must be on or off")),
    };
    let headers = forwarded_headers::filter_headers(&head.headers);
    Ok(ClientRequest {
        id: caller.request_id,
        api,
        client: caller.client,
        headers,
        body,
        is_fallback_disabled,
        is_compaction: false,
    })
}

fn render_answer(answer: Answer) -> Response {
    match answer {
        Answer::Complete { body, model, attempts, losses, headers } => {
            let mut response = Response::new(Body::from(body.to_bytes()));
            let all = response.headers_mut();
            *all = headers;
            all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            insert_answer_headers(all, Some(&model), &attempts);
            insert_losses_header(all, &losses);
            response
        }
        Answer::Stream { model, attempts, losses, headers, body } => {
            let events = body.map(Ok::<_, std::convert::Infallible>);
            let mut response = Response::new(Body::from_stream(events));
            let all = response.headers_mut();
            *all = headers;
            all.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            all.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // Otherwise nginx would buffer the events.
            all.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            insert_answer_headers(all, model.as_deref(), &attempts);
            insert_losses_header(all, &losses);
            response
        }
    }
}

/// Compacts the conversation of a Responses client.
pub(super) async fn handle_compaction(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let request = match read_request(&state, caller, Api::Responses, request).await {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    let body_bytes = request.body.len();
    let routing = Box::pin(async move { state.engine.compact(request).await });
    match run_routing(body_bytes, routing).await {
        Ok(answer) => render_answer(answer),
        Err(error) => ApiError::from_recorded(error).into_response(),
    }
}

/// Names the source of the token count.
const COUNT_SOURCE: HeaderName = HeaderName::from_static("x-moonrelay-count");

/// Counts the tokens of a request of the Messages or the Responses API.
pub(super) async fn handle_count_tokens(
    api: Api,
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    match count_tokens(api, state, caller, request).await {
        Ok(TokenCount { tokens, counted_by }) => {
            let by = if counted_by.is_some() { "provider" } else { "estimate" };
            let mut count = json!({"input_tokens": tokens, "counted_by": by});
            if api == Api::Responses {
                count["object"] = json!("response.input_tokens");
            }
            let mut response = json_response(StatusCode::OK, &count);
            let headers = response.headers_mut();
            headers.insert(COUNT_SOURCE, HeaderValue::from_static(by));
            insert_model_header(headers, counted_by.as_deref());
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn count_tokens(
    api: Api,
    state: Arc<AppState>,
    caller: Caller,
    request: Request,
) -> Result<TokenCount, ApiError> {
    let request = read_request(&state, caller, api, request).await?;
    let body_bytes = request.body.len();
    let counting = Box::pin(async move { state.engine.count_tokens(request).await });
    Ok(run_routing(body_bytes, counting).await?)
}
