//! Tests over the real binary and real sockets, against the strict simulator: one module per topic.
//!
//! They use no type of the crate, except where they compare documentation or data with it: `references`,
//! `corpora`, `translated_answers` and `money`. What these tests rely on is what users and clients rely on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic; clippy sees only #[test] functions as tests"
)]

mod common;

mod activation;
mod affinity;
mod agent;
mod architecture;
mod asking;
mod broken_streams;
mod cancel;
mod captures;
mod chat;
mod clocks;
mod commands;
mod corpora;
mod crowd;
mod dashboard;
mod doctor;
mod drill;
mod edits;
mod errors_by_face;
mod faces;
mod faults;
mod fidelity;
mod hedging;
mod hostile;
mod http;
mod ledger;
mod matrix;
mod metrics;
mod money;
mod oauth;
mod onboard;
mod places;
mod plan;
mod pressure;
mod probing;
mod redaction;
mod references;
mod reload;
mod search;
mod secrets;
#[cfg(target_os = "linux")]
mod seeds;
mod service;
mod sessions;
mod soak;
mod sockets;
mod startup;
mod stop;
mod systemd;
mod terminal;
mod traces;
mod translated_answers;
mod unit_policy;
mod usage;
mod watching;
