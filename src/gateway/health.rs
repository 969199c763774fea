//! Whether the gateway is alive, whether it can answer, and its current state.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json as object;

use super::app_state::AppState;
use super::response::json_response;
use crate::record::to_unix_millis;
use crate::routing::snapshot::{Snapshot, TargetStatus};
use crate::upstream::gateway_status::{
    Availability, GatewayStatus, ProviderEntry, ReloadStatus, TargetEntry, UsageDatabaseStatus,
};

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
    let chain = snapshot.chain().into_iter().map(|link| TargetEntry {
        target: link.reference.to_string(),
        availability: availability(snapshot.entry_state(link), &link.status, &snapshot),
    });
    let providers = snapshot.providers.iter().map(|(id, status)| ProviderEntry {
        id: id.clone(),
        availability: availability(status.as_str(), status, &snapshot),
    });
    let database = shared.usage.health();
    let status = GatewayStatus {
        ok: true,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: snapshot.uptime.as_secs(),
        address: shared.address.load().to_string(),
        config: snapshot.config.clone(),
        chain: chain.collect(),
        providers: providers.collect(),
        in_flight: snapshot.in_flight,
        ledger: UsageDatabaseStatus {
            queued: database.queued,
            written: database.written,
            dropped: database.dropped,
            trouble: database.last_error,
        },
        reload: snapshot.reload.as_ref().map(|reload| ReloadStatus {
            ok: reload.is_accepted,
            message: reload.message.clone(),
            at: to_unix_millis(reload.finished_at),
        }),
    };
    json_response(StatusCode::OK, &object!(status))
}

fn availability(state: &str, status: &TargetStatus, snapshot: &Snapshot) -> Availability {
    let (cooldown_until, reason) = match status {
        TargetStatus::Ready => (None, None),
        TargetStatus::Disabled(why) => (None, Some(why.clone())),
        TargetStatus::InCooldown(cooldown) => {
            let until = to_unix_millis(snapshot.to_wall_time(cooldown.until));
            (Some(until), Some(cooldown.reason.as_str().to_owned()))
        }
    };
    Availability { state: state.to_owned(), cooldown_until, reason }
}
