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

/// How a case ended for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// A complete answer, as without the fault.
    Unnoticed,
    /// An error that an SDK raises.
    Error,
    /// An incomplete or different answer without an error: no client can detect this.
    Lost,
}

/// Compares a response with the `baseline`: the answers of the chain's targets without a fault. The text says what
/// the client received instead.
pub(super) fn evaluate(
    observed: &ObservedResponse,
    baseline: &[ObservedResponse],
) -> (Verdict, Option<String>) {
    let sent = observed.text.chars().count();
    if let Some(error) = &observed.error {
        let status = match observed.status {
            200 => "an error event".to_owned(),
            status => format!("status {status}"),
        };
        let after = if sent == 0 { String::new() } else { format!(" after {sent} characters of the answer") };
        return (Verdict::Error, Some(format!("{status}{after}: {error}")));
    }
    let is_equal = |other: &ObservedResponse| {
        other.text == observed.text
            && other.finish_reasons == observed.finish_reasons
            && other.tool_calls == observed.tool_calls
    };
    let lost = if let Some(error) = &observed.connection_error {
        format!("no error, and the connection was interrupted: {error}")
    } else if observed.status != 200 {
        format!("status {} without an error", observed.status)
    } else if !baseline.iter().any(is_equal) {
        let finish = match observed.finish_reasons.as_slice() {
            [] => "none".to_owned(),
            reasons => reasons.join(", "),
        };
        format!("no error, and a different answer: {sent} characters, finish reason {finish}")
    } else if observed.done_count != usize::from(observed.is_stream) {
        format!("no error, and {} [DONE] events", observed.done_count)
    } else {
        return (Verdict::Unnoticed, None);
    };
    (Verdict::Lost, Some(lost))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaseResult {
    fault: String,
    phase: &'static str,
    result: Verdict,
    status: u16,
    /// The target that answered.
    model: Option<String>,
    /// As in `x-moonrelay-attempts`.
    attempts: String,
    message: Option<String>,
    drill_ms: u64,
    /// With the user's own timeouts.
    real_ms: u64,
    #[serde(skip)]
    failed_attempts: String,
}

impl CaseResult {
    pub(super) fn new(
        case: &Case,
        observed: &ObservedResponse,
        baseline: &[ObservedResponse],
        record: Option<Record>,
        setup: &DrillSetup,
    ) -> Self {
        let (attempts, model) = record.map(|record| (record.attempts, record.served_by)).unwrap_or_default();
        let (result, message) = evaluate(observed, baseline);
        let real_time = setup::estimate_real_time(&setup.timeouts, observed.elapsed, &attempts);
        Self {
            fault: case.label(),
            phase: case.phase.as_str(),
            result,
            status: observed.status,
            model,
            attempts: render_attempts_header(&attempts),
            message: message.map(|text| setup::with_real_times(&setup.timeouts, &attempts, &text)),
            drill_ms: whole_millis(observed.elapsed),
            real_ms: whole_millis(real_time),
            failed_attempts: failed_attempts_text(&attempts),
        }
    }

    /// The row, in columns as wide as all `cases` need.
    pub(super) fn to_line(&self, cases: &[Case]) -> String {
        let outcome = match &self.message {
            None => {
                let model = self.model.as_deref().unwrap_or("unknown target");
                format!("{model} answers{}", self.failed_attempts)
            }
            Some(message) if self.result == Verdict::Lost => format!("LOST: {}", truncate(message)),
            Some(message) => truncate(message),
        };
        let time = format_duration(Duration::from_millis(self.real_ms));
        render_row(cases, &self.fault, self.phase, &time, &outcome)
    }
}

/// How many cases ended how.
#[derive(Serialize)]
pub(super) struct DrillSummary {
    cases: usize,
    unnoticed: usize,
    errors: usize,
    /// Content was lost without an error.
    pub(super) lost: usize,
}

impl DrillSummary {
    pub(super) fn from_results(results: &[CaseResult]) -> Self {
        let count = |verdict| results.iter().filter(|result| result.result == verdict).count();
        Self {
            cases: results.len(),
            unnoticed: count(Verdict::Unnoticed),
            errors: count(Verdict::Error),
            lost: count(Verdict::Lost),
        }
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
        "cases": results,
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

/// For the text; `--json` has all of it.
fn truncate(text: &str) -> String {
    const MAX_ERROR_CHARS: usize = 110;
    let text = sanitize_line(text);
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
