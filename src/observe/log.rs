//! The log: one line a request, nothing of prompts or answers, never a key.

use std::io::IsTerminal;

use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::record::{Outcome, Record, attempts_header};

/// The target of what is told at every level: the chain, and where the gateway listens.
pub const ANNOUNCEMENT: &str = "announcement";

/// Logs to standard error from `level` on, and [`ANNOUNCEMENT`]s at every level. The first call counts.
pub fn start(level: &str) {
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let filter = EnvFilter::try_new(format!(
        "{level},{ANNOUNCEMENT}=info,hyper=warn,h2=warn,reqwest=warn,rustls=warn"
    ))
    .unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .try_init();
}

/// One request. What failed is told with its cause, once.
pub fn request(record: &Record) {
    for attempt in &record.attempts {
        if let Outcome::Failed(reason) = attempt.outcome {
            warn!(
                request_id = %record.request_id,
                target_model = %attempt.reference,
                reason = %reason,
                ms = attempt.took.as_millis(),
                "attempt failed: {}",
                attempt.detail
            );
        }
    }
    let usage = record.usage.unwrap_or_default();
    info!(
        request_id = %record.request_id,
        client = %record.client,
        requested = %record.requested,
        answered = record.answered.as_deref().unwrap_or("none"),
        attempts = %attempts_header(&record.attempts),
        rules = %record.rules.join(","),
        streamed = record.streamed,
        input = usage.input,
        cached = usage.cache_read,
        output = usage.output,
        first_byte_ms = record.first_byte.map(|took| took.as_millis()),
        ms = record.took.as_millis(),
        abandoned = record.abandoned,
        failed = record.failed.map(|reason| reason.as_str()),
        "request"
    );
}
