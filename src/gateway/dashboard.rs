//! The dashboard at `/`: pages that are complete as the server sends them, and a script that keeps them up to date.

mod active_requests;
mod assets;
mod chain;
mod chart;
mod chart_data;
mod charts;
mod document;
mod events;
mod format;
mod local_time;
mod outcome_text;
mod palette;
mod playground;
mod quota;
mod request;
mod requests;
#[cfg(test)]
mod tests;
mod time_range;
mod timeline;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri};
use maud::html;

use self::local_time::LocalTime;
use self::view::DashboardView;
use super::app_state::AppState;
use super::requests::{RequestIdPath, decode_id, wait_for_record};
use crate::record::RequestId;

pub(super) use self::events::create_viewer_slots;

/// The dashboard's routes.
pub(super) fn build_routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/", get(get_overview))
        .route("/dashboard/style.css", get(assets::get_style))
        .route("/dashboard/app.js", get(assets::get_script))
        .route("/dashboard/icon.svg", get(assets::get_icon))
        .route("/dashboard/events", get(events::stream_events))
        .route("/dashboard/requests/{id}", get(get_request_page))
        .route("/dashboard/requests/{id}/attempts", get(get_attempts_fragment))
}

/// Whether a path belongs to the dashboard, which can be read without a token.
pub(super) fn is_dashboard_path(path: &str) -> bool {
    path == "/" || path.starts_with("/dashboard/")
}

/// `GET /`.
async fn get_overview(State(shared): State<Arc<AppState>>, uri: Uri) -> Response {
    let view = match DashboardView::parse(shared, uri.query().unwrap_or_default()) {
        Ok(view) => view,
        Err(problem) => return problem.into_response(),
    };
    let clock = LocalTime::now();
    let content = view.render_overview(&clock).await;
    let page = document::render_page("Moonrelay", &clock, &view.render_header(&clock), &content);
    document::html_response(StatusCode::OK, page)
}

/// `GET /dashboard/requests/{id}`.
async fn get_request_page(State(shared): State<Arc<AppState>>, id: RequestIdPath) -> Response {
    let id = decode_id(id);
    let clock = LocalTime::now();
    let found = match id.parse::<RequestId>() {
        Ok(id) => shared.usage.find_request(id).await,
        Err(_) => Ok(None),
    };
    let (status, content) = match found {
        Ok(Some(entry)) => (StatusCode::OK, request::render_page(&entry, &clock)),
        Ok(None) => (StatusCode::NOT_FOUND, request::render_not_found(&id)),
        Err(trouble) => (StatusCode::INTERNAL_SERVER_ERROR, html! { p.notice.bad { (trouble) } }),
    };
    let title = format!("Request {id} – Moonrelay");
    document::html_response(status, document::render_page(&title, &clock, &html! {}, &content))
}

/// `GET /dashboard/requests/{id}/attempts`: for the playground, which requests it as soon as it has the
/// response.
async fn get_attempts_fragment(State(shared): State<Arc<AppState>>, id: RequestIdPath) -> Response {
    let id = decode_id(id);
    match wait_for_record(&shared, &id).await {
        Ok(Some(entry)) => document::html_response(StatusCode::OK, request::render_attempts(&entry)),
        Ok(None) => document::html_response(StatusCode::NOT_FOUND, html! {}),
        Err(_) => document::html_response(StatusCode::INTERNAL_SERVER_ERROR, html! {}),
    }
}
