//! Whether the gateway lives, whether it can answer, and what it is doing.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json as object};

use super::answer::{json, millis};
use super::shared::Shared;
use crate::routing::plan::Standing;
use crate::routing::snapshot::Snapshot;

/// Whether this is the path of a probe.
pub(super) fn has(path: &str) -> bool {
    matches!(path, "/health" | "/healthz" | "/ready" | "/readyz")
}

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
    let snapshot = shared.relay.snapshot();
    let ready = snapshot.answering().is_some();
    let failing = snapshot.links.iter().filter(|link| link.standing != Standing::Usable);
    let failing: Vec<String> = failing.map(|link| link.reference.to_string()).collect();
    let uptime = u64::try_from(snapshot.uptime.as_millis()).unwrap_or(u64::MAX);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &object!({"ready": ready, "failing": failing, "uptimeMs": uptime}))
}

/// `GET /status`: what `moonrelay gateway status` shows.
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let snapshot = shared.relay.snapshot();
    let chain: Vec<Value> = snapshot
        .chain()
        .into_iter()
        .map(|link| {
            let entry = object!({"target": link.reference.to_string(), "state": snapshot.state(link)});
            with_reason(entry, &link.standing, &snapshot)
        })
        .collect();
    let providers: Vec<Value> = snapshot
        .providers
        .iter()
        .map(|(id, standing)| {
            with_reason(object!({"id": id, "state": standing.as_str()}), standing, &snapshot)
        })
        .collect();
    let ledger = shared.ledger.health();
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
            "trouble": ledger.trouble,
        },
    });
    if let (Some(reload), Some(status)) = (&snapshot.reload, value.as_object_mut()) {
        let told = object!({"ok": reload.ok, "message": reload.message, "at": millis(reload.at)});
        status.insert("reload".to_owned(), told);
    }
    json(StatusCode::OK, &value)
}

/// Adds why something cannot be used, and until when.
fn with_reason(mut entry: Value, standing: &Standing, snapshot: &Snapshot) -> Value {
    match standing {
        Standing::Usable => {}
        Standing::Off(why) => entry["reason"] = why.as_str().into(),
        Standing::Resting(rest) => {
            entry["cooldownUntil"] = millis(snapshot.wall_of(rest.until)).into();
            entry["reason"] = rest.reason.as_str().into();
        }
    }
    entry
}
