//! Logs, metrics and traces: what the gateway reports about finished requests. Nothing here waits or calls a provider.

pub mod log;
pub mod metrics;
pub mod request_log;
#[cfg(feature = "otel")]
pub mod traces;
