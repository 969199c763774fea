//! `moonrelay drill`: every fault against the user's own chain, with simulated upstreams.
//!
//! `stage` makes the user's settings safe to play with (simulated upstreams, invented keys), `clocks` makes them quick,
//! `case` lists what is played, `client` asks, `verdict` judges, `report` tells.

mod case;
mod client;
mod clocks;
mod play;
mod report;
mod stage;
#[cfg(test)]
mod tests;
mod verdict;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use futures_util::StreamExt;

use self::play::Drill;
use self::report::Row;
use self::stage::Stage;
use super::exit::{self, Ending};
use crate::config::Environment;

/// Cases at a time. They mostly wait; more would make each other late on a small machine.
const AT_ONCE: usize = 6;

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
    exit::code(drill(&args).await, args.json)
}

async fn drill(args: &Args) -> Result<(), Ending> {
    let stage = Stage::of(args.config.as_deref(), &Environment::process(), args.model.as_deref())?;
    let cases = case::cases(&stage, &args.faults)?;
    let drill = Drill::new(stage).await?;
    let mut out = std::io::stdout();
    let mut print = |text: &str| writeln!(out, "{text}").map_err(Ending::output);
    if !args.json {
        print(&report::heading(&drill.stage, &cases))?;
    }
    let mut rows: Vec<Row> = Vec::with_capacity(cases.len());
    let mut playing = futures_util::stream::iter(&cases).map(|case| drill.play(case)).buffered(AT_ONCE);
    while let Some(row) = playing.next().await {
        let row = row?;
        if !args.json {
            print(&row.line(&cases))?;
        }
        rows.push(row);
    }
    let summary = report::Summary::of(&rows);
    if args.json {
        print(&report::as_json(&drill.stage, &rows, &summary).to_string())?;
    } else {
        print(&summary.text())?;
    }
    if summary.lost == 0 { Ok(()) } else { Err(Ending::silent()) }
}
