//! The state of the chain: the target that answers, targets in cooldown and until when, disabled targets, and
//! why.

use maud::{Markup, html};

use super::local_time::LocalTime;
use super::outcome_text::describe_outcome;
use crate::routing::plan::{ChainEntry, TargetStatus};
use crate::routing::reload::ReloadOutcome;
use crate::routing::snapshot::Snapshot;

/// The section.
pub(super) fn render_section(snapshot: &Snapshot, clock: &LocalTime) -> Markup {
    let links = snapshot.chain();
    html! {
        h2 id="chain-title" { "Chain" }
        (render_headline(snapshot))
        @if let Some(reload) = &snapshot.reload { (render_reload(reload, clock)) }
        ol.links {
            @for link in &links { (render_row(snapshot, link, clock)) }
        }
        (render_other_providers(snapshot, &links, clock))
    }
}

/// The target that answers, in one line.
fn render_headline(snapshot: &Snapshot) -> Markup {
    html! {
        p.headline aria-live="polite" {
            @match snapshot.active_entry() {
                Some(link) => {
                    strong { (link.reference) } " answers"
                    @if let Some(primary) = snapshot.chain_entries.first().filter(|first| first.reference != link.reference) {
                        " in place of " (primary.reference)
                    }
                }
                None if snapshot.chain_entries.is_empty() => {
                    strong { "Nobody can answer" } ": no provider has a key. Set KIMI_API_KEY, MOONSHOT_API_KEY or \
                    OPENROUTER_API_KEY, or write a provider into the configuration."
                }
                None => { strong { "Nobody can answer now" } }
            }
        }
    }
}

/// The word for what can be done with it, for programs and colours, and for people.
fn describe_state(snapshot: &Snapshot, link: &ChainEntry) -> (&'static str, &'static str) {
    let answering = snapshot.active_entry().is_some_and(|first| first.reference == link.reference);
    match link.status {
        TargetStatus::Ready if answering => ("answering", "answers"),
        TargetStatus::Ready => ("ready", "ready"),
        TargetStatus::InCooldown(_) => ("resting", "rests"),
        TargetStatus::Disabled(_) => ("off", "off"),
    }
}

fn render_row(snapshot: &Snapshot, link: &ChainEntry, clock: &LocalTime) -> Markup {
    let (state, word) = describe_state(snapshot, link);
    let keys: Vec<_> =
        snapshot.chain_entries.iter().filter(|other| other.reference == link.reference).collect();
    let resting = keys.iter().filter(|key| matches!(key.status, TargetStatus::InCooldown(_))).count();
    html! {
        li data-target=(link.reference) data-state=(state) {
            span.name { (link.reference) }
            span.state { (word) }
            span.why {
                (render_reason(snapshot, &link.status, clock))
                @if keys.len() > 1 && resting > 0 && link.status == TargetStatus::Ready {
                    (resting) " of its " (keys.len()) " keys rest"
                }
            }
        }
    }
}

/// Until when and why. Empty for a target that can be used.
fn render_reason(snapshot: &Snapshot, standing: &TargetStatus, clock: &LocalTime) -> Markup {
    match standing {
        TargetStatus::Ready => html! {},
        TargetStatus::Disabled(why) => html! { (why) },
        TargetStatus::InCooldown(rest) if rest.until <= snapshot.at => html! {
            "its rest is over and one request tries it; it rested for: " (describe_outcome(rest.reason.as_str()))
        },
        TargetStatus::InCooldown(rest) => {
            let until = snapshot.to_wall_time(rest.until);
            html! {
                "until " (clock.render_time(until)) " (" (clock.render_countdown(until)) "): " (describe_outcome(rest.reason.as_str()))
                @if rest.failures > 1 { ", " (rest.failures) " times in a row" }
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
                "The reload at " (at) " was refused, the settings before it serve on: "
                (why.unwrap_or("no reason was given"))
            }
        },
        (true, Some(note)) => html! {
            p.notice role="status" { "Of the reload at " (at) " not everything counts: " (note) }
        },
        (true, None) => html! { p.muted { "Configuration reloaded at " (at) } },
    }
}

/// Providers that are not in the chain.
fn render_other_providers(snapshot: &Snapshot, links: &[&ChainEntry], clock: &LocalTime) -> Markup {
    let beside = |id: &str| links.iter().all(|link| link.reference.provider != id);
    let others: Vec<_> = snapshot.providers.iter().filter(|(id, _)| beside(id)).collect();
    html! {
        @if !others.is_empty() {
            details id="others" {
                summary { "Providers beside the chain: " (others.len()) }
                ul.links {
                    @for (id, standing) in others {
                        @let (state, word) = match standing {
                            TargetStatus::Ready => ("ready", "ready"),
                            TargetStatus::InCooldown(_) => ("resting", "rests"),
                            TargetStatus::Disabled(_) => ("off", "off"),
                        };
                        li data-provider=(id) data-state=(state) {
                            span.name { (id) }
                            span.state { (word) }
                            span.why { (render_reason(snapshot, standing, clock)) }
                        }
                    }
                }
            }
        }
    }
}
