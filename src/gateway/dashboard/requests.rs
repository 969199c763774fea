//! The requests that are over, the newest first.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use maud::{Markup, html};

use super::clock::Clock;
use super::figures::{count, money, span};
use super::reason::{meaning, tone};
use crate::gateway::answer::millis;
use crate::protocol::amount::Amount;
use crate::record::RequestId;
use crate::usage::{Entry, Health, Ledger, StoreError, Try};

/// On one page.
const SHOWN: usize = 25;

/// What a page shows.
pub(super) struct Page {
    entries: Vec<Arc<Entry>>,
    /// Whether it begins with the newest, and grows.
    newest: bool,
    /// Whether the settings have a store: older ones can be asked for.
    kept: bool,
    /// Why the store told nothing.
    trouble: Option<StoreError>,
    /// How the writing goes.
    health: Health,
}

impl Page {
    /// The newest ones, or those from before a moment.
    pub(super) async fn of(ledger: &Ledger, kept: bool, before: Option<SystemTime>) -> Self {
        let mut entries = match before {
            None => ledger.recent(),
            Some(_) => Vec::new(),
        };
        entries.truncate(SHOWN);
        let (newest, health) = (before.is_none(), ledger.health());
        let mut page = Self { entries, newest, kept, trouble: None, health };
        if let Some(store) = ledger.store().filter(|_| page.entries.len() < SHOWN) {
            let oldest = page.entries.last().map(|entry| entry.at());
            let moment = before.or(oldest).unwrap_or_else(SystemTime::now);
            match store.before(moment, SHOWN - page.entries.len()).await {
                Ok(older) => page.add(older),
                Err(trouble) => page.trouble = Some(trouble),
            }
        }
        page
    }

    fn add(&mut self, older: Vec<Entry>) {
        let known: HashSet<RequestId> = self.entries.iter().map(|entry| entry.request_id).collect();
        let new = older.into_iter().filter(|entry| !known.contains(&entry.request_id));
        self.entries.extend(new.map(Arc::new));
    }

    /// The section.
    pub(super) fn section(&self, clock: &Clock) -> Markup {
        html! {
            h2 id="requests-title" { "Requests" }
            @if let Some(trouble) = &self.trouble {
                p.notice.bad { "Older requests cannot be read: " (trouble) }
            }
            (written(&self.health))
            @if self.entries.is_empty() {
                p.muted { @if self.newest { "None yet." } @else { "None from before that." } }
            } @else {
                (table(&self.entries, clock))
            }
            p.pages {
                @if !self.newest { a href="/#requests" { "Newest" } " " }
                @if let Some(last) = self.entries.last().filter(|_| self.kept && self.entries.len() == SHOWN) {
                    // The rest of the last one's millisecond is not left out.
                    a href={ "/?before=" (millis(last.at()) + 1) "#requests" } { "Older" }
                }
                @if !self.kept {
                    span.muted { "Only the last requests are known: usage.store is \"none\"." }
                }
            }
        }
    }
}

/// What of the ledger is not on its disk, where something is not.
fn written(health: &Health) -> Markup {
    html! {
        @if let Some(trouble) = &health.trouble {
            p.notice.bad { "Requests cannot be written down: " (trouble) }
        }
        @if health.dropped > 0 {
            p.notice.bad { (count(health.dropped)) " requests were not written down; the sums lack them." }
        }
    }
}

/// A table whose rows become cards on a narrow screen; the roles keep it a table for who cannot see it.
fn table(entries: &[Arc<Entry>], clock: &Clock) -> Markup {
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
                @for entry in entries { (row(entry, clock)) }
            }
        }
    }
}

fn row(entry: &Entry, clock: &Clock) -> Markup {
    html! {
        tr role="row" data-request=(entry.request_id) data-outcome=(entry.outcome)
            data-fallback[fell_back(entry)] {
            td.when role="cell" {
                a href={ "/dashboard/requests/" (entry.request_id) } { (clock.moment(entry.at())) }
            }
            td.who role="cell" { (entry.client) }
            td.asked role="cell" {
                @if entry.requested.is_empty() { span.muted { "no model" } } @else { (entry.requested) }
            }
            td.way role="cell" { (way(entry)) @if entry.outcome != "ok" { (ended(&entry.outcome)) } }
            td.number.first role="cell" { @if let Some(first) = entry.first_byte { (span(first)) } @else { "–" } }
            td.number.took role="cell" { (span(entry.took)) }
            td.number.tokens role="cell" { (tokens(entry)) }
            td.number.cost role="cell" { (cost(entry)) }
        }
    }
}

/// Whether somebody else answered than who was asked first.
pub(super) fn fell_back(entry: &Entry) -> bool {
    let name = |attempt: &Try| format!("{}/{}", attempt.provider, attempt.model);
    let first = entry.attempts.first().map(name);
    entry.answered.is_some() && first.is_some() && first != entry.answered
}

/// The targets in order, each with how it ended.
pub(super) fn way(entry: &Entry) -> Markup {
    html! {
        span.chips {
            @for attempt in &entry.attempts {
                span.chip data-tone=(tone(&attempt.outcome)) title=(meaning(&attempt.outcome)) {
                    (attempt.provider) "/" (attempt.model)
                    @if !attempt.answered() { " " span.word { (attempt.outcome) } }
                }
            }
        }
    }
}

/// How the request ended for its client, where not well.
pub(super) fn ended(outcome: &str) -> Markup {
    html! { span.ended data-tone=(tone(outcome)) title=(meaning(outcome)) { (outcome) } }
}

/// What all attempts used: the prompt and the output.
fn tokens(entry: &Entry) -> Markup {
    let used = || entry.attempts.iter().filter_map(|attempt| attempt.usage);
    let (prompt, output): (u64, u64) = used().fold((0, 0), |(prompt, output), usage| {
        (prompt.saturating_add(usage.prompt()), output.saturating_add(usage.output))
    });
    let estimated = used().any(|usage| usage.estimated);
    html! {
        @if prompt == 0 && output == 0 { "–" } @else {
            span title={ (count(prompt)) " in, " (count(output)) " out" @if estimated { ", estimated" } } {
                @if estimated { "≈" } (count(prompt)) "\u{2009}+\u{2009}" (count(output))
            }
        }
    }
}

/// What all attempts cost, each currency by itself.
pub(super) fn costs(entry: &Entry) -> BTreeMap<&str, Amount> {
    let mut costs = BTreeMap::new();
    for bill in entry.attempts.iter().filter_map(|attempt| attempt.bill.as_ref()) {
        let sum: &mut Amount = costs.entry(bill.currency.as_str()).or_default();
        *sum = sum.plus(bill.amount);
    }
    costs
}

fn cost(entry: &Entry) -> Markup {
    let costs = costs(entry);
    html! {
        @if costs.is_empty() { "–" }
        @for (at, (currency, amount)) in costs.iter().enumerate() {
            @if at > 0 { " " }
            span title={ (amount) " " (currency) } { (money(*amount, currency)) }
        }
    }
}
