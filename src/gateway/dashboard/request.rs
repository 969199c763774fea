//! The page of one request.

use maud::{Markup, html};

use super::clock::Clock;
use super::figures::{count, money, span};
use super::reason::{meaning, tone};
use super::requests::{costs, ended};
use super::timeline::timeline;
use crate::protocol::usage::Usage;
use crate::usage::{Entry, Try};

/// All that is known of it.
pub(super) fn page(entry: &Entry, clock: &Clock) -> Markup {
    html! {
        nav.back { a href="/#requests" { "← Dashboard" } }
        section.card id="request" data-request=(entry.request_id) data-outcome=(entry.outcome) {
            h1 { "Request " code { (entry.request_id) } }
            p.headline { (headline(entry)) }
            (facts(entry, clock))
        }
        section.card id="attempts" {
            h2 { "Attempts" }
            @if entry.attempts.is_empty() {
                p.muted { "Nobody was asked: " (meaning(&entry.outcome)) "." }
            } @else {
                (timeline(entry))
                div.scroll tabindex="0" role="region" aria-label="Attempts" { (table(&entry.attempts)) }
            }
        }
    }
}

fn headline(entry: &Entry) -> Markup {
    html! {
        @match &entry.answered {
            Some(model) => {
                strong { (model) } " answered"
                @if let Some(before) = entry.attempts.len().checked_sub(1).filter(|before| *before > 0) {
                    ", after " (before) @if before == 1 { " attempt" } @else { " attempts" } " that did not"
                }
            }
            None => strong { "Nobody answered" },
        }
        @if entry.outcome != "ok" { " " (ended(&entry.outcome)) " " (meaning(&entry.outcome)) }
    }
}

fn facts(entry: &Entry, clock: &Clock) -> Markup {
    let called = entry.called.as_ref().filter(|called| **called != entry.face);
    html! {
        dl.facts {
            dt { "Time" } dd { (clock.moment(entry.at())) }
            dt { "Client" } dd { (entry.client) }
            dt { "Asked for" } dd { @if entry.requested.is_empty() { "no model" } @else { (entry.requested) } }
            dt { "Protocol" }
            dd {
                (entry.face) @if let Some(called) = called { ", translated to " (called) }
                @if entry.streamed { ", streamed" }
            }
            @if let Some(thinking) = &entry.thinking { dt { "Thinking" } dd { (thinking) } }
            @if let Some(first) = entry.first_byte { dt { "First byte" } dd { (span(first)) } }
            dt { "Took" } dd { (span(entry.took)) }
            @for (currency, amount) in costs(entry) {
                dt { "Cost" } dd title={ (amount) " " (currency) } { (money(amount, currency)) }
            }
            @if !entry.rules.is_empty() { dt { "Rules" } dd { (entry.rules.join(", ")) } }
            @if !entry.dropped.is_empty() { dt { "Left out in translation" } dd { (entry.dropped.join(", ")) } }
        }
    }
}

fn table(attempts: &[Try]) -> Markup {
    let numbers = ["Began", "Took", "In", "Cached", "Out", "Reasoning", "Cost"];
    html! {
        table.attempts {
            thead {
                tr {
                    @for column in ["Target", "Result", "Why"] { th scope="col" { (column) } }
                    @for column in numbers { th.number scope="col" { (column) } }
                }
            }
            tbody { @for attempt in attempts { (row(attempt)) } }
        }
    }
}

fn row(attempt: &Try) -> Markup {
    let usage = attempt.usage.as_ref();
    let figure = |of: fn(&Usage) -> u64| usage.map_or_else(|| "–".to_owned(), |usage| count(of(usage)));
    html! {
        tr data-attempt={ (attempt.provider) "/" (attempt.model) } data-result=(attempt.outcome) {
            th scope="row" { (attempt.provider) "/" (attempt.model) }
            td { span.ended data-tone=(tone(&attempt.outcome)) { (attempt.outcome) } }
            td.why {
                (meaning(&attempt.outcome))
                @if !attempt.detail.is_empty() { ": " (attempt.detail) }
            }
            td.number { (span(attempt.began)) }
            td.number { (span(attempt.took)) }
            td.number { @if usage.is_some_and(|usage| usage.estimated) { "≈" } (figure(|usage| usage.input)) }
            td.number { (figure(|usage| usage.cache_read)) }
            td.number { (figure(|usage| usage.output)) }
            td.number { (figure(|usage| usage.reasoning)) }
            td.number {
                @match &attempt.bill {
                    Some(bill) => span title={ (bill.amount) " " (bill.currency) } { (money(bill.amount, &bill.currency)) },
                    None => "–",
                }
            }
        }
    }
}

/// The attempts as the test box lists them.
pub(super) fn attempts(entry: &Entry) -> Markup {
    html! {
        @for attempt in &entry.attempts {
            li data-tone=(tone(&attempt.outcome)) data-result=(attempt.outcome) {
                span.name { (attempt.provider) "/" (attempt.model) } " "
                span.word { (attempt.outcome) } " "
                @if tone(&attempt.outcome) == "quiet" && attempt.took.is_zero() {
                    span.ms { "not asked" }
                } @else {
                    span.ms { (attempt.took.as_millis()) " ms" }
                }
                @if !attempt.detail.is_empty() { " " span.why { (attempt.detail) } }
            }
        }
    }
}

/// Nothing is known of it.
pub(super) fn unknown(id: &str) -> Markup {
    html! {
        nav.back { a href="/#requests" { "← Dashboard" } }
        section.card {
            h1 { "No such request" }
            p { "Nothing is known of a request " code { (id) } ": it may be under way still, older than what is kept \
                (usage.retentionDays), or of another gateway." }
        }
    }
}
