//! Active requests, and completed requests, the newest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use maud::{Markup, html};

use super::format::{LocalTime, choose_tone, describe_outcome, format_count, format_duration, format_money};
use crate::protocol::amount::Amount;
use crate::record::{Record, to_unix_millis};
use crate::usage::{DatabaseError, UsageAttempt, UsageEntry, UsageHealth};

/// Further active requests are only counted.
pub(crate) const MAX_ACTIVE_SHOWN: usize = 30;

/// The section of active requests: how many there are, and the oldest of them.
pub(crate) fn render_active_requests(count: usize, records: &[Record], clock: &LocalTime) -> Markup {
    html! {
        h2 id="live-title" { "Active requests " span.count { (count) } }
        @if count == 0 {
            p.muted { "No active requests." }
        } @else {
            ul.live {
                @for record in records { (render_active_request(record, clock)) }
            }
        }
        @if let Some(more) = count.checked_sub(records.len()).filter(|more| *more > 0) {
            p.muted { "and " (more) " more" }
        }
    }
}

fn render_active_request(record: &Record, clock: &LocalTime) -> Markup {
    let entry = UsageEntry::from(record.clone());
    let state = match (&record.served_by, record.attempts.is_empty()) {
        (Some(model), _) => format!("{model} is answering"),
        (None, true) => "waiting for the first target".to_owned(),
        (None, false) => "waiting for the next target".to_owned(),
    };
    html! {
        li data-live=(record.request_id) {
            span.elapsed { (clock.render_elapsed(record.received_at)) }
            span.name { @if record.requested_model.is_empty() { "no model" } @else { (record.requested_model) } }
            span.who { (record.client) }
            span.way { (state) @if !entry.attempts.is_empty() { " " (render_attempt_chips(&entry)) } }
        }
    }
}

/// The number of requests on one page.
pub(crate) const PAGE_SIZE: usize = 25;

/// The content of a page of requests.
pub(crate) struct RequestPage {
    pub(crate) entries: Vec<Arc<UsageEntry>>,
    /// Whether the page begins with the newest request, and grows.
    pub(crate) is_newest: bool,
    /// Whether the settings have a store, from which older requests can be loaded.
    pub(crate) has_store: bool,
    /// Why the query of the store failed.
    pub(crate) error: Option<DatabaseError>,
    /// The state of the writer.
    pub(crate) health: UsageHealth,
}

impl RequestPage {
    /// The section.
    pub(crate) fn render(&self, clock: &LocalTime) -> Markup {
        html! {
            h2 id="requests-title" { "Requests" }
            @if let Some(error) = &self.error {
                p.notice.bad { "Cannot read older requests: " (error) }
            }
            @if let Some(error) = &self.health.last_error {
                p.notice.bad { "Cannot write to the usage database: " (error) }
            }
            @if self.health.dropped > 0 {
                p.notice.bad { (format_count(self.health.dropped)) " requests were not recorded; totals do not include them." }
            }
            @if self.entries.is_empty() {
                p.muted { @if self.is_newest { "No requests yet." } @else { "No older requests." } }
            } @else {
                (render_table(&self.entries, clock))
            }
            p.pages {
                @if !self.is_newest { a href="/#requests" { "Newest" } " " }
                @if let Some(last) = self.entries.last().filter(|_| self.has_store && self.entries.len() == PAGE_SIZE) {
                    // Plus one, so that other requests in the same millisecond are not left out.
                    a href={ "/?before=" (to_unix_millis(last.started_at()) + 1) "#requests" } { "Older" }
                }
                @if !self.has_store {
                    span.muted { "Only recent requests are shown: usage.store is \"none\"." }
                }
            }
        }
    }
}

