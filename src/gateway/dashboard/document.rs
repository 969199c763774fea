//! What all pages have in common: the head, and the headers that block foreign content.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::local_time::LocalTime;
use crate::gateway::response::to_unix_millis;

/// Only the gateway's own files are loaded, and no page may frame the dashboard.
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Adds the headers that every dashboard response has.
pub(super) fn insert_security_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, CSP);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// HTML, whole or a part of a page.
pub(super) fn html_response(status: StatusCode, markup: Markup) -> Response {
    let mut response = Response::new(Body::from(markup.into_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    insert_security_headers(headers);
    response
}

/// A whole page. `top` is placed beside the name.
pub(super) fn render_page(title: &str, clock: &LocalTime, top: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="/dashboard/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/dashboard/style.css";
                script src="/dashboard/app.js" defer {}
            }
            body data-now=(to_unix_millis(clock.now)) {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { img src="/dashboard/icon.svg" alt="" width="22" height="22"; "Moonrelay" }
                    (top)
                }
                main id="main" tabindex="-1" { (content) }
            }
        }
    }
}
