//! Whether the client lost content or received an error, and the report: a row for each case, and a summary.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::Case;
use super::run::ObservedResponse;
use super::setup::{self, DrillSetup};
use crate::cli::output::{format_duration, render_pairs, sanitize_line};
use crate::record::{Attempt, AttemptOutcome, Record, render_attempts_header};

/// Characters of an error in the text; `--json` has all of it.
const MAX_ERROR_CHARS: usize = 110;

/// How a case ended for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CaseVerdict {
    /// A complete answer, as without the fault.
    Unnoticed,
    /// An error that an SDK raises.
    Error(String),
    /// An incomplete or different answer without an error: no client can detect this.
    Lost(String),
}

impl CaseVerdict {
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Unnoticed => "unnoticed",
            Self::Error(_) => "error",
            Self::Lost(_) => "lost",
        }
    }
}

/// Compares a response with the `baseline`: the answers of the chain's targets without a fault.
pub(super) fn evaluate(observed: &ObservedResponse, baseline: &[ObservedResponse]) -> CaseVerdict {
    let sent = observed.text.chars().count();
    if let Some(error) = &observed.error {
        let status = match observed.status {
            200 => "an error event".to_owned(),
            status => format!("status {status}"),
        };
        let after = if sent == 0 { String::new() } else { format!(" after {sent} characters of the answer") };
        return CaseVerdict::Error(format!("{status}{after}: {error}"));
    }
    if let Some(error) = &observed.connection_error {
        return CaseVerdict::Lost(format!("no error, and the connection was interrupted: {error}"));
    }
    if observed.status != 200 {
        return CaseVerdict::Lost(format!("status {} without an error", observed.status));
    }
    let is_equal = |other: &ObservedResponse| {
        other.text == observed.text
            && other.finish_reasons == observed.finish_reasons
            && other.tool_calls == observed.tool_calls
    };
    if !baseline.iter().any(is_equal) {
        let finish = match observed.finish_reasons.as_slice() {
            [] => "none".to_owned(),
            reasons => reasons.join(", "),
        };
        let message = format!("no error, and a different answer: {sent} characters, finish reason {finish}");
        return CaseVerdict::Lost(message);
    }
    if observed.done_count != usize::from(observed.is_stream) {
        return CaseVerdict::Lost(format!("no error, and {} [DONE] events", observed.done_count));
    }
    CaseVerdict::Unnoticed
}

pub(super) struct CaseResult {
    label: String,
    phase: &'static str,
    status: u16,
    elapsed: Duration,
    verdict: CaseVerdict,
    /// The target that answered.
    model: Option<String>,
    attempts: Vec<Attempt>,
    /// With the user's own timeouts.
    real_duration: Duration,
}

impl CaseResult {
    pub(super) fn new(
        case: &Case,
        observed: &ObservedResponse,
        verdict: CaseVerdict,
        record: Option<Record>,
        setup: &DrillSetup,
    ) -> Self {
        let (attempts, model) = record.map(|record| (record.attempts, record.served_by)).unwrap_or_default();
        let verdict = match verdict {
            CaseVerdict::Error(text) => {
                CaseVerdict::Error(setup::with_real_times(&setup.timeouts, &attempts, &text))
            }
            other => other,
        };
        Self {
            label: case.label(),
            phase: case.phase.as_str(),
            status: observed.status,
            elapsed: observed.elapsed,
            real_duration: setup::estimate_real_time(&setup.timeouts, observed.elapsed, &attempts),
            verdict,
            model,
            attempts,
        }
    }

    /// The row, in columns as wide as all `cases` need.
    pub(super) fn to_line(&self, cases: &[Case]) -> String {
        let outcome = match &self.verdict {
            CaseVerdict::Unnoticed => {
                let model = self.model.as_deref().unwrap_or("unknown target");
                format!("{model} answers{}", failed_attempts_text(&self.attempts))
            }
            CaseVerdict::Error(what) => truncate(what),
            CaseVerdict::Lost(what) => format!("LOST: {}", truncate(what)),
        };
        render_row(cases, &self.label, self.phase, &format_duration(self.real_duration), &outcome)
    }

    fn to_json(&self) -> Value {
        let message = match &self.verdict {
            CaseVerdict::Unnoticed => None,
            CaseVerdict::Error(what) | CaseVerdict::Lost(what) => Some(what),
        };
        json!({
            "fault": self.label,
            "phase": self.phase,
            "result": self.verdict.as_str(),
            "status": self.status,
            "model": self.model,
            "attempts": render_attempts_header(&self.attempts),
            "message": message,
            "drillMs": whole_millis(self.elapsed),
            "realMs": whole_millis(self.real_duration),
        })
    }
}

