//! Whether the gateway lives, whether it can answer, and what it is doing.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::router::Shared;

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `GET /health`: the process serves.
pub(super) async fn live() -> Response {
    json(StatusCode::OK, &json!({"ok": true, "status": "live"}))
}

/// `GET /api/hello`: Claude Code asks before it asks for more.
pub(super) async fn hello() -> Response {
    json(StatusCode::OK, &json!({"message": "hello"}))
}

/// `GET /ready`: at least one target of the default chain can be tried; 503 otherwise.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let chain = shared.relay.chain_state();
    let ready = chain.iter().any(|(_, why)| why.is_none());
    let failing: Vec<&str> =
        chain.iter().filter(|(_, why)| why.is_some()).map(|(name, _)| name.as_str()).collect();
    let uptime = u64::try_from(shared.relay.state().started().elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &json!({"ready": ready, "failing": failing, "uptimeMs": uptime}))
}

/// `GET /status`: what `moonrelay gateway status` shows.
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let settings = shared.relay.settings();
    let state = shared.relay.state();
    let providers: Vec<Value> = settings
        .providers
        .values()
        .map(|provider| match (&provider.off, state.rest_of_provider(&provider.id)) {
            (Some(why), _) => json!({"id": provider.id, "state": "off", "reason": why}),
            (None, Some(rest)) => json!({
                "id": provider.id,
                "state": "cooling_down",
                "cooldownUntil": epoch_millis(rest.until),
                "reason": rest.reason.as_str(),
            }),
            (None, None) => json!({"id": provider.id, "state": "ready"}),
        })
        .collect();
    let value = json!({
        "ok": true,
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": state.started().elapsed().as_secs(),
        "address": shared.address,
        "config": settings.path,
        "providers": providers,
        "inFlight": state.in_flight(),
    });
    json(StatusCode::OK, &value)
}

/// Milliseconds since 1970, as OpenClaw writes its cooldowns.
fn epoch_millis(at: Instant) -> u64 {
    let at = SystemTime::now() + at.saturating_duration_since(Instant::now());
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
