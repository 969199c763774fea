//! The response headers of each provider: those that identify the account, and those that a gateway may
//! forward.

use http::header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error_response::ErrorResponse;
use super::provider::Provider;

/// Media types.
pub(super) const JSON: &str = "application/json; charset=utf-8";
/// Of a stream.
pub(super) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
/// Of an edge's error page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// The headers of an answer, as observed on live ones. `id` is the answer's id.
pub(super) fn response_headers(provider: Provider, id: &str, content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    set_header(&mut headers, "cf-ray", "8f2e1d0c9b8a7f6e-FRA");
    let cookie = "__cf_bm=simulated.1795255200-1.0; path=/; HttpOnly; Secure; SameSite=None";
    headers.insert(SET_COOKIE, HeaderValue::from_static(cookie));
    match provider {
        Provider::Moonshot => {
            set_header(&mut headers, "msh-request-id", id);
            set_header(&mut headers, "x-msh-trace-id", id);
            set_header(&mut headers, "msh-trace-mode", "on");
            set_header(&mut headers, "msh-org-id", "org-5f1e0c2b9a7d4e3f8b6a1c0d");
            set_header(&mut headers, "msh-uid", "cq8simulated0uid0000");
            set_header(&mut headers, "msh-project-id", "proj-77c1d2e3f4a5b6c7d8e9f0a1");
            set_header(&mut headers, "msh-gid", "enterprise-tier-1");
            set_header(&mut headers, "msh-context-cache-token-saved", "0");
            set_header(&mut headers, "server-timing", "inner; dur=12");
        }
        Provider::Kimi => {
            set_header(&mut headers, "x-trace-id", id);
            set_header(&mut headers, "msh-request-id", id);
        }
        Provider::OpenRouter => {
            set_header(&mut headers, "x-generation-id", id);
        }
    }
    headers
}

/// Adds what an error carries beside its body.
pub(super) fn add_error_headers(headers: &mut HeaderMap, provider: Provider, refusal: &ErrorResponse) {
    if let Some(seconds) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        if provider == Provider::Moonshot {
            headers.insert(HeaderName::from_static("x-retry-after"), HeaderValue::from(seconds));
        }
    }
    if provider == Provider::OpenRouter && refusal.status == 429 {
        set_header(headers, "x-ratelimit-limit", "20");
        set_header(headers, "x-ratelimit-remaining", "0");
        set_header(headers, "x-ratelimit-reset", "1795255200000");
    }
}

/// Sets a header; a value that cannot be one is left out.
pub(super) fn set_header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
