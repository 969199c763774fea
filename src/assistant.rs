//! Turns of a conversation from the shell: what is asked, where it is asked, and what is kept of it.
//!
//! A turn speaks the messages face, to the gateway that runs or to a relay of its own, so that a fallback, a
//! continuation and the dialects' rules hold for it as for every client.

mod answer_reader;
pub mod backend;
pub mod command;
pub mod context;
mod request;
pub mod search;
pub mod session;
pub mod thinking;
pub mod tools;
pub mod transcript;
pub mod turn;
mod usage_totals;
