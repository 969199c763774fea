//! What the edge refuses before the relay sees it: counted, told in the log at `debug`, and where somebody may not call,
//! as a warning, too. A crowd shall not drown the log, so that comes once a minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::error::ApiError;
use super::protocol_error::ProtocolError;
use crate::record::RequestId;
use crate::telemetry::metrics::Metrics;

/// Between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);

/// Who notes refusals.
#[derive(Default)]
pub struct RejectionLog {
    metrics: Arc<Metrics>,
    last_warning: Mutex<Option<Instant>>,
}

impl RejectionLog {
    /// That counts here.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, last_warning: Mutex::default() }
    }

    /// A request got this instead of an answer. What the relay has recorded is none of ours.
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

    /// What came was no request.
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
