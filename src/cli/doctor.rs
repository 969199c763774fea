//! `moonrelay doctor`: what is wrong, how that was found, and the one command or Nix line that mends it.
//!
//! `facts` looks at everything once, with a limit of time for each look. The [`check`]s are functions of what was seen:
//! they ask nobody, so a test states the facts and reads the findings.

pub mod check;
mod checks;
mod facts;
pub mod finding;
pub mod kind;
mod report;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;

use self::facts::Facts;
use self::report::DoctorReport;
use super::console::Console;
use super::exit::{self, CommandError};
use super::progress::Progress;
use crate::config::Environment;
use crate::upstream::{Client, Connector};

/// `moonrelay doctor`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The configuration file [default: $MOONRELAY_CONFIG, else ~/.config/moonrelay/config.json5]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Skip all checks that use the network
    #[arg(long)]
    offline: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the checks and prints the findings; exit 1 with at least one error.
pub async fn run(args: Args) -> ExitCode {
    let mut out = std::io::stdout();
    let json = args.json;
    let mut console =
        Console { environment: Environment::from_process(), config: args.config, json, out: &mut out };
    let connector: Arc<dyn Connector> = Arc::new(Client::new(facts::CONNECT_TIMEOUT));
    exit::into_exit_code(
        run_checks(&mut console, &connector, args.offline, &Progress::on_terminal()).await,
        json,
    )
}

async fn run_checks(
    console: &mut Console<'_>,
    connector: &Arc<dyn Connector>,
    offline: bool,
    progress: &Progress,
) -> Result<(), CommandError> {
    let facts = Facts::gather(console, connector, offline, progress).await;
    progress.clear();
    let report = DoctorReport::from_facts(&facts);
    if console.json {
        console.print_json(&report.to_json())?;
    } else {
        console.print_line(report.to_text().trim_end())?;
    }
    if report.has_error() { Err(CommandError::silent()) } else { Ok(()) }
}
