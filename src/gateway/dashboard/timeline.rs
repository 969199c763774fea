//! The attempts of one request over time, as SVG.

use std::time::Duration;

use maud::{Markup, html};

use super::format::format_duration;
use super::outcome_text::choose_tone;
use crate::usage::{UsageAttempt, UsageEntry};

/// In the units of the drawing, which a page stretches.
const WIDTH: u64 = 440;
/// Of each attempt: its name, and its bar below.
const ROW_HEIGHT: usize = 36;
/// Of a bar.
const BAR_HEIGHT: usize = 12;
/// For the scale below.
const SCALE_HEIGHT: usize = 24;

/// The drawing.
pub(super) fn render_timeline(entry: &UsageEntry) -> Markup {
    let ends = entry.attempts.iter().map(|attempt| attempt.started_after + attempt.duration);
    let whole = ends.chain([entry.duration, Duration::from_millis(1)]).max().unwrap_or_default();
    let height = ROW_HEIGHT * entry.attempts.len() + SCALE_HEIGHT;
    let across = |moment: Duration| {
        let part = moment.as_micros().saturating_mul(u128::from(WIDTH)) / whole.as_micros().max(1);
        u64::try_from(part).unwrap_or(WIDTH).min(WIDTH)
    };
    let foot = height - 6;
    html! {
        svg.timeline role="img" aria-label=(describe_attempts(entry)) viewBox={ "0 0 " (WIDTH) " " (height) } {
            @for (at, attempt) in entry.attempts.iter().enumerate() {
                (render_row(entry, attempt, ROW_HEIGHT * at, &across))
            }
            line.axis x1="0" x2=(WIDTH) y1=(height - SCALE_HEIGHT + 2) y2=(height - SCALE_HEIGHT + 2) {}
            text x="0" y=(foot) { "0" }
            text x=(WIDTH / 2) y=(foot) text-anchor="middle" { (format_duration(whole / 2)) }
            text x=(WIDTH) y=(foot) text-anchor="end" { (format_duration(whole)) }
        }
    }
}

/// A bar from the start of an attempt to its outcome. For the attempt that answered, a second bar shows the
/// remainder of its response.
fn render_row(
    entry: &UsageEntry,
    attempt: &UsageAttempt,
    top: usize,
    across: &impl Fn(Duration) -> u64,
) -> Markup {
    let (began, known) = (across(attempt.started_after), across(attempt.started_after + attempt.duration));
    // An attempt that took no time is still visible.
    let width = known.saturating_sub(began).max(2);
    let began = began.min(WIDTH - width.min(WIDTH));
    let end = across(entry.duration);
    html! {
        text.name x="0" y=(top + 13) {
            (attempt.provider) "/" (attempt.model) " – " (attempt.outcome) ", " (format_duration(attempt.duration))
        }
        @if attempt.has_answered() && end > known {
            rect.rest x=(known) y=(top + 19) width=(end - known) height=(BAR_HEIGHT) {}
        }
        rect data-tone=(choose_tone(&attempt.outcome)) x=(began) y=(top + 19) width=(width) height=(BAR_HEIGHT) rx="2" {}
    }
}

/// The same as text, for screen readers.
fn describe_attempts(entry: &UsageEntry) -> String {
    let told = |attempt: &UsageAttempt| {
        let UsageAttempt { provider, model, outcome, started_after: began, duration: took, .. } = attempt;
        format!(
            "{provider}/{model} {outcome} after {}, begun at {}",
            format_duration(*took),
            format_duration(*began)
        )
    };
    let attempts: Vec<String> = entry.attempts.iter().map(told).collect();
    format!("Attempts over {}: {}", format_duration(entry.duration), attempts.join("; "))
}
