//! `moonrelay drill`: tests the user's own chain against simulated failures.
//!
//! `setup` replaces upstreams and keys of the user's settings by simulated ones and `timeouts` shortens the
//! timeouts. `case` lists the cases, `client` sends the requests, `verdict` judges the results and `report`
//! prints them.

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

/// Cases that run at the same time. They mostly wait; more would delay each other on a small machine.
const MAX_CONCURRENT: usize = 6;

/// Arguments of `drill`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Model to request: an alias, a reference or a route [default: the primary of the default chain]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Run only this failure, for example stall; can be repeated
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the failure simulations.
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
