//! The content that a viewer sees: the sections of the first page, each rendered on request.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use maud::{Markup, html};
use url::form_urlencoded;

use super::format::format_seconds;
use super::local_time::LocalTime;
use super::time_range::TimeRange;
use super::{active_requests, chain, charts, playground, quota, requests};
use crate::gateway::app_state::AppState;
use crate::gateway::error::ApiError;

/// A section that changes while the page is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Section {
    Chain,
    ActiveRequests,
    Requests,
    Charts,
    Quota,
}

impl Section {
    /// Its id on the page, and the name of its events.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::ActiveRequests => "live",
            Self::Requests => "requests",
            Self::Charts => "charts",
            Self::Quota => "quota",
        }
    }
}

/// The part of the page that was requested.
#[derive(Clone)]
pub(super) struct DashboardView {
    pub(super) state: Arc<AppState>,
    range: TimeRange,
    before: Option<SystemTime>,
}

impl DashboardView {
    /// Reads `?days=` and `?before=` (milliseconds since 1970). Other parameters are ignored.
    pub(super) fn parse(shared: Arc<AppState>, query: &str) -> Result<Self, ApiError> {
        let mut view = Self { state: shared, range: TimeRange::default(), before: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "days" => {
                    let wrong = || ApiError::bad_query("days", "days takes 1, 7 or 30");
                    view.range = TimeRange::parse(&value).ok_or_else(wrong)?;
                }
                "before" => {
                    let wrong = || ApiError::bad_query("before", "before takes milliseconds since 1970");
                    // A time beyond the calendar's range is invalid.
                    let millis = value.parse().ok().filter(|millis| *millis < 253_402_300_800_000);
                    let since = Duration::from_millis(millis.ok_or_else(wrong)?);
                    view.before = SystemTime::UNIX_EPOCH.checked_add(since);
                }
                _ => {}
            }
        }
        Ok(view)
    }

    /// Whether the page shows requests of a past time, which do not change.
    pub(super) const fn shows_older_requests(&self) -> bool {
        self.before.is_some()
    }

    /// Whether a store is configured but not open yet. No notification follows when it opens.
    pub(super) fn is_waiting_for_store(&self) -> bool {
        self.state.engine.settings().usage.is_enabled && self.state.usage.database().is_none()
    }

    /// Waits until the charts have every request that is in the list.
    pub(super) async fn wait_until_written(&self) {
        self.state.usage.flush().await;
    }

    /// Renders the current content of a section.
    pub(super) async fn render_section(&self, section: Section, clock: &LocalTime) -> Markup {
        let (relay, ledger) = (&self.state.engine, &self.state.usage);
        let kept = relay.settings().usage.is_enabled;
        match section {
            Section::Chain => chain::render_section(&relay.snapshot(), clock),
            Section::ActiveRequests => {
                let (count, oldest) = relay.state().active_requests().oldest(active_requests::MAX_SHOWN);
                active_requests::render_section(count, &oldest, clock)
            }
            Section::Requests => requests::RequestPage::load(ledger, kept, self.before).await.render(clock),
            Section::Charts => {
                charts::render_section(&charts::load_chart(ledger, kept, self.range, clock).await, self.range)
            }
            Section::Quota => quota::render_section(&quota::load_quotas(relay).await, clock),
        }
    }

    /// The whole content of the first page.
    pub(super) async fn render_overview(&self, clock: &LocalTime) -> Markup {
        // Without scripts the charts are not updated later.
        self.wait_until_written().await;
        html! {
            h1.unseen { "Dashboard of this gateway" }
            (self.render_card(Section::Chain, clock).await)
            (self.render_card(Section::Quota, clock).await)
            (self.render_card(Section::ActiveRequests, clock).await)
            (self.render_card(Section::Charts, clock).await)
            (self.render_card(Section::Requests, clock).await)
            section.card id="try" aria-labelledby="try-title" { (playground::render_section(&self.state.engine)) }
        }
    }

    async fn render_card(&self, section: Section, clock: &LocalTime) -> Markup {
        let id = section.id();
        html! {
            section.card id=(id) aria-labelledby={ (id) "-title" } { (self.render_section(section, clock).await) }
        }
    }

    /// Beside the name: the version, the start time, and whether the page is up to date.
    pub(super) fn render_header(&self, clock: &LocalTime) -> Markup {
        let uptime = self.state.engine.snapshot().uptime;
        let started = clock.now.checked_sub(uptime).unwrap_or(clock.now);
        let past = self.shows_older_requests().then_some("past");
        html! {
            p.about {
                "v" (env!("CARGO_PKG_VERSION")) " · up "
                @if uptime.as_secs() == 0 { (format_seconds(uptime)) } @else { (clock.render_elapsed(started)) }
            }
            p.pulse id="pulse" role="status" data-days=(self.range.days()) data-past=[past] { "not live" }
        }
    }
}
