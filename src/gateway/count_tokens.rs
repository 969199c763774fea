//! `POST /v1/messages/count_tokens`: how many tokens a request has.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json as object;

use super::app_state::{AppState, Caller};
use super::completion;
use super::error::ApiError;
use super::response::{insert_model_header, json_response};
use crate::protocol::api::Api;
use crate::routing::token_count::TokenCount;

/// Names the source of the token count.
const COUNT_SOURCE: HeaderName = HeaderName::from_static("x-moonrelay-count");

/// Counts the tokens of a request.
pub(super) async fn handle_count_tokens(
    State(shared): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    match count_tokens(&shared, caller, request).await {
        Ok(TokenCount { tokens, counted_by }) => {
            let by = if counted_by.is_some() { "provider" } else { "estimate" };
            let mut response =
                json_response(StatusCode::OK, &object!({"input_tokens": tokens, "counted_by": by}));
            let headers = response.headers_mut();
            headers.insert(COUNT_SOURCE, HeaderValue::from_static(by));
            insert_model_header(headers, counted_by.as_deref());
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn count_tokens(
    shared: &AppState,
    caller: Caller,
    mut request: Request,
) -> Result<TokenCount, ApiError> {
    let request = completion::read_request(shared, caller, Api::Messages, &mut request).await?;
    Ok(shared.engine.count_tokens(request).await?)
}
