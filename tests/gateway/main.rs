//! The real binary, over real sockets, against the strict simulator: one module per property.
//!
//! Nothing here knows a type of the crate: what these tests rely on is what users and clients rely on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic and shows its table by printing; clippy sees only #[test] functions as tests"
)]

mod common;

mod architecture;
