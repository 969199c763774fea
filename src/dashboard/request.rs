//! The page of one request, with its attempts over time.

use std::time::Duration;

use maud::{Markup, html};

use super::format::{LocalTime, choose_tone, describe_outcome, format_count, format_duration, format_money};
use super::requests::{render_outcome, sum_costs};
use crate::protocol::usage::TokenUsage;
use crate::usage::{UsageAttempt, UsageEntry};

/// The page with all details of a request.
pub(crate) fn render_page(entry: &UsageEntry, clock: &LocalTime) -> Markup {
    html! {
        nav.back { a href="/#requests" { "← Dashboard" } }
        section.card id="request" data-request=(entry.request_id) data-outcome=(entry.outcome) {
            h1 { "Request " code { (entry.request_id) } }
            p.headline { (render_headline(entry)) }
            (render_facts(entry, clock))
        }
        section.card id="attempts" {
            h2 { "Attempts" }
            @if entry.attempts.is_empty() {
                p.muted { "No target was tried: " (describe_outcome(&entry.outcome)) "." }
            } @else {
                (render_timeline(entry))
                div.scroll tabindex="0" role="region" aria-label="Attempts" { (render_table(&entry.attempts)) }
            }
        }
    }
}

fn render_headline(entry: &UsageEntry) -> Markup {
    html! {
        @match &entry.answered_by {
            Some(model) => {
                strong { (model) } " answered"
                @if let Some(before) = entry.attempts.len().checked_sub(1).filter(|before| *before > 0) {
                    " after " (before) " other" @if before == 1 { " attempt" } @else { " attempts" }
                }
            }
            None => strong { "No target answered" },
        }
        @if entry.outcome != "ok" { " " (render_outcome(&entry.outcome)) " " (describe_outcome(&entry.outcome)) }
    }
}

fn render_facts(entry: &UsageEntry, clock: &LocalTime) -> Markup {
    let called = entry.target_api.as_ref().filter(|called| **called != entry.api);
    html! {
        dl.facts {
            dt { "Time" } dd { (clock.render_time(entry.started_at())) }
            dt { "Client" } dd { (entry.client) }
            dt { "Requested" } dd { @if entry.requested.is_empty() { "no model" } @else { (entry.requested) } }
            dt { "API" }
            dd {
                (entry.api) @if let Some(called) = called { ", translated to " (called) }
                @if entry.is_streamed { ", streamed" }
            }
            @if let Some(thinking) = &entry.thinking { dt { "Thinking" } dd { (thinking) } }
            @if let Some(first) = entry.first_byte { dt { "First byte" } dd { (format_duration(first)) } }
            dt { "Duration" } dd { (format_duration(entry.duration)) }
            @for (currency, amount) in sum_costs(entry) {
                dt { "Cost" } dd title={ (amount) " " (currency) } { (format_money(amount, currency)) }
            }
            @if !entry.rules.is_empty() { dt { "Rules" } dd { (entry.rules.join(", ")) } }
            @if !entry.losses.is_empty() { dt { "Lost in translation" } dd { (entry.losses.join(", ")) } }
        }
    }
}

fn render_table(attempts: &[UsageAttempt]) -> Markup {
    let numbers = ["Start", "Duration", "Input", "Cached", "Output", "Reasoning", "Cost"];
    html! {
        table.attempts {
            thead {
                tr {
                    @for column in ["Target", "Result", "Reason"] { th scope="col" { (column) } }
                    @for column in numbers { th.number scope="col" { (column) } }
                }
            }
            tbody { @for attempt in attempts { (render_row(attempt)) } }
        }
    }
}

fn render_row(attempt: &UsageAttempt) -> Markup {
    let usage = attempt.usage.as_ref();
    let figure =
        |of: fn(&TokenUsage) -> u64| usage.map_or_else(|| "–".to_owned(), |usage| format_count(of(usage)));
    html! {
        tr data-attempt={ (attempt.provider) "/" (attempt.model) } data-result=(attempt.outcome) {
            th scope="row" { (attempt.provider) "/" (attempt.model) }
            td { span.ended data-tone=(choose_tone(&attempt.outcome)) { (attempt.outcome) } }
            td.why {
                (describe_outcome(&attempt.outcome))
                @if !attempt.detail.is_empty() { ": " (attempt.detail) }
            }
            td.number { (format_duration(attempt.started_after)) }
            td.number { (format_duration(attempt.duration)) }
            td.number { @if usage.is_some_and(|usage| usage.is_estimated) { "≈" } (figure(|usage| usage.input)) }
            td.number { (figure(|usage| usage.cache_read)) }
            td.number { (figure(|usage| usage.output)) }
            td.number { (figure(|usage| usage.reasoning)) }
            td.number {
                @match &attempt.bill {
                    Some(bill) => span title={ (bill.amount) " " (bill.currency) } { (format_money(bill.amount, &bill.currency)) },
                    None => "–",
                }
            }
        }
    }
}

/// The attempts as the playground lists them.
pub(crate) fn render_attempts(entry: &UsageEntry) -> Markup {
    html! {
        @for attempt in &entry.attempts {
            li data-tone=(choose_tone(&attempt.outcome)) data-result=(attempt.outcome) {
                span.name { (attempt.provider) "/" (attempt.model) } " "
                span.word { (attempt.outcome) } " "
                @if choose_tone(&attempt.outcome) == "quiet" && attempt.duration.is_zero() {
                    span.ms { "skipped" }
                } @else {
                    span.ms { (attempt.duration.as_millis()) " ms" }
                }
                @if !attempt.detail.is_empty() { " " span.why { (attempt.detail) } }
            }
        }
    }
}

/// The page for an unknown request.
pub(crate) fn render_not_found(id: &str) -> Markup {
    html! {
        nav.back { a href="/#requests" { "← Dashboard" } }
        section.card {
            h1 { "Request not found" }
            p { "Request " code { (id) } " is unknown. It may still be active, older than usage.retentionDays, or from another gateway." }
        }
    }
}

/// In the units of the drawing, which a page stretches.
const WIDTH: u64 = 440;
/// Of each attempt: its name, and its bar below.
const ROW_HEIGHT: usize = 36;
/// Of a bar.
const BAR_HEIGHT: usize = 12;
/// For the scale below.
const SCALE_HEIGHT: usize = 24;

/// The drawing.
pub(crate) fn render_timeline(entry: &UsageEntry) -> Markup {
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
                (render_bar(entry, attempt, ROW_HEIGHT * at, &across))
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
fn render_bar(
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
    let describe = |attempt: &UsageAttempt| {
        let UsageAttempt { provider, model, outcome, .. } = attempt;
        let (took, start) = (format_duration(attempt.duration), format_duration(attempt.started_after));
        format!("{provider}/{model} {outcome} after {took}, started at {start}")
    };
    let attempts: Vec<String> = entry.attempts.iter().map(describe).collect();
    format!("Attempts over {}: {}", format_duration(entry.duration), attempts.join("; "))
}
