//! What is told to people and machines about the gateway's work.

pub mod log;
pub mod metrics;
pub mod outbox;
pub mod traces;
