//! The state of the chain: who answers, who rests until when, who is off, and why.

use maud::{Markup, html};

use super::clock::Clock;
use super::reason::meaning;
use crate::routing::plan::{Link, Standing};
use crate::routing::reload::Reload;
use crate::routing::snapshot::Snapshot;

/// The section.
pub(super) fn section(snapshot: &Snapshot, clock: &Clock) -> Markup {
    let links = snapshot.chain();
    html! {
        h2 id="chain-title" { "Chain" }
        (headline(snapshot))
        @if let Some(reload) = &snapshot.reload { (reloaded(reload, clock)) }
        ol.links {
            @for link in &links { (row(snapshot, link, clock)) }
        }
        (others(snapshot, &links, clock))
    }
}

/// Who answers, in one line.
fn headline(snapshot: &Snapshot) -> Markup {
    html! {
        p.headline aria-live="polite" {
            @match snapshot.answering() {
                Some(link) => {
                    strong { (link.reference) } " answers"
                    @if let Some(primary) = snapshot.links.first().filter(|first| first.reference != link.reference) {
                        " in place of " (primary.reference)
                    }
                }
                None if snapshot.links.is_empty() => {
                    strong { "Nobody can answer" } ": no provider has a key. Set KIMI_API_KEY, MOONSHOT_API_KEY or \
                    OPENROUTER_API_KEY, or write a provider into the configuration."
                }
                None => { strong { "Nobody can answer now" } }
            }
        }
    }
}

/// The word for what can be done with it, for programs and colours, and for people.
fn state(snapshot: &Snapshot, link: &Link) -> (&'static str, &'static str) {
    let answering = snapshot.answering().is_some_and(|first| first.reference == link.reference);
    match link.standing {
        Standing::Usable if answering => ("answering", "answers"),
        Standing::Usable => ("ready", "ready"),
        Standing::Resting(_) => ("resting", "rests"),
        Standing::Off(_) => ("off", "off"),
    }
}

fn row(snapshot: &Snapshot, link: &Link, clock: &Clock) -> Markup {
    let (state, word) = state(snapshot, link);
    let keys: Vec<_> = snapshot.links.iter().filter(|other| other.reference == link.reference).collect();
    let resting = keys.iter().filter(|key| matches!(key.standing, Standing::Resting(_))).count();
    html! {
        li data-target=(link.reference) data-state=(state) {
            span.name { (link.reference) }
            span.state { (word) }
            span.why {
                (why(snapshot, &link.standing, clock))
                @if keys.len() > 1 && resting > 0 && link.standing == Standing::Usable {
                    (resting) " of its " (keys.len()) " keys rest"
                }
            }
        }
    }
}

/// Until when and why; nothing for what can be used.
fn why(snapshot: &Snapshot, standing: &Standing, clock: &Clock) -> Markup {
    match standing {
        Standing::Usable => html! {},
        Standing::Off(why) => html! { (why) },
        Standing::Resting(rest) if rest.until <= snapshot.at => html! {
            "its rest is over and one request tries it; it rested for: " (meaning(rest.reason.as_str()))
        },
        Standing::Resting(rest) => {
            let until = snapshot.wall_of(rest.until);
            html! {
                "until " (clock.moment(until)) " (" (clock.left(until)) "): " (meaning(rest.reason.as_str()))
                @if rest.failures > 1 { ", " (rest.failures) " times in a row" }
            }
        }
    }
}

/// How the last reload went.
fn reloaded(reload: &Reload, clock: &Clock) -> Markup {
    let at = clock.moment(reload.at);
    match (reload.ok, reload.message.as_deref()) {
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

/// Providers that stand in no link of the chain.
fn others(snapshot: &Snapshot, links: &[&Link], clock: &Clock) -> Markup {
    let beside = |id: &str| links.iter().all(|link| link.reference.provider != id);
    let others: Vec<_> = snapshot.providers.iter().filter(|(id, _)| beside(id)).collect();
    html! {
        @if !others.is_empty() {
            details id="others" {
                summary { "Providers beside the chain: " (others.len()) }
                ul.links {
                    @for (id, standing) in others {
                        @let (state, word) = match standing {
                            Standing::Usable => ("ready", "ready"),
                            Standing::Resting(_) => ("resting", "rests"),
                            Standing::Off(_) => ("off", "off"),
                        };
                        li data-provider=(id) data-state=(state) {
                            span.name { (id) }
                            span.state { (word) }
                            span.why { (why(snapshot, standing, clock)) }
                        }
                    }
                }
            }
        }
    }
}
