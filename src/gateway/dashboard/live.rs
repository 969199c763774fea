//! The requests under way.

use maud::{Markup, html};

use super::clock::Clock;
use super::requests::way;
use crate::record::Record;
use crate::usage::Entry;

/// More are counted.
pub(super) const SHOWN: usize = 30;

/// The section: how many there are, and the oldest of them.
pub(super) fn section(count: usize, records: &[Record], clock: &Clock) -> Markup {
    html! {
        h2 id="live-title" { "Under way " span.count { (count) } }
        @if count == 0 {
            p.muted { "Nothing is asked at this moment." }
        } @else {
            ul.live {
                @for record in records { (row(record, clock)) }
            }
        }
        @if let Some(more) = count.checked_sub(records.len()).filter(|more| *more > 0) {
            p.muted { "and " (more) " more" }
        }
    }
}

fn row(record: &Record, clock: &Clock) -> Markup {
    let entry = Entry::from(record.clone());
    let state = match (&record.answered, record.attempts.is_empty()) {
        (Some(model), _) => format!("{model} answers"),
        (None, true) => "waits for the first target".to_owned(),
        (None, false) => "waits for the next target".to_owned(),
    };
    html! {
        li data-live=(record.request_id) {
            span.elapsed { (clock.since(record.at)) }
            span.name { @if record.requested.is_empty() { "no model named" } @else { (record.requested) } }
            span.who { (record.client) }
            span.way { (state) @if !entry.attempts.is_empty() { " " (way(&entry)) } }
        }
    }
}
