//! The routes, and the layers that every request passes: request id, origin, client token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::UPGRADE;
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceBuilder;

use super::app_state::{AppState, Caller};
use super::error::ApiError;
use super::listener::ListenerInfo;
use super::{
    client_checks, completion, health, metrics, models, page_events, pages, quota, request_body, requests,
    response, search,
};
use crate::protocol::api::Api;
use crate::record::RequestId;

/// The request's id in its response.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-moonrelay-request-id");
/// Anthropic's SDKs show it with their errors.
const ANTHROPIC_ID: HeaderName = HeaderName::from_static("request-id");

/// The same routes exist under each prefix, so that a client works even if only its host can be changed. They
/// are the paths of Kimi Code, `OpenRouter` and Moonshot's Messages API.
const PATH_PREFIXES: [&str; 4] = ["", "/coding", "/api", "/anthropic"];

/// Builds the whole HTTP side of the gateway. A request without a [`ListenerInfo`] extension is treated as one from
/// a public network.
pub fn build_router(state: Arc<AppState>) -> Router {
    let mut router = Router::new()
        .route("/health", get(health::get_liveness))
        .route("/healthz", get(health::get_liveness))
        .route("/ready", get(health::get_readiness))
        .route("/readyz", get(health::get_readiness))
        .route("/status", get(health::get_status))
        .route("/metrics", get(metrics::scrape))
        .route("/requests/{id}", get(requests::get_request))
        .route("/usage/quota", get(quota::get_quota))
        .route("/dashboard/events", get(page_events::stream_events))
        .merge(pages::build_routes());
    let count =
        |api| move |state, caller, request| completion::handle_count_tokens(api, state, caller, request);
    for prefix in PATH_PREFIXES {
        router = router
            .route(&format!("{prefix}/api/hello"), get(health::get_hello))
            .route(
                &format!("{prefix}/v1/responses/{{id}}"),
                get(reject_stored_response).delete(reject_stored_response),
            )
            .route(&format!("{prefix}/v1/responses/{{id}}/cancel"), post(reject_stored_response))
            .route(&format!("{prefix}/v1/responses/{{id}}/input_items"), get(reject_stored_response))
            .route(&format!("{prefix}/v1/messages/count_tokens"), post(count(Api::Messages)))
            .route(&format!("{prefix}/v1/responses/input_tokens"), post(count(Api::Responses)))
            .route(&format!("{prefix}/v1/responses/compact"), post(completion::handle_compaction))
            .route(&format!("{prefix}/v1/search"), post(search::handle_search))
            .route(&format!("{prefix}/v1/models"), get(models::list_models))
            .route(&format!("{prefix}/v1/models/{{*id}}"), get(models::get_model));
        for api in Api::ALL {
            let complete =
                move |state, caller, request| completion::handle_completion(api, state, caller, request);
            router = router.route(&format!("{prefix}/v1{}", api.path()), post(complete));
        }
    }
    // The first layer is the outermost one.
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), assign_request_id))
        .layer(from_fn_with_state(state.clone(), check_origin))
        .layer(from_fn_with_state(state.clone(), authenticate));
    router
        .fallback(async |request: Request| reject(request, ApiError::route_not_found).await)
        .method_not_allowed_fallback(reject_method)
        .layer(layers)
        .with_state(state)
}

/// Gives the request an id. Renders an error in the shape of the client's API, and records it.
async fn assign_request_id(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let request_id = RequestId::now();
    let api = response::detect_api(request.uri().path(), request.headers());
    request.extensions_mut().insert(request_id);
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        state.rejections.record(request_id, &error);
        response = error.render(api, request_id);
    }
    if let Ok(id) = HeaderValue::from_bytes(&request_id.to_hex()) {
        if api == Api::Messages {
            response.headers_mut().insert(ANTHROPIC_ID, id.clone());
        }
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Rejects pages of other origins and foreign hosts.
async fn check_origin(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let by_name = listener_info(&request).is_reached_by_name;
    let checked =
        client_checks::check_origin(request.uri(), request.headers(), by_name, state.hostname.as_deref());
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => reject(request, |_, _| error.into()).await.into_response(),
    }
}

/// Requires a client token, where one is needed. Adds the [`Caller`].
async fn authenticate(
    State(state): State<Arc<AppState>>,
    Extension(request_id): Extension<RequestId>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = {
        let settings = state.engine.settings();
        let gateway = &settings.gateway;
        // A reload can remove the token together with the public bind. A client that connected through that bind
        // is still untrusted.
        let is_open = gateway.tokens.is_empty() && listener_info(&request).is_private
            || is_open_path(request.method(), request.uri().path(), gateway.has_public_metrics);
        if is_open {
            Some(None)
        } else {
            client_checks::authenticate(request.headers(), &gateway.tokens).map(|name| Some(name.to_owned()))
        }
    };
    match client {
        Some(client) => {
            request.extensions_mut().insert(Caller { request_id, client });
            next.run(request).await
        }
        None => reject(request, |_, _| ApiError::missing_token()).await.into_response(),
    }
}

fn listener_info(request: &Request) -> ListenerInfo {
    let public = ListenerInfo { is_reached_by_name: true, is_private: false };
    request.extensions().get().copied().unwrap_or(public)
}

/// Probes and read-only views of the dashboard need no token, nor does Prometheus if so configured.
fn is_open_path(method: &Method, path: &str, has_public_metrics: bool) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && ((has_public_metrics && path == "/metrics")
            || matches!(path, "/health" | "/healthz" | "/ready" | "/readyz")
            || pages::is_dashboard_path(path)
            || PATH_PREFIXES.iter().any(|prefix| path.strip_prefix(prefix) == Some("/api/hello")))
}

/// Rejects a request without reading its body.
async fn reject(request: Request, error: impl FnOnce(&Method, &str) -> ApiError) -> ApiError {
    let error = error(request.method(), request.uri().path());
    let (head, body) = request.into_parts();
    request_body::discard(&head.headers, body).await;
    error
}

/// Rejects a method that the route does not have. Codex first asks for a WebSocket.
async fn reject_method(request: Request) -> ApiError {
    let is_websocket = request
        .headers()
        .get(UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    reject(request, |method, path| {
        if is_websocket && path.ends_with(Api::Responses.path()) {
            ApiError::no_websocket()
        } else {
            ApiError::method_not_allowed(method, path)
        }
    })
    .await
}

/// Rejects every request about an earlier response.
async fn reject_stored_response(request: Request) -> ApiError {
    reject(request, |_, _| ApiError::response_not_stored()).await
}
