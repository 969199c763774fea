//! Whether the gateway lives, whether it can answer, and what it is doing.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json as object};

use super::answer::json;
use super::shared::Shared;

/// `GET /health`: the process serves.
pub(super) async fn live() -> Response {
    json(StatusCode::OK, &object!({"ok": true, "status": "live"}))
}

/// `GET /api/hello`: Claude Code asks before it asks for more.
pub(super) async fn hello() -> Response {
    json(StatusCode::OK, &object!({"message": "hello"}))
}

/// `GET /ready`: at least one target of the default chain can be tried; 503 otherwise.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let chain = shared.relay.chain_state();
    let ready = chain.iter().any(|(_, why)| why.is_none());
    let failing: Vec<&str> =
        chain.iter().filter(|(_, why)| why.is_some()).map(|(name, _)| name.as_str()).collect();
    let uptime = u64::try_from(shared.relay.state().started().elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &object!({"ready": ready, "failing": failing, "uptimeMs": uptime}))
}

/// `GET /status`: what `moonrelay gateway status` shows.
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let settings = shared.relay.settings();
    let state = shared.relay.state();
    let providers: Vec<Value> = settings
        .providers
        .values()
        .map(|provider| match (&provider.off, state.rest_of_provider(&provider.id)) {
            (Some(why), _) => object!({"id": provider.id, "state": "off", "reason": why}),
            (None, Some(rest)) => object!({
                "id": provider.id,
                "state": "cooling_down",
                "cooldownUntil": epoch_millis(rest.until),
                "reason": rest.reason.as_str(),
            }),
            (None, None) => object!({"id": provider.id, "state": "ready"}),
        })
        .collect();
    let mut value = object!({
        "ok": true,
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": state.started().elapsed().as_secs(),
        "address": shared.address.load().as_str(),
        "config": settings.path,
        "providers": providers,
        "inFlight": state.in_flight(),
    });
    if let (Some(reload), Some(status)) = (shared.relay.last_reload(), value.as_object_mut()) {
        let told = object!({"ok": reload.ok, "message": reload.message, "at": millis(reload.at)});
        status.insert("reload".to_owned(), told);
    }
    json(StatusCode::OK, &value)
}

/// Milliseconds since 1970, as OpenClaw writes its cooldowns.
fn epoch_millis(at: Instant) -> u64 {
    millis(SystemTime::now() + at.saturating_duration_since(Instant::now()))
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
