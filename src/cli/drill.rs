//! `moonrelay drill`: every fault against the user's own chain, with simulated upstreams.
//!
//! `stage` makes the user's settings safe to play with (simulated upstreams, invented keys), `clocks` makes them quick,
//! `case` lists what is played, `client` asks, `verdict` judges, `report` tells.

mod case;
mod client;
mod report;
mod runner;
mod setup;
#[cfg(test)]
mod tests;
mod timeouts;
mod verdict;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use futures_util::StreamExt;

use self::report::CaseResult;
use self::runner::DrillRunner;
use self::setup::DrillSetup;
use super::exit::{self, CommandError};
use crate::config::Environment;

/// Cases at a time. They mostly wait; more would make each other late on a small machine.
const MAX_CONCURRENT: usize = 6;

/// `drill`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What a client asks for: an alias, a reference, a route [default: the primary of the default chain]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only this fault, for example stall; may be given several times
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<String>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Plays the faults.
pub async fn run(args: Args) -> ExitCode {
    exit::into_exit_code(run_drill(&args).await, args.json)
}

async fn run_drill(args: &Args) -> Result<(), CommandError> {
    let stage =
        DrillSetup::load(args.config.as_deref(), &Environment::from_process(), args.model.as_deref())?;
    let cases = case::list_cases(&stage, &args.faults)?;
    let drill = DrillRunner::new(stage).await?;
    let mut out = std::io::stdout();
    let mut print = |text: &str| writeln!(out, "{text}").map_err(CommandError::from_output_error);
    if !args.json {
        print(&report::heading_text(&drill.setup, &cases))?;
    }
    let mut rows: Vec<CaseResult> = Vec::with_capacity(cases.len());
    let mut playing =
        futures_util::stream::iter(&cases).map(|case| drill.run_case(case)).buffered(MAX_CONCURRENT);
    while let Some(row) = playing.next().await {
        let row = row?;
        if !args.json {
            print(&row.to_line(&cases))?;
        }
        rows.push(row);
    }
    let summary = report::DrillSummary::from_results(&rows);
    if args.json {
        print(&report::as_json(&drill.setup, &rows, &summary).to_string())?;
    } else {
        print(&summary.to_text())?;
    }
    if summary.lost == 0 { Ok(()) } else { Err(CommandError::silent()) }
}
