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

mod failover {
    mod affinity;
    pub(crate) mod faults;
    mod hedging;
    mod oauth;
    mod plan;
    mod timeouts;
}

mod streaming {
    mod cancel;
    mod concurrent_streams;
    mod continuation;
    mod limits;
    mod many_streams;
    pub(crate) mod soak;
}

mod translation {
    mod answers;
    mod apis;
    mod captures;
    pub(crate) mod corpora;
    mod errors;
    mod fidelity;
    pub(crate) mod matrix;
    mod pairs;
    mod strict;
}

mod config {
    mod edits;
    mod reload;
    mod reload_address;
    mod startup;
    mod watching;
}

mod cli {
    mod agent;
    mod chat;
    mod commands;
    pub(crate) mod doctor;
    mod drill;
    mod gateway_commands;
    mod onboard;
    mod probing;
    mod search;
    mod sessions;
    mod usage;
}

mod http {
    mod dashboard;
    mod endpoints;
    mod invalid_requests;
    mod metrics;
    mod redaction;
    mod secrets;
    #[cfg(feature = "otel")]
    mod traces;
}

mod service {
    mod activation;
    mod blocked_log;
    mod unit;
    mod shutdown;
    mod sockets;
    mod systemd;
    mod terminal;
    mod unit_policy;
    mod usage_accuracy;
    mod usage_database;
    mod workers;
}

mod docs {
    mod architecture;
    mod language;
    mod references;
    #[cfg(target_os = "linux")]
    mod seeds;
}
