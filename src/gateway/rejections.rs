//! Requests that the gateway rejects before the engine sees them. They are counted and logged at `debug`; a
//! client without permission is logged as a warning too. The warning is written once a minute, so that many
//! clients cannot flood the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::error::ApiError;
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
    pub(super) fn record(&self, request_id: RequestId, error: &ApiError) {
        if error.is_recorded() {
            return;
        }
        let code = error.code();
        self.metrics.record_rejection(code);
        if error.is_forbidden() && self.should_warn() {
            let message = error.message();
            warn!(%request_id, code, "request rejected: {message} (further warnings suppressed for 60 s)");
        } else {
            debug!(%request_id, code, "request rejected: {}", error.message());
        }
    }

    /// Records input that was not a request.
    pub(super) fn record_protocol_error(&self, code: &'static str) {
        self.metrics.record_rejection(code);
        debug!(code, "connection rejected: not a valid request");
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
