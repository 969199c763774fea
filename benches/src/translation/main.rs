//! Measures the cost of translation, and verifies that requests without translation do not pay for it.
//!
//! `cargo build --release --locked && cargo run --release -p moonrelay-benches --bin APIs` prints medians and
//! ratios: first for requests and streams in this process, then for requests through a gateway process with the
//! simulator behind it. The contenders alternate within each round. `--before FILE` compares another gateway
//! binary with this one.

#[path = "../race.rs"]
mod race;
#[path = "../sample.rs"]
#[expect(dead_code, reason = "the other measurements use the rest")]
mod sample;

mod direct;
#[expect(dead_code, reason = "another measurement asks for the process")]
mod process;
mod through;

use std::path::PathBuf;

use clap::Parser;

/// What to measure, and how often.
#[derive(Debug, Parser)]
struct Options {
    /// The gateway's binary.
    #[arg(long, default_value = "target/release/moonrelay")]
    binary: PathBuf,
    /// An older binary, for chat to chat.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Rounds in this process.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Rounds through the gateway.
    #[arg(long, default_value_t = 300)]
    through: usize,
}

fn main() {
    let options = Options::parse();
    direct::requests(options.rounds);
    direct::streams(options.rounds);
    through::race_gateways(&options.binary, options.before.as_deref(), options.through);
}