/// A table whose rows become cards on a narrow screen. The roles keep it a table for screen readers.
fn render_table(entries: &[Arc<UsageEntry>], clock: &LocalTime) -> Markup {
    let columns = ["Time", "Client", "Requested", "Attempts", "First byte", "Duration", "Tokens", "Cost"];
    html! {
        table.requests role="table" aria-labelledby="requests-title" {
            thead role="rowgroup" {
                tr role="row" {
                    @for (at, column) in columns.iter().enumerate() {
                        th role="columnheader" scope="col" class=[(at > 3).then_some("number")] { (column) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for entry in entries { (render_row(entry, clock)) }
            }
        }
    }
}

fn render_row(entry: &UsageEntry, clock: &LocalTime) -> Markup {
    html! {
        tr role="row" data-request=(entry.request_id) data-outcome=(entry.outcome)
            data-fallback[used_fallback(entry)] {
            td.when role="cell" {
                a href={ "/dashboard/requests/" (entry.request_id) } { (clock.render_time(entry.started_at())) }
            }
            td.who role="cell" { (entry.client) }
            td.asked role="cell" {
                @if entry.requested.is_empty() { span.muted { "no model" } } @else { (entry.requested) }
            }
            td.way role="cell" { (render_attempt_chips(entry)) @if entry.outcome != "ok" { (render_outcome(&entry.outcome)) } }
            td.number.first role="cell" { @if let Some(first) = entry.first_byte { (format_duration(first)) } @else { "–" } }
            td.number.took role="cell" { (format_duration(entry.duration)) }
            td.number.tokens role="cell" { (render_tokens(entry)) }
            td.number.cost role="cell" { (render_cost(entry)) }
        }
    }
}

/// Whether a target other than the first one answered.
pub(crate) fn used_fallback(entry: &UsageEntry) -> bool {
    let name = |attempt: &UsageAttempt| format!("{}/{}", attempt.provider, attempt.model);
    let first = entry.attempts.first().map(name);
    entry.answered_by.is_some() && first.is_some() && first != entry.answered_by
}

/// The targets in order, each with its outcome.
pub(crate) fn render_attempt_chips(entry: &UsageEntry) -> Markup {
    html! {
        span.chips {
            @for attempt in &entry.attempts {
                span.chip data-tone=(choose_tone(&attempt.outcome)) title=(describe_outcome(&attempt.outcome)) {
                    (attempt.provider) "/" (attempt.model)
                    @if !attempt.has_answered() { " " span.word { (attempt.outcome) } }
                }
            }
        }
    }
}

/// The outcome for the client, if it was not a success.
pub(crate) fn render_outcome(outcome: &str) -> Markup {
    html! { span.ended data-tone=(choose_tone(outcome)) title=(describe_outcome(outcome)) { (outcome) } }
}

/// The tokens of all attempts: the prompt and the output.
fn render_tokens(entry: &UsageEntry) -> Markup {
    let used = || entry.attempts.iter().filter_map(|attempt| attempt.usage);
    let (prompt, output): (u64, u64) = used().fold((0, 0), |(prompt, output), usage| {
        (prompt.saturating_add(usage.prompt_tokens()), output.saturating_add(usage.output))
    });
    let estimated = used().any(|usage| usage.is_estimated);
    html! {
        @if prompt == 0 && output == 0 { "–" } @else {
            span title={ (format_count(prompt)) " input, " (format_count(output)) " output" @if estimated { ", estimated" } } {
                @if estimated { "≈" } (format_count(prompt)) "\u{2009}+\u{2009}" (format_count(output))
            }
        }
    }
}

/// The cost of all attempts, for each currency.
pub(crate) fn sum_costs(entry: &UsageEntry) -> BTreeMap<&str, Amount> {
    let mut costs = BTreeMap::new();
    for bill in entry.attempts.iter().filter_map(|attempt| attempt.bill.as_ref()) {
        let sum: &mut Amount = costs.entry(bill.currency.as_str()).or_default();
        *sum = sum.saturating_add(bill.amount);
    }
    costs
}

fn render_cost(entry: &UsageEntry) -> Markup {
    let costs = sum_costs(entry);
    html! {
        @if costs.is_empty() { "–" }
        @for (at, (currency, amount)) in costs.iter().enumerate() {
            @if at > 0 { " " }
            span title={ (amount) " " (currency) } { (format_money(*amount, currency)) }
        }
    }
}
