//! The drill's report: a row for each case, and a summary.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::case::Case;
use super::client::ObservedResponse;
use super::setup::DrillSetup;
use super::timeouts;
use super::verdict::CaseVerdict;
use crate::record::{Attempt, AttemptOutcome, Record, render_attempts_header};

/// Of an error so much is shown in the table; `--json` has all of it.
const MAX_ERROR_CHARS: usize = 110;

/// One case, played.
pub(super) struct CaseResult {
    label: String,
    phase: &'static str,
    observed: ObservedResponse,
    verdict: CaseVerdict,
    /// The target that answered.
    model: Option<String>,
    attempts: String,
    /// The same for people: what failed before, from the first comma on.
    failed_attempts: String,
    /// With the user's own clocks.
    real_duration: Duration,
}

/// How all cases ended.
pub(super) struct DrillSummary {
    cases: usize,
    unnoticed: usize,
    errors: usize,
    /// Cases in which content was lost without an error.
    pub(super) lost: usize,
}

impl CaseResult {
    /// What a case led to; a request that left no record has no attempts either.
    pub(super) fn new(
        case: &Case,
        observed: ObservedResponse,
        verdict: CaseVerdict,
        record: Option<Record>,
        stage: &DrillSetup,
    ) -> Self {
        let real_duration = record.as_ref().map_or(observed.elapsed, |record| {
            timeouts::estimate_real_time(&stage.timeouts, observed.elapsed, &record.attempts)
        });
        let verdict = match verdict {
            CaseVerdict::Error(text) => {
                let attempts = record.as_ref().map(|record| record.attempts.as_slice()).unwrap_or_default();
                CaseVerdict::Error(timeouts::with_real_times(&stage.timeouts, attempts, &text))
            }
            other => other,
        };
        let attempts =
            record.as_ref().map_or_else(String::new, |record| render_attempts_header(&record.attempts));
        let failed_attempts =
            record.as_ref().map_or_else(String::new, |record| failed_attempts_text(&record.attempts));
        let model = record.and_then(|record| record.served_by);
        Self {
            label: case.label(),
            phase: case.phase.as_str(),
            observed,
            verdict,
            model,
            attempts,
            failed_attempts,
            real_duration,
        }
    }

    /// The row, in columns as wide as all `cases` need.
    pub(super) fn to_line(&self, cases: &[Case]) -> String {
        let width = label_width(cases);
        let time = format_duration(self.real_duration);
        let seen = self.outcome_text();
        format!("{:<width$}  {:<10}  {time:>7}  {seen}", self.label, self.phase)
    }

    fn outcome_text(&self) -> String {
        match &self.verdict {
            CaseVerdict::Unnoticed => {
                format!("{} answers{}", self.model.as_deref().unwrap_or("somebody"), self.failed_attempts)
            }
            CaseVerdict::Error(what) => truncate(what),
            CaseVerdict::Lost(what) => format!("LOST: {}", truncate(what)),
        }
    }

    fn as_json(&self) -> Value {
        let message = match &self.verdict {
            CaseVerdict::Unnoticed => None,
            CaseVerdict::Error(what) | CaseVerdict::Lost(what) => Some(what),
        };
        json!({
            "fault": self.label, "phase": self.phase, "result": self.verdict.as_str(), "status": self.observed.status,
            "model": self.model, "attempts": self.attempts, "message": message,
            "drillMs": whole_millis(self.observed.elapsed), "realMs": whole_millis(self.real_duration),
        })
    }
}

impl DrillSummary {
    /// Counts.
    pub(super) fn from_results(rows: &[CaseResult]) -> Self {
        let count = |word: &str| rows.iter().filter(|row| row.verdict.as_str() == word).count();
        Self { cases: rows.len(), unnoticed: count("unnoticed"), errors: count("error"), lost: count("lost") }
    }

    /// The last lines.
    pub(super) fn to_text(&self) -> String {
        let Self { cases, unnoticed, errors, lost } = self;
        let mut text =
            format!("\n{unnoticed} of {cases} faults the client did not notice; {errors} ended in an error");
        let _ = match lost {
            0 => write!(text, "; nothing was lost silently."),
            _ => write!(text, "; {lost} LOST SOMETHING without an error."),
        };
        text
    }
}

/// What is drilled, and the headings of the columns.
pub(super) fn heading_text(stage: &DrillSetup, cases: &[Case]) -> String {
    let chain: Vec<String> = stage.chain.references.iter().map(ToString::to_string).collect();
    let mut text = format!("asked for  {}\nchain      {}\n", stage.requested_model, chain.join(" → "));
    let _ = writeln!(text, "faults on  {}", stage.primary_provider().unwrap_or_default());
    if !stage.providers_without_key.is_empty() {
        let _ = writeln!(
            text,
            "no key     {}: drilled as if there were one",
            stage.providers_without_key.join(", ")
        );
    }
    let short: Vec<String> = stage
        .timeouts
        .iter()
        .filter(|clock| clock.configured > clock.shortened)
        .map(|clock| {
            format!(
                "{} {} for {}",
                clock.name,
                format_duration(clock.shortened),
                format_duration(clock.configured)
            )
        })
        .collect();
    if !short.is_empty() {
        let _ = writeln!(text, "clocks     {}; times are those of your own clocks", short.join(", "));
    }
    let width = label_width(cases);
    let _ = write!(text, "\n{:<width$}  {:<10}  {:>7}  THE CLIENT SEES", "FAULT", "ASKED FOR", "TIME");
    text
}

/// Everything.
pub(super) fn as_json(stage: &DrillSetup, rows: &[CaseResult], summary: &DrillSummary) -> Value {
    let clocks = stage.timeouts.iter().map(
        |clock| json!({"name": clock.name, "drillMs": whole_millis(clock.shortened), "realMs": whole_millis(clock.configured)}),
    );
    json!({
        "ok": summary.lost == 0,
        "requested": stage.requested_model,
        "chain": stage.chain.references.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "withoutKey": stage.providers_without_key,
        "clocks": clocks.collect::<Vec<_>>(),
        "cases": rows.iter().map(CaseResult::as_json).collect::<Vec<_>>(),
        "summary": {
            "cases": summary.cases, "unnoticed": summary.unnoticed, "errors": summary.errors, "lost": summary.lost,
        },
    })
}

/// `, after kimi/kimi-for-coding: overloaded, overloaded`; nothing where the first try was good.
fn failed_attempts_text(attempts: &[Attempt]) -> String {
    let mut text = String::new();
    let mut last = "";
    for attempt in attempts.iter().filter(|attempt| attempt.outcome != AttemptOutcome::Ok) {
        let word = attempt.outcome.as_str();
        let _ = if attempt.reference == last {
            write!(text, ", {word}")
        } else {
            write!(text, "{} {}: {word}", if last.is_empty() { ", after" } else { ";" }, attempt.reference)
        };
        last = &attempt.reference;
    }
    text
}

fn label_width(cases: &[Case]) -> usize {
    cases.iter().map(|case| case.label().len()).chain(["FAULT".len()]).max().unwrap_or_default()
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn format_duration(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.95 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 9.95 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

fn truncate(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
