//! The files that the pages need, compiled in.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::document::insert_security_headers;

/// `GET /dashboard/style.css`.
pub(super) async fn get_style(headers: HeaderMap) -> Response {
    serve_file(&headers, "text/css; charset=utf-8", include_str!("style.css"))
}

/// `GET /dashboard/app.js`.
pub(super) async fn get_script(headers: HeaderMap) -> Response {
    serve_file(&headers, "text/javascript; charset=utf-8", include_str!("app.js"))
}

/// `GET /dashboard/icon.svg`.
pub(super) async fn get_icon(headers: HeaderMap) -> Response {
    serve_file(&headers, "image/svg+xml", include_str!("icon.svg"))
}

/// The browser revalidates the file each time, because another version of the gateway may have a different one.
fn serve_file(asked: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = asked.get_all(IF_NONE_MATCH).iter().any(|known| known.as_bytes() == tag.as_bytes());
    let mut response = Response::new(if known { Body::empty() } else { Body::from(text) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    insert_security_headers(headers);
    response
}
