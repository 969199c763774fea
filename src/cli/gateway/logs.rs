//! `moonrelay gateway logs`.

use clap::Args as ClapArgs;

use crate::cli::exit::CommandError;
use crate::cli::systemd_units::{self, UnitStates};

/// `gateway logs`.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Follow new entries
    #[arg(short, long)]
    follow: bool,
    /// Number of most recent entries to show
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u32>,
    /// Show only entries since this time, for example "1 hour ago"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

/// Runs journalctl.
pub(super) fn print_logs(args: &Args) -> Result<(), CommandError> {
    UnitStates::query_installed("the gateway in your terminal logs to its standard error")?;
    let mut arguments = Vec::new();
    if args.follow {
        arguments.push("-f".to_owned());
    }
    if let Some(lines) = args.lines {
        arguments.extend(["-n".to_owned(), lines.to_string()]);
    }
    if let Some(since) = &args.since {
        arguments.extend(["--since".to_owned(), since.clone()]);
    }
    systemd_units::run_journalctl(&arguments)
}
