//! What all responses share: the API that decides their shape, JSON bodies, and the headers that name the model that
//! answered.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::protocol::api::Api;
use crate::record::{Attempt, AttemptOutcome, encode_header_value, render_attempts_header};

/// Headers that Messages clients send with every request.
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// Whether the client speaks the Messages API, for paths that do not determine the API.
pub(super) fn has_anthropic_version(headers: &HeaderMap) -> bool {
    headers.contains_key(ANTHROPIC_VERSION)
}

/// The API of a request. For shared or unknown paths, the headers decide.
pub(super) fn detect_api(path: &str, headers: &HeaderMap) -> Api {
    let before = |segment: &&str| !matches!(*segment, "" | "coding" | "api" | "anthropic" | "v1");
    match path.split('/').find(before) {
        Some("messages") => Api::Messages,
        Some("responses") => Api::Responses,
        Some("chat") => Api::ChatCompletions,
        _ if has_anthropic_version(headers) || path.starts_with("/anthropic/") => Api::Messages,
        _ => Api::ChatCompletions,
    }
}

const ATTEMPTS_HEADER: HeaderName = HeaderName::from_static("x-moonrelay-attempts");
const LOSSES_HEADER: HeaderName = HeaderName::from_static("x-moonrelay-losses");
const MODEL_HEADER: HeaderName = HeaderName::from_static("x-moonrelay-model");

/// Builds a JSON response.
pub(super) fn json_response(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// An attempt outside of routing.
pub(super) const fn new_attempt(
    reference: String,
    outcome: AttemptOutcome,
    detail: String,
    duration: Duration,
) -> Attempt {
    let start_offset = Duration::ZERO;
    Attempt { reference, outcome, detail, timeout: None, start_offset, duration, usage: None, cost: None }
}

/// Adds headers with the model that answered and the attempts.
pub(super) fn insert_answer_headers(headers: &mut HeaderMap, model: Option<&str>, attempts: &[Attempt]) {
    insert_model_header(headers, model);
    if let Ok(value) = HeaderValue::from_str(&render_attempts_header(attempts)) {
        headers.insert(ATTEMPTS_HEADER, value);
    }
}

/// Adds a header with the losses of the translation, if any.
pub(super) fn insert_losses_header(headers: &mut HeaderMap, losses: &[&'static str]) {
    if let Ok(value) = HeaderValue::from_str(&losses.join(", "))
        && !losses.is_empty()
    {
        headers.insert(LOSSES_HEADER, value);
    }
}

/// Adds a header with the model that answered, if any.
pub(super) fn insert_model_header(headers: &mut HeaderMap, model: Option<&str>) {
    if let Some(value) = model.and_then(|model| HeaderValue::from_str(&encode_header_value(model)).ok()) {
        headers.insert(MODEL_HEADER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_selects_the_api_before_headers() {
        let version = || {
            HeaderMap::from_iter([(http::HeaderName::from_static(ANTHROPIC_VERSION), "x".parse().unwrap())])
        };
        for (path, without, with) in [
            ("/v1/chat/completions", Api::ChatCompletions, Api::ChatCompletions),
            ("/v1/messages", Api::Messages, Api::Messages),
            ("/anthropic/v1/messages/count_tokens", Api::Messages, Api::Messages),
            ("/coding/messages", Api::Messages, Api::Messages),
            ("/v1/v1/messages", Api::Messages, Api::Messages),
            ("/api/v1/responses/resp_1", Api::Responses, Api::Responses),
            ("/v1/models/openrouter/messages", Api::ChatCompletions, Api::Messages),
            ("/anthropic/v1/models", Api::Messages, Api::Messages),
            ("/nothing", Api::ChatCompletions, Api::Messages),
        ] {
            assert_eq!(
                (detect_api(path, &HeaderMap::new()), detect_api(path, &version())),
                (without, with),
                "{path}"
            );
        }
    }
}
