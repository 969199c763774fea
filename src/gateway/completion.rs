//! `POST /v1/chat/completions`, `/v1/responses`, `/v1/messages`: completions.

use std::mem::take;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

use super::app_state::{AppState, Caller};
use super::error::ApiError;
use super::response::insert_answer_headers;
use super::router::PATH_PREFIXES;
use super::{forwarded_headers, request_body};
use crate::future::box_in_place;
use crate::protocol::api::Api;
use crate::routing::{Answer, ClientRequest};

const FALLBACK_HEADER: HeaderName = HeaderName::from_static("x-moonrelay-fallback");

/// The API served at this path.
pub(super) fn detect_completion_api(path: &str) -> Option<Api> {
    let face = Api::ALL.into_iter().find(|face| path.ends_with(face.path()))?;
    let prefix = path.strip_suffix(face.path())?.strip_suffix("/v1")?;
    PATH_PREFIXES.contains(&prefix).then_some(face)
}

/// Handles a request of one API, streaming or not.
pub(super) async fn handle_completion(
    shared: &AppState,
    caller: Caller,
    face: Api,
    request: &mut Request,
) -> Result<Response, ApiError> {
    let request = read_request(shared, caller, face, request).await?;
    // The future of a request is large and would be copied at each step.
    box_in_place(|| shared.engine.answer(request)).await.map(render_answer).map_err(ApiError::from_recorded)
}

/// Reads the whole request.
pub(super) async fn read_request(
    shared: &AppState,
    caller: Caller,
    face: Api,
    request: &mut Request,
) -> Result<ClientRequest, ApiError> {
    // Take the whole head: its path is a slice of the 8 KiB that were read from the socket.
    let (head, body) = take(request).into_parts();
    let body = request_body::read_until_shutdown(&head.headers, body, &shared.engine).await?;
    let first_target_only = match head.headers.get(FALLBACK_HEADER).map(HeaderValue::as_bytes) {
        None | Some(b"on") => false,
        Some(b"off") => true,
        Some(_) => return Err(ApiError::bad_header("x-moonrelay-fallback takes on or off")),
    };
    Ok(ClientRequest {
        id: caller.request_id,
        api: face,
        client: caller.client,
        headers: forwarded_headers::filter_headers(&head.headers),
        body,
        is_fallback_disabled: first_target_only,
    })
}

fn render_answer(answer: Answer) -> Response {
    match answer {
        Answer::Complete { body, model, attempts, headers } => {
            let mut response = Response::new(Body::from(body.to_bytes()));
            let all = response.headers_mut();
            *all = headers;
            all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            insert_answer_headers(all, Some(&model), &attempts);
            response
        }
        Answer::Stream { model, attempts, headers, body } => {
            let events = body.map(Ok::<_, std::convert::Infallible>);
            let mut response = Response::new(Body::from_stream(events));
            let all = response.headers_mut();
            *all = headers;
            all.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            all.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // Otherwise nginx would buffer the events.
            all.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            insert_answer_headers(all, model.as_deref(), &attempts);
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completion_paths_have_an_api() {
        for prefix in PATH_PREFIXES {
            for known in Api::ALL {
                assert_eq!(detect_completion_api(&format!("{prefix}/v1{}", known.path())), Some(known));
            }
        }
        for path in [
            "/v1/messages/",
            "//v1/messages",
            "/xv1/messages",
            "/v1/%6dessages",
            "/coding/coding/v1/responses",
            "/v1/v1/messages",
            "/v1/models/x/v1/messages",
            "/messages",
            "/v1/completions",
            "",
        ] {
            assert_eq!(detect_completion_api(path), None, "{path}");
        }
    }
}