/// How all cases ended.
#[derive(Serialize)]
pub(super) struct DrillSummary {
    cases: usize,
    unnoticed: usize,
    errors: usize,
    /// Cases in which content was lost without an error.
    pub(super) lost: usize,
}

impl DrillSummary {
    pub(super) fn from_results(results: &[CaseResult]) -> Self {
        let count = |word: &str| results.iter().filter(|result| result.verdict.as_str() == word).count();
        let (unnoticed, errors, lost) = (count("unnoticed"), count("error"), count("lost"));
        Self { cases: results.len(), unnoticed, errors, lost }
    }

    pub(super) fn to_text(&self) -> String {
        let Self { cases, unnoticed, errors, lost } = self;
        let lost = match lost {
            0 => "no content was lost silently".to_owned(),
            _ => format!("{lost} LOST CONTENT without an error"),
        };
        format!(
            "\n{unnoticed} of {cases} failures were invisible to the client; {errors} ended in an error; {lost}."
        )
    }
}

/// The chain, the timeouts, and the headings of the columns.
pub(super) fn heading_text(setup: &DrillSetup, cases: &[Case]) -> String {
    let mut pairs = vec![
        ("requested", setup.requested_model.clone()),
        ("chain", chain_names(setup).join(" → ")),
        ("faults on", setup.primary_provider().unwrap_or_default().to_owned()),
    ];
    if !setup.providers_without_key.is_empty() {
        let providers = setup.providers_without_key.join(", ");
        pairs.push(("no key", format!("{providers}: simulated as if there were one")));
    }
    let shortened = setup.timeouts.iter().filter(|timeout| timeout.configured > timeout.shortened);
    let shortened = shortened.map(|timeout| {
        let [shortened, configured] = [timeout.shortened, timeout.configured].map(format_duration);
        format!("{} {shortened} instead of {configured}", timeout.name)
    });
    let timeouts = shortened.collect::<Vec<_>>().join(", ");
    if !timeouts.is_empty() {
        let text = format!("{timeouts}; the times below are those with your own timeouts");
        pairs.push(("timeouts", text));
    }
    let headings = render_row(cases, "FAULT", "REQUEST", "TIME", "CLIENT RECEIVES");
    format!("{}\n\n{headings}", render_pairs(&pairs))
}

pub(super) fn to_json(setup: &DrillSetup, results: &[CaseResult], summary: &DrillSummary) -> Value {
    let timeouts = setup.timeouts.iter().map(|timeout| {
        let (shortened, configured) = (whole_millis(timeout.shortened), whole_millis(timeout.configured));
        json!({"name": timeout.name, "drillMs": shortened, "realMs": configured})
    });
    json!({
        "ok": summary.lost == 0,
        "requested": setup.requested_model,
        "chain": chain_names(setup),
        "withoutKey": setup.providers_without_key,
        "clocks": timeouts.collect::<Vec<_>>(),
        "cases": results.iter().map(CaseResult::to_json).collect::<Vec<_>>(),
        "summary": summary,
    })
}

/// `, after kimi/kimi-for-coding: overloaded, overloaded`; empty if the first attempt succeeded.
fn failed_attempts_text(attempts: &[Attempt]) -> String {
    let mut text = String::new();
    let mut last = "";
    for attempt in attempts.iter().filter(|attempt| attempt.outcome != AttemptOutcome::Ok) {
        let reason = attempt.outcome.as_str();
        let _ = if attempt.reference == last {
            write!(text, ", {reason}")
        } else {
            write!(text, "{} {}: {reason}", if last.is_empty() { ", after" } else { ";" }, attempt.reference)
        };
        last = &attempt.reference;
    }
    text
}

fn chain_names(setup: &DrillSetup) -> Vec<String> {
    setup.chain.references.iter().map(ToString::to_string).collect()
}

fn render_row(cases: &[Case], label: &str, phase: &str, time: &str, outcome: &str) -> String {
    let width = cases.iter().map(|case| case.label().len()).chain(["FAULT".len()]).max().unwrap_or_default();
    format!("{label:<width$}  {phase:<10}  {time:>10}  {outcome}")
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn truncate(text: &str) -> String {
    let text = sanitize_line(text);
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
