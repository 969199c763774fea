//! Turns of a conversation from the shell: requests, backends, sessions and transcripts.
//!
//! A turn uses the Messages API, through the running gateway or a gateway core in this process. Failover,
//! stream continuation and provider rules therefore apply to it as to every client.

mod answer_reader;
pub mod backend;
pub mod command;
pub mod context;
mod outcome;
mod request;
pub mod search;
pub mod session;
pub mod thinking;
pub mod tools;
pub mod transcript;
pub mod turn;
