//! `POST /v1/chat/completions`, `/v1/responses`, `/v1/messages`: answers.

use std::mem::take;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

use super::answer::tell;
use super::error::Problem;
use super::router::PREFIXES;
use super::shared::{Caller, Shared};
use super::{hygiene, limits};
use crate::future::boxed;
use crate::protocol::face::Face;
use crate::routing::{Answer, ClientRequest};

const FALLBACK: HeaderName = HeaderName::from_static("x-moonrelay-fallback");

/// The face whose answers stand at this path.
pub(super) fn face(path: &str) -> Option<Face> {
    let face = Face::ALL.into_iter().find(|face| path.ends_with(face.path()))?;
    let prefix = path.strip_suffix(face.path())?.strip_suffix("/v1")?;
    PREFIXES.contains(&prefix).then_some(face)
}

/// Answers a request of one face, streamed or not.
pub(super) async fn answer(
    shared: &Shared,
    caller: Caller,
    face: Face,
    request: &mut Request,
) -> Result<Response, Problem> {
    let request = read(shared, caller, face, request).await?;
    // The way of a request is long, and its future would be copied at each step.
    boxed(|| shared.relay.answer(request)).await.map(render).map_err(Problem::recorded)
}

/// Reads a request whole.
pub(super) async fn read(
    shared: &Shared,
    caller: Caller,
    face: Face,
    request: &mut Request,
) -> Result<ClientRequest, Problem> {
    // All of it: its path is a slice of the 8 KiB that were read from the socket.
    let (head, body) = take(request).into_parts();
    let body = limits::read_in_time(&head.headers, body, &shared.relay).await?;
    let first_target_only = match head.headers.get(FALLBACK).map(HeaderValue::as_bytes) {
        None | Some(b"on") => false,
        Some(b"off") => true,
        Some(_) => return Err(Problem::bad_header("x-moonrelay-fallback takes on or off")),
    };
    Ok(ClientRequest {
        id: caller.request_id,
        face,
        client: caller.client,
        headers: hygiene::end_to_end(&head.headers),
        body,
        first_target_only,
    })
}

fn render(answer: Answer) -> Response {
    match answer {
        Answer::Whole { body, model, attempts, headers } => {
            let mut response = Response::new(Body::from(body.to_bytes()));
            let all = response.headers_mut();
            *all = headers;
            all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            tell(all, Some(&model), &attempts);
            response
        }
        Answer::Stream { model, attempts, headers, body } => {
            let events = body.map(Ok::<_, std::convert::Infallible>);
            let mut response = Response::new(Body::from_stream(events));
            let all = response.headers_mut();
            *all = headers;
            all.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            all.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            // nginx would collect the events otherwise.
            all.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            tell(all, model.as_deref(), &attempts);
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_at_their_paths_and_nowhere_else() {
        for prefix in PREFIXES {
            for known in Face::ALL {
                assert_eq!(face(&format!("{prefix}/v1{}", known.path())), Some(known));
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
            assert_eq!(face(path), None, "{path}");
        }
    }
}
