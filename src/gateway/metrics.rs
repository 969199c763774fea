//! `GET /metrics`: for Prometheus.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::app_state::AppState;
use super::error::ApiError;
use crate::routing::snapshot::{Snapshot, TargetStatus};
use crate::telemetry::metrics::gauges::{GaugeSnapshot, TargetGauge, UsageWriterGauges};
use crate::telemetry::{log, metrics};
use crate::usage::UsageHealth;

/// All counters, and the gateway's current state.
pub(super) async fn scrape(State(shared): State<Arc<AppState>>) -> Response {
    let traces_dropped = shared.metrics.traces_dropped.load(Ordering::Relaxed);
    let gauges = build_gauges(&shared.engine.snapshot(), &shared.usage.health(), traces_dropped);
    match shared.metrics.encode(&gauges) {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
            response
        }
        Err(error) => ApiError::internal(format!("cannot encode the metrics: {error}")).into_response(),
    }
}

/// The figures of one moment.
fn build_gauges(snapshot: &Snapshot, health: &UsageHealth, traces_dropped: u64) -> GaugeSnapshot {
    let cooldown = |status: &TargetStatus| match status {
        TargetStatus::InCooldown(cooldown) => {
            Some((cooldown.reason.as_str(), snapshot.to_wall_time(cooldown.until)))
        }
        TargetStatus::Ready | TargetStatus::Disabled(_) => None,
    };
    let targets = snapshot.chain().into_iter().map(|link| TargetGauge {
        provider: link.reference.provider.clone(),
        reference: link.reference.to_string(),
        state: snapshot.entry_state(link),
        cooldown: cooldown(&link.status),
    });
    let providers = snapshot.providers.iter().map(|(id, state)| (id.clone(), state.as_str()));
    GaugeSnapshot {
        targets: targets.collect(),
        providers: providers.collect(),
        in_flight: snapshot.in_flight,
        is_reload_successful: snapshot.reload.as_ref().is_none_or(|reload| reload.is_accepted),
        started_at: snapshot.wall_time.checked_sub(snapshot.uptime).unwrap_or(snapshot.wall_time),
        usage_writer: UsageWriterGauges {
            queued: health.queued,
            written: health.written,
            dropped: health.dropped,
            is_failing: health.last_error.is_some(),
        },
        traces_dropped,
        log_lines_dropped: log::dropped_lines(),
    }
}
