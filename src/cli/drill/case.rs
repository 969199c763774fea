//! The drill's cases: each fault of the primary's provider, for streaming and non-streaming requests.

use std::fmt;

use super::setup::DrillSetup;
use crate::cli::exit::CommandError;
use crate::simulator::{Fault, FaultDescription, list_faults};

/// How the answer is requested, and when the fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Whole.
    NonStreaming,
    /// Streamed; nothing was sent yet.
    BeforeContent,
    /// Streamed; a part of the answer has gone out.
    AfterContent,
}

impl Phase {
    /// The word in the table.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NonStreaming => "whole",
            Self::BeforeContent => "stream",
            Self::AfterContent => "mid-stream",
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
const UNDOCUMENTED_STATUSES: [u64; 15] =
    [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 524, 529];
/// Kinds that an answer in one piece does not have.
const STREAM_ONLY_FAULTS: [&str; 4] = ["error_chunk_first", "error_chunk_after", "truncate_no_done", "crlf"];
/// Content chunks before a break in the middle.
const CHUNKS_BEFORE_BREAK: u64 = 4;
/// Bytes before a reset or an end in the middle: more than head and role, less than the answer.
const BYTES_BEFORE_BREAK: u64 = 3000;

impl Case {
    /// As `--fault` takes it, with its number if that distinguishes cases.
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
    pub(super) fn simulator_faults(&self, stage: &DrillSetup) -> Result<Vec<Fault>, CommandError> {
        let spec = self.value.map_or_else(|| self.kind.to_owned(), |value| format!("{}={value}", self.kind));
        // A reset throws away what was not read yet; a drip lets each piece be read before.
        let drips = self.phase == Phase::AfterContent && self.kind == "reset_after";
        // A fault in the middle of an answer occurs once, so that the target that continues the answer can
        // complete it.
        let times = (self.phase == Phase::AfterContent).then_some(1);
        let specs = drips.then(|| "drip=5".to_owned()).into_iter().chain([spec]);
        specs
            .map(|spec| {
                let mut fault: Fault = spec
                    .parse()
                    .map_err(|error| CommandError::failure("drill_error", format!("{spec}: {error}")))?;
                fault.provider = Some(stage.primary_simulator);
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
pub(super) fn list_cases(stage: &DrillSetup, wanted: &[String]) -> Result<Vec<Case>, CommandError> {
    let kinds = provider_faults(stage);
    if let Some(unknown) = wanted.iter().find(|name| !kinds.iter().any(|kind| kind.name == name.as_str())) {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        return Err(CommandError::usage(format!(
            "no fault is called {unknown:?}; there are {}",
            words.join(", ")
        )));
    }
    let chosen = kinds.iter().filter(|kind| wanted.is_empty() || wanted.iter().any(|name| name == kind.name));
    Ok(chosen.flat_map(|kind| cases_for_kind(kind.name)).collect())
}

/// An unknown server has no errors of its own, and markup leaks only if tools are offered. Faults of a model
/// that continues an answer are excluded: they have no effect without another fault.
fn provider_faults(stage: &DrillSetup) -> Vec<FaultDescription> {
    let plays = |kind: &FaultDescription| match kind.provider {
        None if kind.name.starts_with("prefill_") => false,
        None => kind.name != "leak_markup" || stage.accepts_tools,
        Some(provider) => !stage.is_generic && provider == stage.primary_simulator,
    };
    list_faults().into_iter().filter(plays).collect()
}

fn cases_for_kind(kind: &'static str) -> Vec<Case> {
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
