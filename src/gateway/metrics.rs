//! `GET /metrics`: for Prometheus.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::error::Problem;
use super::shared::Shared;
use crate::routing::plan;
use crate::routing::snapshot::Snapshot;
use crate::telemetry::metrics::standing::{Ledger, Standing, Target};
use crate::telemetry::metrics::{self};
use crate::usage::Health;

/// Everything that is counted, and how the gateway stands now.
pub(super) async fn scrape(State(shared): State<Arc<Shared>>) -> Response {
    let traces_dropped = shared.traces.as_ref().map_or(0, |traces| traces.lost());
    let standing = Standing { traces_dropped, ..standing(&shared.relay.snapshot(), &shared.ledger.health()) };
    match shared.metrics.text(&standing) {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
            response
        }
        Err(error) => Problem::broken(format!("the metrics cannot be told: {error}")).into_response(),
    }
}

/// The figures of one moment.
fn standing(snapshot: &Snapshot, health: &Health) -> Standing {
    let rest = |standing: &plan::Standing| match standing {
        plan::Standing::Resting(rest) => Some((rest.reason.as_str(), snapshot.wall_of(rest.until))),
        plan::Standing::Usable | plan::Standing::Off(_) => None,
    };
    let targets = snapshot.chain().into_iter().map(|link| Target {
        provider: link.reference.provider.clone(),
        reference: link.reference.to_string(),
        state: snapshot.state(link),
        rest: rest(&link.standing),
    });
    let providers = snapshot.providers.iter().map(|(id, standing)| (id.clone(), standing.as_str()));
    Standing {
        targets: targets.collect(),
        providers: providers.collect(),
        in_flight: snapshot.in_flight,
        reloaded: snapshot.reload.as_ref().is_none_or(|reload| reload.ok),
        started: snapshot.wall.checked_sub(snapshot.uptime).unwrap_or(snapshot.wall),
        ledger: Ledger {
            queued: health.queued,
            written: health.written,
            dropped: health.dropped,
            failing: health.trouble.is_some(),
        },
        traces_dropped: 0,
    }
}
