//! Requests that the gateway rejects before the engine sees them. They are counted and logged at `debug`; a
//! client without permission is logged as a warning too. The warning is written once a minute, so that many
//! clients cannot flood the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::error::ApiError;
use super::protocol_error::ProtocolError;
use crate::record::RequestId;
use crate::telemetry::metrics::Metrics;

/// The time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Counts and logs rejections.
#[derive(Default)]
pub struct RejectionLog {
    metrics: Arc<Metrics>,
    last_warning: Mutex<Option<Instant>>,
}

impl RejectionLog {
    /// Creates a log that counts in these metrics.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, last_warning: Mutex::default() }
    }

    /// Records the error that a request got instead of an answer. Errors that the engine has recorded are
    /// ignored.
    pub(super) fn record(&self, request_id: RequestId, problem: &ApiError) {
        if problem.is_recorded() {
            return;
        }
        let code = problem.code();
        self.metrics.record_rejection(code);
        if problem.is_forbidden() && self.should_warn() {
            warn!(
                %request_id,
                code,
                "a client was refused: {} (the next minute's go unsaid)",
                problem.message()
            );
        } else {
            debug!(%request_id, code, "refused: {}", problem.message());
        }
    }

    /// Records input that was not a request.
    pub(super) fn record_protocol_error(&self, what: ProtocolError) {
        self.metrics.record_rejection(what.code());
        debug!(code = what.code(), "refused before there was a request");
    }

    fn should_warn(&self) -> bool {
        let mut warned = self.last_warning.lock().unwrap_or_else(PoisonError::into_inner);
        let may = warned.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL);
        if may {
            *warned = Some(Instant::now());
        }
        may
    }
}
