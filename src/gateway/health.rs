//! Whether the gateway is alive, whether it can answer, and its current state.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json as object};

use super::app_state::AppState;
use super::response::{json_response, to_unix_millis};
use crate::routing::plan::TargetStatus;
use crate::routing::snapshot::Snapshot;

/// Whether this is the path of a probe.
pub(super) fn is_probe_path(path: &str) -> bool {
    matches!(path, "/health" | "/healthz" | "/ready" | "/readyz")
}

/// `GET /health`: the process serves.
pub(super) async fn get_liveness() -> Response {
    json_response(StatusCode::OK, &object!({"ok": true, "status": "live"}))
}

/// `GET /api/hello`: Claude Code calls it before other requests.
pub(super) async fn get_hello() -> Response {
    json_response(StatusCode::OK, &object!({"message": "hello"}))
}

/// `GET /ready`: at least one target of the default chain can be tried; 503 otherwise.
pub(super) async fn get_readiness(State(shared): State<Arc<AppState>>) -> Response {
    let snapshot = shared.engine.snapshot();
    let ready = snapshot.active_entry().is_some();
    let failing = snapshot.chain_entries.iter().filter(|link| link.status != TargetStatus::Ready);
    let failing: Vec<String> = failing.map(|link| link.reference.to_string()).collect();
    let uptime = u64::try_from(snapshot.uptime.as_millis()).unwrap_or(u64::MAX);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, &object!({"ready": ready, "failing": failing, "uptimeMs": uptime}))
}

/// `GET /status`: what `moonrelay gateway status` shows.
pub(super) async fn get_status(State(shared): State<Arc<AppState>>) -> Response {
    let snapshot = shared.engine.snapshot();
    let chain: Vec<Value> = snapshot
        .chain()
        .into_iter()
        .map(|link| {
            let entry = object!({"target": link.reference.to_string(), "state": snapshot.entry_state(link)});
            add_reason(entry, &link.status, &snapshot)
        })
        .collect();
    let providers: Vec<Value> = snapshot
        .providers
        .iter()
        .map(|(id, standing)| {
            add_reason(object!({"id": id, "state": standing.as_str()}), standing, &snapshot)
        })
        .collect();
    let ledger = shared.usage.health();
    let mut value = object!({
        "ok": true,
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": snapshot.uptime.as_secs(),
        "address": shared.address.load().as_str(),
        "config": snapshot.config,
        "chain": chain,
        "providers": providers,
        "inFlight": snapshot.in_flight,
        "ledger": {
            "queued": ledger.queued,
            "written": ledger.written,
            "dropped": ledger.dropped,
            "trouble": ledger.last_error,
        },
    });
    if let (Some(reload), Some(status)) = (&snapshot.reload, value.as_object_mut()) {
        let told = object!({"ok": reload.is_accepted, "message": reload.message, "at": to_unix_millis(reload.finished_at)});
        status.insert("reload".to_owned(), told);
    }
    json_response(StatusCode::OK, &value)
}

/// Adds why a target cannot be used, and until when.
fn add_reason(mut entry: Value, standing: &TargetStatus, snapshot: &Snapshot) -> Value {
    match standing {
        TargetStatus::Ready => {}
        TargetStatus::Disabled(why) => entry["reason"] = why.as_str().into(),
        TargetStatus::InCooldown(rest) => {
            entry["cooldownUntil"] = to_unix_millis(snapshot.to_wall_time(rest.until)).into();
            entry["reason"] = rest.reason.as_str().into();
        }
    }
    entry
}
