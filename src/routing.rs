//! Owns the decisions about one request: which targets, in which order, and what happens when one fails.
//!
//! A request passes through [`engine`] → `plan` → `executor` → `attempt`; a streamed response continues in
//! `continuation`, which feeds [`crate::stream`]. Only [`crate::gateway`] chooses the client's status.

pub mod request;
mod prompt;
pub mod retry;
pub mod headers;
mod target;
pub mod route;
pub mod plan;
pub mod affinity;
pub mod request_bodies;
mod tracker;
mod attempt;
mod executor;
mod continuation;
pub mod quota;
pub mod engine;
pub mod snapshot;
pub mod token_count;
mod compaction;
#[cfg(test)]
mod tests;

pub use engine::Engine;
pub use request::{Answer, ClientRequest, RecordSink, RequestError};
