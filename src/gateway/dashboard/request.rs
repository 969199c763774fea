//! The page of one request.

use maud::{Markup, html};

use super::format::{format_count, format_duration, format_money};
use super::local_time::LocalTime;
use super::outcome_text::{choose_tone, describe_outcome};
use super::requests::{render_outcome, sum_costs};
use super::timeline::render_timeline;
use crate::protocol::usage::TokenUsage;
use crate::usage::{UsageAttempt, UsageEntry};

/// The page with all details of a request.
pub(super) fn render_page(entry: &UsageEntry, clock: &LocalTime) -> Markup {
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
                p.muted { "Nobody was asked: " (describe_outcome(&entry.outcome)) "." }
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
                    ", after " (before) @if before == 1 { " attempt" } @else { " attempts" } " that did not"
                }
            }
            None => strong { "Nobody answered" },
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
            dt { "Asked for" } dd { @if entry.requested.is_empty() { "no model" } @else { (entry.requested) } }
            dt { "Protocol" }
            dd {
                (entry.api) @if let Some(called) = called { ", translated to " (called) }
                @if entry.is_streamed { ", streamed" }
            }
            @if let Some(thinking) = &entry.thinking { dt { "Thinking" } dd { (thinking) } }
            @if let Some(first) = entry.first_byte { dt { "First byte" } dd { (format_duration(first)) } }
            dt { "Took" } dd { (format_duration(entry.duration)) }
            @for (currency, amount) in sum_costs(entry) {
                dt { "Cost" } dd title={ (amount) " " (currency) } { (format_money(amount, currency)) }
            }
            @if !entry.rules.is_empty() { dt { "Rules" } dd { (entry.rules.join(", ")) } }
            @if !entry.losses.is_empty() { dt { "Left out in translation" } dd { (entry.losses.join(", ")) } }
        }
    }
}

fn render_table(attempts: &[UsageAttempt]) -> Markup {
    let numbers = ["Began", "Took", "In", "Cached", "Out", "Reasoning", "Cost"];
    html! {
        table.attempts {
            thead {
                tr {
                    @for column in ["Target", "Result", "Why"] { th scope="col" { (column) } }
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
pub(super) fn render_attempts(entry: &UsageEntry) -> Markup {
    html! {
        @for attempt in &entry.attempts {
            li data-tone=(choose_tone(&attempt.outcome)) data-result=(attempt.outcome) {
                span.name { (attempt.provider) "/" (attempt.model) } " "
                span.word { (attempt.outcome) } " "
                @if choose_tone(&attempt.outcome) == "quiet" && attempt.duration.is_zero() {
                    span.ms { "not asked" }
                } @else {
                    span.ms { (attempt.duration.as_millis()) " ms" }
                }
                @if !attempt.detail.is_empty() { " " span.why { (attempt.detail) } }
            }
        }
    }
}

/// The page for an unknown request.
pub(super) fn render_not_found(id: &str) -> Markup {
    html! {
        nav.back { a href="/#requests" { "← Dashboard" } }
        section.card {
            h1 { "No such request" }
            p { "Nothing is known of a request " code { (id) } ": it may be under way still, older than what is kept \
                (usage.retentionDays), or of another gateway." }
        }
    }
}
