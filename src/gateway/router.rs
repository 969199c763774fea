//! The routes beside those of the answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};

use super::error::Problem;
use super::gate::refuse;
use super::shared::Shared;
use super::{count, dashboard, health, metrics, models, quota, requests, search};

/// Under these the same routes stand, so that a client works which lets only its host be changed.
/// They are the paths of Kimi Code, `OpenRouter` and Moonshot's Messages face.
pub(super) const PREFIXES: [&str; 4] = ["", "/coding", "/api", "/anthropic"];

/// Every one of them.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new()
        .route("/health", get(health::live))
        .route("/healthz", get(health::live))
        .route("/ready", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/status", get(health::status))
        .route("/metrics", get(metrics::scrape))
        .route("/requests/{id}", get(requests::one))
        .route("/usage/quota", get(quota::told));
    for prefix in PREFIXES {
        router = router
            .route(&format!("{prefix}/api/hello"), get(health::hello))
            .route(&format!("{prefix}/v1/responses/{{id}}"), get(not_kept).delete(not_kept))
            .route(&format!("{prefix}/v1/responses/{{id}}/cancel"), post(not_kept))
            .route(&format!("{prefix}/v1/responses/{{id}}/input_items"), get(not_kept))
            .route(&format!("{prefix}/v1/messages/count_tokens"), post(count::tokens))
            .route(&format!("{prefix}/v1/search"), post(search::answer))
            .route(&format!("{prefix}/v1/models"), get(models::list))
            .route(&format!("{prefix}/v1/models/{{*id}}"), get(models::one));
    }
    router
        .merge(dashboard::routes())
        .fallback(async |request: Request| refuse(request, Problem::no_route).await)
        .method_not_allowed_fallback(async |request: Request| refuse(request, Problem::wrong_method).await)
        .with_state(shared)
}

/// Whatever is asked of a response that was given before.
async fn not_kept(request: Request) -> Problem {
    refuse(request, |_, _| Problem::not_kept()).await
}
