//! The state of the chain: the target that answers, targets in cooldown and until when, disabled targets, and why.

use maud::{Markup, html};

use super::format::{LocalTime, describe_outcome};
use crate::routing::engine::ReloadOutcome;
use crate::routing::snapshot::{ChainEntry, Snapshot, TargetStatus};

/// The section.
pub(crate) fn render_section(snapshot: &Snapshot, clock: &LocalTime) -> Markup {
    let entries = snapshot.chain();
    html! {
        h2 id="chain-title" { "Chain" }
        (render_headline(snapshot))
        @if let Some(reload) = &snapshot.reload { (render_reload(reload, clock)) }
        ol.links {
            @for entry in &entries { (render_row(snapshot, entry, clock)) }
        }
        (render_other_providers(snapshot, &entries, clock))
    }
}

/// The target that answers, in one line.
fn render_headline(snapshot: &Snapshot) -> Markup {
    html! {
        p.headline aria-live="polite" {
            @match snapshot.active_entry() {
                Some(entry) => {
                    strong { (entry.reference) } " answers"
                    @if let Some(primary) = snapshot.chain_entries.first().filter(|first| first.reference != entry.reference) {
                        " instead of " (primary.reference)
                    }
                }
                None if snapshot.chain_entries.is_empty() => {
                    strong { "No target is available" } ": no provider has a key. Set KIMI_API_KEY, MOONSHOT_API_KEY or \
                    OPENROUTER_API_KEY, or configure a provider."
                }
                None => { strong { "No target is available" } }
            }
        }
    }
}

/// The state for programs and colors, and for people.
const fn describe_state(status: &TargetStatus, is_answering: bool) -> (&'static str, &'static str) {
    match status {
        TargetStatus::Ready if is_answering => ("answering", "answers"),
        TargetStatus::Ready => ("ready", "ready"),
        TargetStatus::InCooldown(_) => ("cooldown", "in cooldown"),
        TargetStatus::Disabled(_) => ("off", "disabled"),
    }
}

fn render_row(snapshot: &Snapshot, entry: &ChainEntry, clock: &LocalTime) -> Markup {
    let is_answering = snapshot.active_entry().is_some_and(|first| first.reference == entry.reference);
    let (state, word) = describe_state(&entry.status, is_answering);
    let keys: Vec<_> =
        snapshot.chain_entries.iter().filter(|other| other.reference == entry.reference).collect();
    let in_cooldown = keys.iter().filter(|key| matches!(key.status, TargetStatus::InCooldown(_))).count();
    html! {
        li data-target=(entry.reference) data-state=(state) {
            span.name { (entry.reference) }
            span.state { (word) }
            span.why {
                (render_reason(snapshot, &entry.status, clock))
                @if keys.len() > 1 && in_cooldown > 0 && entry.status == TargetStatus::Ready {
                    (in_cooldown) " of " (keys.len()) " keys in cooldown"
                }
            }
        }
    }
}

/// Until when and why. Empty for a target that can be used.
fn render_reason(snapshot: &Snapshot, status: &TargetStatus, clock: &LocalTime) -> Markup {
    match status {
        TargetStatus::Ready => html! {},
        TargetStatus::Disabled(why) => html! { (why) },
        TargetStatus::InCooldown(cooldown) if cooldown.until <= snapshot.at => html! {
            "cooldown ended, waiting for a half-open probe; cause: " (describe_outcome(cooldown.reason.as_str()))
        },
        TargetStatus::InCooldown(cooldown) => {
            let until = snapshot.to_wall_time(cooldown.until);
            html! {
                "until " (clock.render_time(until)) " (" (clock.render_countdown(until)) "): " (describe_outcome(cooldown.reason.as_str()))
                @if cooldown.failures > 1 { ", " (cooldown.failures) " times in a row" }
            }
        }
    }
}

/// The result of the last reload.
fn render_reload(reload: &ReloadOutcome, clock: &LocalTime) -> Markup {
    let at = clock.render_time(reload.finished_at);
    match (reload.is_accepted, reload.message.as_deref()) {
        (false, why) => html! {
            p.notice.bad role="status" {
                "Reload rejected at " (at) ", the previous configuration stays active: "
                (why.unwrap_or("unknown reason"))
            }
        },
        (true, Some(note)) => html! {
            p.notice role="status" { "Reload at " (at) " applied only in part: " (note) }
        },
        (true, None) => html! { p.muted { "Configuration reloaded at " (at) } },
    }
}

/// Providers that are not in the chain.
fn render_other_providers(snapshot: &Snapshot, entries: &[&ChainEntry], clock: &LocalTime) -> Markup {
    let is_outside = |id: &str| entries.iter().all(|entry| entry.reference.provider != id);
    let others: Vec<_> = snapshot.providers.iter().filter(|(id, _)| is_outside(id)).collect();
    html! {
        @if !others.is_empty() {
            details id="others" {
                summary { "Providers outside the chain: " (others.len()) }
                ul.links {
                    @for (id, status) in others {
                        @let (state, word) = describe_state(status, false);
                        li data-provider=(id) data-state=(state) {
                            span.name { (id) }
                            span.state { (word) }
                            span.why { (render_reason(snapshot, status, clock)) }
                        }
                    }
                }
            }
        }
    }
}
