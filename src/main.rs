//! Parses, calls, and turns the outcome into an exit code.

use std::process::ExitCode;

/// It releases the memory of many concurrent streams and costs less per request
/// (benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    moonrelay::cli::main()
}
