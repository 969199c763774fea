//! Completed requests, the newest first.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use maud::{Markup, html};

use super::format::{format_count, format_duration, format_money};
use super::local_time::LocalTime;
use super::outcome_text::{choose_tone, describe_outcome};
use crate::gateway::response::to_unix_millis;
use crate::protocol::amount::Amount;
use crate::record::RequestId;
use crate::usage::{DatabaseError, UsageAttempt, UsageEntry, UsageHealth, UsageStore};

/// The number of requests on one page.
const PAGE_SIZE: usize = 25;

/// The content of a page of requests.
pub(super) struct RequestPage {
    entries: Vec<Arc<UsageEntry>>,
    /// Whether the page begins with the newest request, and grows.
    is_newest: bool,
    /// Whether the settings have a store, from which older requests can be loaded.
    has_store: bool,
    /// Why the query of the store failed.
    error: Option<DatabaseError>,
    /// The state of the writer.
    health: UsageHealth,
}

impl RequestPage {
    /// Loads the newest requests, or those before a point in time.
    pub(super) async fn load(ledger: &UsageStore, kept: bool, before: Option<SystemTime>) -> Self {
        let mut entries = match before {
            None => ledger.recent(),
            Some(_) => Vec::new(),
        };
        entries.truncate(PAGE_SIZE);
        let (newest, health) = (before.is_none(), ledger.health());
        let mut page = Self { entries, is_newest: newest, has_store: kept, error: None, health };
        if let Some(store) = ledger.database().filter(|_| page.entries.len() < PAGE_SIZE) {
            let oldest = page.entries.last().map(|entry| entry.started_at());
            let moment = before.or(oldest).unwrap_or_else(SystemTime::now);
            match store.list_before(moment, PAGE_SIZE - page.entries.len()).await {
                Ok(older) => page.append_older(older),
                Err(trouble) => page.error = Some(trouble),
            }
        }
        page
    }

    fn append_older(&mut self, older: Vec<UsageEntry>) {
        let known: HashSet<RequestId> = self.entries.iter().map(|entry| entry.request_id).collect();
        let new = older.into_iter().filter(|entry| !known.contains(&entry.request_id));
        self.entries.extend(new.map(Arc::new));
    }

    /// The section.
    pub(super) fn render(&self, clock: &LocalTime) -> Markup {
        html! {
            h2 id="requests-title" { "Requests" }
            @if let Some(trouble) = &self.error {
                p.notice.bad { "Older requests cannot be read: " (trouble) }
            }
            (render_write_errors(&self.health))
            @if self.entries.is_empty() {
                p.muted { @if self.is_newest { "None yet." } @else { "None from before that." } }
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
                    span.muted { "Only the last requests are known: usage.store is \"none\"." }
                }
            }
        }
    }
}

/// What the usage database could not write to disk, if anything.
fn render_write_errors(health: &UsageHealth) -> Markup {
    html! {
        @if let Some(trouble) = &health.last_error {
            p.notice.bad { "Requests cannot be written down: " (trouble) }
        }
        @if health.dropped > 0 {
            p.notice.bad { (format_count(health.dropped)) " requests were not written down; the sums lack them." }
        }
    }
}

/// A table whose rows become cards on a narrow screen. The roles keep it a table for screen readers.
fn render_table(entries: &[Arc<UsageEntry>], clock: &LocalTime) -> Markup {
    let columns = ["Time", "Client", "Asked for", "Way", "First byte", "Took", "Tokens", "Cost"];
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
pub(super) fn used_fallback(entry: &UsageEntry) -> bool {
    let name = |attempt: &UsageAttempt| format!("{}/{}", attempt.provider, attempt.model);
    let first = entry.attempts.first().map(name);
    entry.answered_by.is_some() && first.is_some() && first != entry.answered_by
}

/// The targets in order, each with its outcome.
pub(super) fn render_attempt_chips(entry: &UsageEntry) -> Markup {
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
pub(super) fn render_outcome(outcome: &str) -> Markup {
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
            span title={ (format_count(prompt)) " in, " (format_count(output)) " out" @if estimated { ", estimated" } } {
                @if estimated { "≈" } (format_count(prompt)) "\u{2009}+\u{2009}" (format_count(output))
            }
        }
    }
}

/// The cost of all attempts, for each currency.
pub(super) fn sum_costs(entry: &UsageEntry) -> BTreeMap<&str, Amount> {
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
