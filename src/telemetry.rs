//! Logs, metrics and traces of the gateway's work.

pub mod log;
pub mod metrics;
pub mod record_queue;
pub mod traces;
