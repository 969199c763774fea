//! `POST /v1/messages/count_tokens`: how many tokens a request has.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json as object;

use super::answer::{json, tell_model};
use super::completion;
use super::error::Problem;
use super::shared::{Caller, Shared};
use crate::protocol::face::Face;
use crate::routing::count::Count;

/// Who counted.
const COUNT: HeaderName = HeaderName::from_static("x-moonrelay-count");

/// Counts.
pub(super) async fn tokens(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    match count(&shared, caller, request).await {
        Ok(Count { tokens, counted_by }) => {
            let by = if counted_by.is_some() { "provider" } else { "estimate" };
            let mut response = json(StatusCode::OK, &object!({"input_tokens": tokens, "counted_by": by}));
            let headers = response.headers_mut();
            headers.insert(COUNT, HeaderValue::from_static(by));
            tell_model(headers, counted_by.as_deref());
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn count(shared: &Shared, caller: Caller, mut request: Request) -> Result<Count, Problem> {
    let request = completion::read(shared, caller, Face::Messages, &mut request).await?;
    Ok(shared.relay.count(request).await?)
}
