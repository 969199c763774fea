//! What is told: a row a case, and the sum of it.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::case::Case;
use super::client::Saw;
use super::clocks;
use super::stage::Stage;
use super::verdict::Verdict;
use crate::record::{Attempt, Outcome, Record, attempts_header};

/// Of an error so much is shown in the table; `--json` has all of it.
const SHOWN: usize = 110;

/// One case, played.
pub(super) struct Row {
    label: String,
    phase: &'static str,
    saw: Saw,
    verdict: Verdict,
    /// Who answered.
    model: Option<String>,
    attempts: String,
    /// The same for people: what failed before, from the first comma on.
    failed: String,
    /// With the user's own clocks.
    real: Duration,
}

/// How all cases ended.
pub(super) struct Summary {
    cases: usize,
    unnoticed: usize,
    errors: usize,
    /// Cases in which the client was not told.
    pub(super) lost: usize,
}

impl Row {
    /// What a case led to; a request that left no record has no attempts either.
    pub(super) fn new(
        case: &Case,
        saw: Saw,
        verdict: Verdict,
        record: Option<Record>,
        stage: &Stage,
    ) -> Self {
        let real = record
            .as_ref()
            .map_or(saw.took, |record| clocks::real_time(&stage.clocks, saw.took, &record.attempts));
        let verdict = match verdict {
            Verdict::Error(text) => {
                let attempts = record.as_ref().map(|record| record.attempts.as_slice()).unwrap_or_default();
                Verdict::Error(clocks::with_real_times(&stage.clocks, attempts, &text))
            }
            other => other,
        };
        let attempts = record.as_ref().map_or_else(String::new, |record| attempts_header(&record.attempts));
        let failed = record.as_ref().map_or_else(String::new, |record| failed(&record.attempts));
        let model = record.and_then(|record| record.answered);
        Self { label: case.label(), phase: case.phase.as_str(), saw, verdict, model, attempts, failed, real }
    }

    /// The row, in columns as wide as all `cases` need.
    pub(super) fn line(&self, cases: &[Case]) -> String {
        let width = label_width(cases);
        let time = duration(self.real);
        let seen = self.seen();
        format!("{:<width$}  {:<10}  {time:>7}  {seen}", self.label, self.phase)
    }

    fn seen(&self) -> String {
        match &self.verdict {
            Verdict::Unnoticed => {
                format!("{} answers{}", self.model.as_deref().unwrap_or("somebody"), self.failed)
            }
            Verdict::Error(what) => short(what),
            Verdict::Lost(what) => format!("LOST: {}", short(what)),
        }
    }

    fn as_json(&self) -> Value {
        let message = match &self.verdict {
            Verdict::Unnoticed => None,
            Verdict::Error(what) | Verdict::Lost(what) => Some(what),
        };
        json!({
            "fault": self.label, "phase": self.phase, "result": self.verdict.as_str(), "status": self.saw.status,
            "model": self.model, "attempts": self.attempts, "message": message,
            "drillMs": millis(self.saw.took), "realMs": millis(self.real),
        })
    }
}

impl Summary {
    /// Counts.
    pub(super) fn of(rows: &[Row]) -> Self {
        let count = |word: &str| rows.iter().filter(|row| row.verdict.as_str() == word).count();
        Self { cases: rows.len(), unnoticed: count("unnoticed"), errors: count("error"), lost: count("lost") }
    }

    /// The last lines.
    pub(super) fn text(&self) -> String {
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
pub(super) fn heading(stage: &Stage, cases: &[Case]) -> String {
    let chain: Vec<String> = stage.chain.references.iter().map(ToString::to_string).collect();
    let mut text = format!("asked for  {}\nchain      {}\n", stage.requested, chain.join(" → "));
    let _ = writeln!(text, "faults on  {}", stage.primary().unwrap_or_default());
    if !stage.without_key.is_empty() {
        let _ = writeln!(text, "no key     {}: drilled as if there were one", stage.without_key.join(", "));
    }
    let short: Vec<String> = stage
        .clocks
        .iter()
        .filter(|clock| clock.real > clock.drilled)
        .map(|clock| format!("{} {} for {}", clock.name, duration(clock.drilled), duration(clock.real)))
        .collect();
    if !short.is_empty() {
        let _ = writeln!(text, "clocks     {}; times are those of your own clocks", short.join(", "));
    }
    let width = label_width(cases);
    let _ = write!(text, "\n{:<width$}  {:<10}  {:>7}  THE CLIENT SEES", "FAULT", "ASKED FOR", "TIME");
    text
}

/// Everything.
pub(super) fn as_json(stage: &Stage, rows: &[Row], summary: &Summary) -> Value {
    let clocks = stage.clocks.iter().map(
        |clock| json!({"name": clock.name, "drillMs": millis(clock.drilled), "realMs": millis(clock.real)}),
    );
    json!({
        "ok": summary.lost == 0,
        "requested": stage.requested,
        "chain": stage.chain.references.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "withoutKey": stage.without_key,
        "clocks": clocks.collect::<Vec<_>>(),
        "cases": rows.iter().map(Row::as_json).collect::<Vec<_>>(),
        "summary": {
            "cases": summary.cases, "unnoticed": summary.unnoticed, "errors": summary.errors, "lost": summary.lost,
        },
    })
}

/// `, after kimi/kimi-for-coding: overloaded, overloaded`; nothing where the first try was good.
fn failed(attempts: &[Attempt]) -> String {
    let mut text = String::new();
    let mut last = "";
    for attempt in attempts.iter().filter(|attempt| attempt.outcome != Outcome::Ok) {
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

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn duration(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.95 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 9.95 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

fn short(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
