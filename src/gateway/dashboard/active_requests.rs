//! The active requests.

use maud::{Markup, html};

use super::local_time::LocalTime;
use super::requests::render_attempt_chips;
use crate::record::Record;
use crate::usage::UsageEntry;

/// More are counted.
pub(super) const MAX_SHOWN: usize = 30;

/// The section: how many there are, and the oldest of them.
pub(super) fn render_section(count: usize, records: &[Record], clock: &LocalTime) -> Markup {
    html! {
        h2 id="live-title" { "Under way " span.count { (count) } }
        @if count == 0 {
            p.muted { "Nothing is asked at this moment." }
        } @else {
            ul.live {
                @for record in records { (render_row(record, clock)) }
            }
        }
        @if let Some(more) = count.checked_sub(records.len()).filter(|more| *more > 0) {
            p.muted { "and " (more) " more" }
        }
    }
}

fn render_row(record: &Record, clock: &LocalTime) -> Markup {
    let entry = UsageEntry::from(record.clone());
    let state = match (&record.served_by, record.attempts.is_empty()) {
        (Some(model), _) => format!("{model} answers"),
        (None, true) => "waits for the first target".to_owned(),
        (None, false) => "waits for the next target".to_owned(),
    };
    html! {
        li data-live=(record.request_id) {
            span.elapsed { (clock.render_elapsed(record.received_at)) }
            span.name { @if record.requested_model.is_empty() { "no model named" } @else { (record.requested_model) } }
            span.who { (record.client) }
            span.way { (state) @if !entry.attempts.is_empty() { " " (render_attempt_chips(&entry)) } }
        }
    }
}
