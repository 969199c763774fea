//! What somebody looks at: the sections of the first page, each rendered when it is asked for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use maud::{Markup, html};
use url::form_urlencoded;

use super::clock::Clock;
use super::figures::seconds;
use super::range::Range;
use super::{chain, charts, live, quota, requests, trial};
use crate::gateway::error::Problem;
use crate::gateway::shared::Shared;

/// A section that changes while somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Section {
    Chain,
    Live,
    Requests,
    Charts,
    Quota,
}

impl Section {
    /// Its id on the page, and the name of its events.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Live => "live",
            Self::Requests => "requests",
            Self::Charts => "charts",
            Self::Quota => "quota",
        }
    }
}

/// What of it was asked for.
#[derive(Clone)]
pub(super) struct View {
    pub(super) shared: Arc<Shared>,
    range: Range,
    before: Option<SystemTime>,
}

impl View {
    /// Reads `?days=` and `?before=` (milliseconds since 1970); what else stands there is not ours.
    pub(super) fn read(shared: Arc<Shared>, query: &str) -> Result<Self, Problem> {
        let mut view = Self { shared, range: Range::default(), before: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "days" => {
                    let wrong = || Problem::bad_query("days", "days takes 1, 7 or 30");
                    view.range = Range::read(&value).ok_or_else(wrong)?;
                }
                "before" => {
                    let wrong = || Problem::bad_query("before", "before takes milliseconds since 1970");
                    // Later than a calendar has is no time.
                    let millis = value.parse().ok().filter(|millis| *millis < 253_402_300_800_000);
                    let since = Duration::from_millis(millis.ok_or_else(wrong)?);
                    view.before = SystemTime::UNIX_EPOCH.checked_add(since);
                }
                _ => {}
            }
        }
        Ok(view)
    }

    /// Whether its requests are those of a time that is past, which do not change.
    pub(super) const fn is_of_the_past(&self) -> bool {
        self.before.is_some()
    }

    /// Whether there shall be a store, and it is not open; nobody is told when it is.
    pub(super) fn waits_for_the_store(&self) -> bool {
        self.shared.relay.settings().usage.kept && self.shared.ledger.store().is_none()
    }

    /// Until the charts have every request that is in the list.
    pub(super) async fn settled(&self) {
        self.shared.ledger.settled().await;
    }

    /// What stands within a section now.
    pub(super) async fn section(&self, section: Section, clock: &Clock) -> Markup {
        let (relay, ledger) = (&self.shared.relay, &self.shared.ledger);
        let kept = relay.settings().usage.kept;
        match section {
            Section::Chain => chain::section(&relay.snapshot(), clock),
            Section::Live => {
                let (count, oldest) = relay.state().under_way().oldest(live::SHOWN);
                live::section(count, &oldest, clock)
            }
            Section::Requests => requests::Page::of(ledger, kept, self.before).await.section(clock),
            Section::Charts => {
                charts::section(&charts::ask(ledger, kept, self.range, clock).await, self.range)
            }
            Section::Quota => quota::section(&quota::ask(relay).await, clock),
        }
    }

    /// All of the first page.
    pub(super) async fn whole(&self, clock: &Clock) -> Markup {
        // Without scripts there is no second look at them.
        self.settled().await;
        html! {
            h1.unseen { "Dashboard of this gateway" }
            (self.boxed(Section::Chain, clock).await)
            (self.boxed(Section::Quota, clock).await)
            (self.boxed(Section::Live, clock).await)
            (self.boxed(Section::Charts, clock).await)
            (self.boxed(Section::Requests, clock).await)
            section.card id="try" aria-labelledby="try-title" { (trial::section(&self.shared.relay)) }
        }
    }

    async fn boxed(&self, section: Section, clock: &Clock) -> Markup {
        let id = section.id();
        html! {
            section.card id=(id) aria-labelledby={ (id) "-title" } { (self.section(section, clock).await) }
        }
    }

    /// Beside the name: which version, since when, and whether the page is up to date.
    pub(super) fn top(&self, clock: &Clock) -> Markup {
        let uptime = self.shared.relay.snapshot().uptime;
        let started = clock.now.checked_sub(uptime).unwrap_or(clock.now);
        let past = self.is_of_the_past().then_some("past");
        html! {
            p.about {
                "v" (env!("CARGO_PKG_VERSION")) " · up "
                @if uptime.as_secs() == 0 { (seconds(uptime)) } @else { (clock.since(started)) }
            }
            p.pulse id="pulse" role="status" data-days=(self.range.days()) data-past=[past] { "not live" }
        }
    }
}
