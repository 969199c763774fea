//! The dashboard at `/`: pages that are complete as the server sends them, and a script that keeps them up to date.

mod chain;
mod chart;
mod charts;
mod clock;
mod document;
mod events;
mod figures;
mod files;
mod live;
mod palette;
mod quota;
mod range;
mod reason;
mod request;
mod requests;
mod spent;
#[cfg(test)]
mod tests;
mod timeline;
mod trial;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri};
use maud::html;

use self::clock::Clock;
use self::view::View;
use super::requests::{Id, recorded, text};
use super::shared::Shared;
use crate::record::RequestId;

pub(super) use self::events::room;

/// Its routes.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(first))
        .route("/dashboard/style.css", get(files::style))
        .route("/dashboard/app.js", get(files::script))
        .route("/dashboard/icon.svg", get(files::icon))
        .route("/dashboard/events", get(events::events))
        .route("/dashboard/requests/{id}", get(one))
        .route("/dashboard/requests/{id}/attempts", get(attempts))
}

/// Whether a path is one of these, which can be read without a token.
pub(super) fn has(path: &str) -> bool {
    path == "/" || path.starts_with("/dashboard/")
}

/// `GET /`.
async fn first(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let view = match View::read(shared, uri.query().unwrap_or_default()) {
        Ok(view) => view,
        Err(problem) => return problem.into_response(),
    };
    let clock = Clock::system();
    let content = view.whole(&clock).await;
    let page = document::page("Moonrelay", &clock, &view.top(&clock), &content);
    document::html_answer(StatusCode::OK, page)
}

/// `GET /dashboard/requests/{id}`.
async fn one(State(shared): State<Arc<Shared>>, id: Id) -> Response {
    let id = text(id);
    let clock = Clock::system();
    let found = match id.parse::<RequestId>() {
        Ok(id) => shared.ledger.find(id).await,
        Err(_) => Ok(None),
    };
    let (status, content) = match found {
        Ok(Some(entry)) => (StatusCode::OK, request::page(&entry, &clock)),
        Ok(None) => (StatusCode::NOT_FOUND, request::unknown(&id)),
        Err(trouble) => (StatusCode::INTERNAL_SERVER_ERROR, html! { p.notice.bad { (trouble) } }),
    };
    let title = format!("Request {id} – Moonrelay");
    document::html_answer(status, document::page(&title, &clock, &html! {}, &content))
}

/// `GET /dashboard/requests/{id}/attempts`: for the test box, which asks as soon as it has the answer.
async fn attempts(State(shared): State<Arc<Shared>>, id: Id) -> Response {
    let id = text(id);
    match recorded(&shared, &id).await {
        Ok(Some(entry)) => document::html_answer(StatusCode::OK, request::attempts(&entry)),
        Ok(None) => document::html_answer(StatusCode::NOT_FOUND, html! {}),
        Err(_) => document::html_answer(StatusCode::INTERNAL_SERVER_ERROR, html! {}),
    }
}
