//! What is played: each fault of the primary's provider, with an answer asked for whole and as a stream.

use std::fmt;

use super::stage::Stage;
use crate::cli::exit::Ending;
use crate::simulator::{Fault, FaultKind, fault_kinds};

/// How the answer is asked for, and when the fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Whole.
    Whole,
    /// Streamed; nothing was sent yet.
    Before,
    /// Streamed; a part of the answer has gone out.
    After,
}

impl Phase {
    /// The word in the table.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Before => "stream",
            Self::After => "mid-stream",
        }
    }
}

/// One fault in one phase.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) kind: &'static str,
    pub(super) value: Option<u64>,
    pub(super) phase: Phase,
}

/// Statuses with a text that no provider documents.
const STATUSES: [u64; 15] = [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 524, 529];
/// Kinds that an answer in one piece does not have.
const STREAMS_ONLY: [&str; 4] = ["error_chunk_first", "error_chunk_after", "truncate_no_done", "crlf"];
/// Content chunks before a break in the middle.
const MIDDLE: u64 = 4;
/// Bytes before a reset or an end in the middle: more than head and role, less than the answer.
const MIDDLE_BYTES: u64 = 3000;

impl Case {
    /// As `--fault` takes it, with its number where that tells cases apart.
    pub(super) fn label(&self) -> String {
        match self.value {
            Some(value) if self.kind == "status" => format!("status {value}"),
            _ => self.kind.to_owned(),
        }
    }

    /// What to order of the simulator, for one provider and model.
    ///
    /// # Errors
    /// When the simulator does not know it, which a test excludes.
    pub(super) fn faults(&self, stage: &Stage) -> Result<Vec<Fault>, Ending> {
        let spec = self.value.map_or_else(|| self.kind.to_owned(), |value| format!("{}={value}", self.kind));
        // A reset throws away what was not read yet; a drip lets each piece be read before.
        let drips = self.phase == Phase::After && self.kind == "reset_after";
        // What breaks an answer in its middle comes once, so that the one who is asked for the rest can give it.
        let times = (self.phase == Phase::After).then_some(1);
        let specs = drips.then(|| "drip=5".to_owned()).into_iter().chain([spec]);
        specs
            .map(|spec| {
                let mut fault: Fault = spec
                    .parse()
                    .map_err(|error| Ending::failure("drill_error", format!("{spec}: {error}")))?;
                fault.provider = Some(stage.primary_plays);
                fault.model = Some(stage.primary_model.clone());
                fault.times = times;
                Ok(fault)
            })
            .collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.label(), self.phase.as_str())
    }
}

/// Everything that the primary's provider can do wrong, or only the kinds of `wanted`.
///
/// # Errors
/// Exit 2 for a kind that there is not.
pub(super) fn cases(stage: &Stage, wanted: &[String]) -> Result<Vec<Case>, Ending> {
    let kinds = of_provider(stage);
    if let Some(unknown) = wanted.iter().find(|name| !kinds.iter().any(|kind| kind.word == name.as_str())) {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word).collect();
        return Err(Ending::usage(format!("no fault is called {unknown:?}; there are {}", words.join(", "))));
    }
    let chosen = kinds.iter().filter(|kind| wanted.is_empty() || wanted.iter().any(|name| name == kind.word));
    Ok(chosen.flat_map(|kind| phases(kind.word)).collect())
}

/// A server that nobody knows has no errors of its own, and markup leaks only where tools are offered. What a model may do
/// wrong when it goes on with an answer is a fault of the second order: one alone hits nothing.
fn of_provider(stage: &Stage) -> Vec<FaultKind> {
    let plays = |kind: &FaultKind| match kind.provider {
        None if kind.word.starts_with("prefill_") => false,
        None => kind.word != "leak_markup" || stage.takes_tools,
        Some(provider) => !stage.is_generic && provider == stage.primary_plays,
    };
    fault_kinds().into_iter().filter(plays).collect()
}

fn phases(kind: &'static str) -> Vec<Case> {
    let case = |value, phase| Case { kind, value, phase };
    if kind == "status" {
        let both = |status| [case(Some(status), Phase::Whole), case(Some(status), Phase::Before)];
        return STATUSES.into_iter().flat_map(both).collect();
    }
    let (at_once, later) = match kind {
        "retry_after" => (Some(30), None),
        "drip" => (Some(5), None),
        "split" => (Some(3), None),
        "reset_after" | "end_after" => (Some(0), Some(MIDDLE_BYTES)),
        "stall" | "truncate" | "malformed_json" | "malformed_sse" | "error_chunk_after" => {
            (Some(0), Some(MIDDLE))
        }
        _ => (None, None),
    };
    let whole = (!STREAMS_ONLY.contains(&kind)).then(|| case(at_once, Phase::Whole));
    let after = later.map(|later| case(Some(later), Phase::After));
    whole.into_iter().chain([case(at_once, Phase::Before)]).chain(after).collect()
}
