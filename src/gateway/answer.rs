//! What our answers have in common: JSON bodies, and the headers that say who answered.

use std::time::SystemTime;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::record::{Attempt, attempts_header, header_text};

const ATTEMPTS: HeaderName = HeaderName::from_static("x-moonrelay-attempts");
const MODEL: HeaderName = HeaderName::from_static("x-moonrelay-model");

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Milliseconds since 1970, as OpenClaw writes its cooldowns.
pub(super) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Says who answered and what was tried.
pub(super) fn tell(headers: &mut HeaderMap, model: Option<&str>, attempts: &[Attempt]) {
    tell_model(headers, model);
    if let Ok(value) = HeaderValue::from_str(&attempts_header(attempts)) {
        headers.insert(ATTEMPTS, value);
    }
}

/// Says who answered, where somebody did.
pub(super) fn tell_model(headers: &mut HeaderMap, model: Option<&str>) {
    if let Some(value) = model.and_then(|model| HeaderValue::from_str(&header_text(model)).ok()) {
        headers.insert(MODEL, value);
    }
}
