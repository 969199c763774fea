//! What all responses share: JSON bodies, and the headers that name the model that answered.

use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::record::{Attempt, encode_header_value, render_attempts_header};

const ATTEMPTS_HEADER: HeaderName = HeaderName::from_static("x-moonrelay-attempts");
const MODEL_HEADER: HeaderName = HeaderName::from_static("x-moonrelay-model");

/// Builds a JSON response.
pub(super) fn json_response(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Milliseconds since 1970, as OpenClaw writes its cooldowns.
pub(super) fn to_unix_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Adds headers with the model that answered and the attempts.
pub(super) fn insert_answer_headers(headers: &mut HeaderMap, model: Option<&str>, attempts: &[Attempt]) {
    insert_model_header(headers, model);
    if let Ok(value) = HeaderValue::from_str(&render_attempts_header(attempts)) {
        headers.insert(ATTEMPTS_HEADER, value);
    }
}

/// Adds a header with the model that answered, if any.
pub(super) fn insert_model_header(headers: &mut HeaderMap, model: Option<&str>) {
    if let Some(value) = model.and_then(|model| HeaderValue::from_str(&encode_header_value(model)).ok()) {
        headers.insert(MODEL_HEADER, value);
    }
}
