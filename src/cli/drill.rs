//! `moonrelay drill`: tests the user's own chain against simulated failures.
//!
//! `setup` replaces providers and keys of the user's settings by simulated ones and shortens the timeouts. `run` sends
//! the requests, `report` evaluates and prints the results.

mod report;
mod run;
mod setup;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use futures_util::StreamExt;

use self::report::{CaseResult, DrillSummary};
use self::run::DrillRunner;
use self::setup::DrillSetup;
use super::command::{self, CommandContext, CommandError};
use moonrelay_simulator::{Fault, FaultDescription, list_faults};

/// Cases that run at the same time. They mostly wait; more would delay each other on a small machine.
const MAX_CONCURRENT: usize = 6;

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
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

pub(super) async fn run(args: Args) -> ExitCode {
    command::run(args.config.clone(), args.json, async |context| run_drill(&args, context).await).await
}

async fn run_drill(args: &Args, context: &mut CommandContext<'_>) -> Result<(), CommandError> {
    let setup = DrillSetup::load(context.load_settings()?, args.model.as_deref())?;
    let cases = list_cases(&setup, &args.faults)?;
    let drill = DrillRunner::new(setup).await?;
    if !context.json {
        context.print_line(report::heading_text(&drill.setup, &cases))?;
    }
    let mut results: Vec<CaseResult> = Vec::with_capacity(cases.len());
    let mut running = futures_util::stream::iter(&cases)
        .map(async |case| (case, drill.run_case(case).await))
        .buffered(MAX_CONCURRENT);
    while let Some((case, outcome)) = running.next().await {
        let (response, record) = outcome?;
        let result = CaseResult::new(case, &response, drill.baseline(case), record, &drill.setup);
        if !context.json {
            context.print_line(result.to_line(&cases))?;
        }
        results.push(result);
    }
    let summary = DrillSummary::from_results(&results);
    if context.json {
        context.print_line(report::to_json(&drill.setup, &results, &summary))?;
    } else {
        context.print_line(summary.to_text())?;
    }
    if summary.lost == 0 { Ok(()) } else { Err(CommandError::silent()) }
}

fn drill_error(message: impl Into<String>) -> CommandError {
    CommandError::failure("drill_error", message)
}

/// The kind of request, and when the fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    NonStreaming,
    BeforeContent,
    /// A part of the answer was sent.
    AfterContent,
}

impl Phase {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NonStreaming => "whole",
            Self::BeforeContent => "stream",
            Self::AfterContent => "mid-stream",
        }
    }
}

/// One fault in one phase.
#[derive(Clone, Debug)]
struct Case {
    kind: &'static str,
    value: Option<u64>,
    phase: Phase,
}

/// Statuses with a text that no provider documents.
const UNDOCUMENTED_STATUSES: [u64; 15] =
    [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 524, 529];
const STREAM_ONLY_FAULTS: [&str; 4] = ["error_chunk_first", "error_chunk_after", "truncate_no_done", "crlf"];
/// Content chunks before an interruption.
const CHUNKS_BEFORE_BREAK: u64 = 4;
/// Bytes before a reset or an end: more than head and role, less than the answer.
const BYTES_BEFORE_BREAK: u64 = 3000;

impl Case {
    /// As `--fault` takes it, with its number if that distinguishes cases.
    fn label(&self) -> String {
        match self.value {
            Some(value) if self.kind == "status" => format!("status {value}"),
            _ => self.kind.to_owned(),
        }
    }

    /// The faults for the simulator of the primary. A test excludes that it does not know one.
    fn simulator_faults(&self, setup: &DrillSetup) -> Result<Vec<Fault>, CommandError> {
        let spec = self.value.map_or_else(|| self.kind.to_owned(), |value| format!("{}={value}", self.kind));
        // A reset discards what was not read yet; a drip lets each piece be read before.
        let drips = self.phase == Phase::AfterContent && self.kind == "reset_after";
        // A fault in the middle of an answer occurs once, so that the target that continues the answer can
        // complete it.
        let times = (self.phase == Phase::AfterContent).then_some(1);
        let specs = drips.then(|| "drip=5".to_owned()).into_iter().chain([spec]);
        let fault = |spec: String| {
            let parsed = spec.parse::<Fault>();
            let mut fault = parsed.map_err(|error| drill_error(format!("{spec}: {error}")))?;
            fault.provider = Some(setup.primary_simulator);
            fault.model = Some(setup.primary_model.clone());
            fault.times = times;
            Ok(fault)
        };
        specs.map(fault).collect()
    }
}

/// Every fault of the primary's provider, or only the `wanted` ones. An unknown one is exit 2.
fn list_cases(setup: &DrillSetup, wanted: &[String]) -> Result<Vec<Case>, CommandError> {
    // An unknown server has no errors of its own, and markup leaks only if tools are offered. Faults of a model
    // that continues an answer are excluded: they have no effect without another fault.
    let is_applicable = |fault: &FaultDescription| match fault.provider {
        None if fault.name.starts_with("prefill_") => false,
        None => fault.name != "leak_markup" || setup.accepts_tools,
        Some(provider) => !setup.is_generic && provider == setup.primary_simulator,
    };
    let names: Vec<&str> = list_faults().into_iter().filter(is_applicable).map(|fault| fault.name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        let why = format!("there is no fault {unknown:?}; the faults are {}", names.join(", "));
        return Err(CommandError::usage(why));
    }
    let chosen =
        names.into_iter().filter(|name| wanted.is_empty() || wanted.iter().any(|other| other == name));
    Ok(chosen.flat_map(cases_for_fault).collect())
}

fn cases_for_fault(kind: &'static str) -> Vec<Case> {
    let case = |value, phase| Case { kind, value, phase };
    if kind == "status" {
        let both =
            |status| [case(Some(status), Phase::NonStreaming), case(Some(status), Phase::BeforeContent)];
        return UNDOCUMENTED_STATUSES.into_iter().flat_map(both).collect();
    }
    let (at_once, later) = match kind {
        "retry_after" => (Some(30), None),
        "drip" => (Some(5), None),
        "split" => (Some(3), None),
        "reset_after" | "end_after" => (Some(0), Some(BYTES_BEFORE_BREAK)),
        "stall" | "truncate" | "malformed_json" | "malformed_sse" | "error_chunk_after" => {
            (Some(0), Some(CHUNKS_BEFORE_BREAK))
        }
        _ => (None, None),
    };
    let whole = (!STREAM_ONLY_FAULTS.contains(&kind)).then(|| case(at_once, Phase::NonStreaming));
    let after = later.map(|later| case(Some(later), Phase::AfterContent));
    whole.into_iter().chain([case(at_once, Phase::BeforeContent)]).chain(after).collect()
}
