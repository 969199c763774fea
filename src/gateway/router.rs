//! The routes other than completions.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};

use super::app_state::AppState;
use super::error::ApiError;
use super::handler::reject;
use super::{count_tokens, dashboard, health, metrics, models, quota, requests, search};

/// The same routes exist under each prefix, so that a client works even if only its host can be changed. They
/// are the paths of Kimi Code, `OpenRouter` and Moonshot's Messages API.
pub(super) const PATH_PREFIXES: [&str; 4] = ["", "/coding", "/api", "/anthropic"];

/// Builds all of these routes.
pub(super) fn build_router(shared: Arc<AppState>) -> Router {
    let mut router = Router::new()
        .route("/health", get(health::get_liveness))
        .route("/healthz", get(health::get_liveness))
        .route("/ready", get(health::get_readiness))
        .route("/readyz", get(health::get_readiness))
        .route("/status", get(health::get_status))
        .route("/metrics", get(metrics::scrape))
        .route("/requests/{id}", get(requests::get_request))
        .route("/usage/quota", get(quota::get_quota));
    for prefix in PATH_PREFIXES {
        router = router
            .route(&format!("{prefix}/api/hello"), get(health::get_hello))
            .route(
                &format!("{prefix}/v1/responses/{{id}}"),
                get(reject_stored_response).delete(reject_stored_response),
            )
            .route(&format!("{prefix}/v1/responses/{{id}}/cancel"), post(reject_stored_response))
            .route(&format!("{prefix}/v1/responses/{{id}}/input_items"), get(reject_stored_response))
            .route(&format!("{prefix}/v1/messages/count_tokens"), post(count_tokens::handle_count_tokens))
            .route(&format!("{prefix}/v1/search"), post(search::handle_search))
            .route(&format!("{prefix}/v1/models"), get(models::list_models))
            .route(&format!("{prefix}/v1/models/{{*id}}"), get(models::get_model));
    }
    router
        .merge(dashboard::build_routes())
        .fallback(async |request: Request| reject(request, ApiError::route_not_found).await)
        .method_not_allowed_fallback(async |request: Request| {
            reject(request, ApiError::method_not_allowed).await
        })
        .with_state(shared)
}

/// Rejects every request about an earlier response.
async fn reject_stored_response(request: Request) -> ApiError {
    reject(request, |_, _| ApiError::response_not_stored()).await
}
