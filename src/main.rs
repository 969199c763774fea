//! Parses, calls, and turns the outcome into an exit code.

use std::process::ExitCode;

/// It gives back what a crowd of streams took, and costs less for each request (docs/explanation/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    moonrelay::cli::main()
}
