//! Man pages, for packages: one for each command.

use std::path::PathBuf;

use clap::CommandFactory;

use super::Cli;
use super::exit::CommandError;

/// `moonrelay man`.
#[derive(clap::Args)]
pub struct Args {
    /// An existing directory
    directory: PathBuf,
}

/// Writes `moonrelay.1`, `moonrelay-gateway.1`, … into the directory.
///
/// # Errors
/// When one cannot be written.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let pages = clap_mangen::generate_to(Cli::command(), &args.directory);
    pages.map_err(|error| CommandError::failure("io_error", format!("{}: {error}", args.directory.display())))
}
