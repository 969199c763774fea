//! Turns of a conversation from the shell: requests, backends, sessions and transcripts.
//!
//! A turn uses the Messages API, through the running gateway or a gateway core in this process. Failover,
//! stream continuation and provider rules therefore apply to it as to every client.

mod usage;
pub mod transcript;
pub mod session;
mod outcome;
mod answer_reader;
pub mod backend;
pub mod thinking;
mod choice;
mod request;
pub mod context;
pub mod search;
pub mod turn;
pub mod command;
