//! The attempts of one request over time, as SVG.

use std::time::Duration;

use maud::{Markup, html};

use super::figures::span;
use super::reason::tone;
use crate::usage::{Entry, Try};

/// In the units of the drawing, which a page stretches.
const WIDTH: u64 = 440;
/// Of each attempt: its name, and its bar below.
const ROW: usize = 36;
/// Of a bar.
const BAR: usize = 12;
/// For the scale below.
const SCALE: usize = 24;

/// The drawing.
pub(super) fn timeline(entry: &Entry) -> Markup {
    let ends = entry.attempts.iter().map(|attempt| attempt.began + attempt.took);
    let whole = ends.chain([entry.took, Duration::from_millis(1)]).max().unwrap_or_default();
    let height = ROW * entry.attempts.len() + SCALE;
    let across = |moment: Duration| {
        let part = moment.as_micros().saturating_mul(u128::from(WIDTH)) / whole.as_micros().max(1);
        u64::try_from(part).unwrap_or(WIDTH).min(WIDTH)
    };
    let foot = height - 6;
    html! {
        svg.timeline role="img" aria-label=(words(entry)) viewBox={ "0 0 " (WIDTH) " " (height) } {
            @for (at, attempt) in entry.attempts.iter().enumerate() {
                (row(entry, attempt, ROW * at, &across))
            }
            line.axis x1="0" x2=(WIDTH) y1=(height - SCALE + 2) y2=(height - SCALE + 2) {}
            text x="0" y=(foot) { "0" }
            text x=(WIDTH / 2) y=(foot) text-anchor="middle" { (span(whole / 2)) }
            text x=(WIDTH) y=(foot) text-anchor="end" { (span(whole)) }
        }
    }
}

/// A bar from an attempt's beginning to its outcome; behind that of the one that answered, the rest of its answer.
fn row(entry: &Entry, attempt: &Try, top: usize, across: &impl Fn(Duration) -> u64) -> Markup {
    let (began, known) = (across(attempt.began), across(attempt.began + attempt.took));
    // What took no time is seen all the same.
    let width = known.saturating_sub(began).max(2);
    let began = began.min(WIDTH - width.min(WIDTH));
    let end = across(entry.took);
    html! {
        text.name x="0" y=(top + 13) {
            (attempt.provider) "/" (attempt.model) " – " (attempt.outcome) ", " (span(attempt.took))
        }
        @if attempt.answered() && end > known {
            rect.rest x=(known) y=(top + 19) width=(end - known) height=(BAR) {}
        }
        rect data-tone=(tone(&attempt.outcome)) x=(began) y=(top + 19) width=(width) height=(BAR) rx="2" {}
    }
}

/// The same for who does not see it.
fn words(entry: &Entry) -> String {
    let told = |attempt: &Try| {
        let Try { provider, model, outcome, began, took, .. } = attempt;
        format!("{provider}/{model} {outcome} after {}, begun at {}", span(*took), span(*began))
    };
    let attempts: Vec<String> = entry.attempts.iter().map(told).collect();
    format!("Attempts over {}: {}", span(entry.took), attempts.join("; "))
}
