//! Server-sent events. Each is named after a section and carries its current content. Only changed sections are
//! sent, and without viewers no work is done.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, stream};
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::app_state::{AppState, MAX_VIEWERS};
use super::error::ApiError;
use super::pages::{DashboardView, Section, insert_security_headers};
use crate::dashboard::format::LocalTime;
use crate::state::{ShutdownPhase, ShutdownWatch};

/// Delay from a change to its event. Changes in this time are sent together, so there are at most four events a
/// second.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// Delay from the end of a request to the update of the charts. By then the usage database has written it,
/// together with others.
const CHART_DELAY: Duration = Duration::from_secs(1);
/// The charts' queries take at most one part in this many of the time, because a database of many years is slow
/// to sum.
const CHART_QUERY_SHARE: u32 = 20;
/// A quota reported by a provider is valid for a minute; then it is requested again.
const QUOTA_INTERVAL: Duration = Duration::from_secs(61);
/// A slow provider that was queried when the page loaded has answered by then.
const INITIAL_QUOTA_DELAY: Duration = Duration::from_secs(6);
/// Heartbeats detect a proxy, or a laptop that slept.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// When a page that lost the connection reconnects.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// `GET /dashboard/events`.
pub(super) async fn stream_events(
    State(state): State<Arc<AppState>>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let view = DashboardView::parse(state.clone(), uri.query().unwrap_or_default())?;
    let Ok(permit) = state.viewer_slots.clone().try_acquire_owned() else {
        let text = format!("{MAX_VIEWERS} dashboards are already open; this page is not updated\n");
        let mut response = (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        insert_security_headers(response.headers_mut());
        return Ok(response);
    };
    let events = stream::unfold(Viewer::new(view, permit), Viewer::next_event);
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT_INTERVAL)).into_response();
    // Otherwise nginx would buffer the events.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().remove(CACHE_CONTROL);
    insert_security_headers(response.headers_mut());
    Ok(response)
}

/// An open dashboard.
struct Viewer {
    view: DashboardView,
    /// The content of each section that was sent last.
    sent: HashMap<Section, String>,
    /// Events to be sent.
    queue: VecDeque<Event>,
    /// Sections that may have changed.
    due_sections: Vec<Section>,
    chain_changes: watch::Receiver<u64>,
    active_changes: watch::Receiver<u64>,
    usage_changes: watch::Receiver<u64>,
    /// When the next cooldown ends.
    cooldown_ends: Option<Instant>,
    /// When the charts are due.
    charts_due: Option<Instant>,
    /// Delay from the end of a request to the update of the charts.
    charts_delay: Duration,
    /// When the quota is due.
    quota_due: Instant,
    shutdown: ShutdownWatch,
    _permit: OwnedSemaphorePermit,
}

async fn wait_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

impl Viewer {
    fn new(view: DashboardView, permit: OwnedSemaphorePermit) -> Self {
        let (engine, usage) = (view.state.engine.clone(), view.state.usage.clone());
        Self {
            chain_changes: engine.state().changes(),
            active_changes: engine.state().active_requests().changes(),
            usage_changes: usage.subscribe(),
            shutdown: engine.state().watch_shutdown(),
            cooldown_ends: None,
            charts_due: None,
            charts_delay: CHART_DELAY,
            quota_due: Instant::now() + INITIAL_QUOTA_DELAY,
            sent: HashMap::new(),
            // Sections that may have changed between the page and this stream.
            due_sections: vec![
                Section::Chain,
                Section::ActiveRequests,
                Section::Requests,
                Section::Charts,
                Section::Quota,
            ],
            queue: VecDeque::from([Event::default().retry(RECONNECT_DELAY).comment("moonrelay")]),
            view,
            _permit: permit,
        }
    }

    /// The next event; `None` when the gateway stops.
    async fn next_event(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let mut shutdown = self.shutdown.clone();
        let next = async {
            loop {
                if let Some(event) = self.queue.pop_front() {
                    return event;
                }
                if self.due_sections.is_empty() {
                    self.wait_for_change().await;
                    sleep(DEBOUNCE).await;
                    while self.wait_for_change().now_or_never().is_some() {}
                    self.due_sections.sort_unstable();
                    self.due_sections.dedup();
                }
                self.render_due_sections().await;
            }
        };
        let event = tokio::select! {
            // A shutdown does not need to wait for a response here.
            biased;
            () = shutdown.wait_for(ShutdownPhase::Draining) => return None,
            event = next => event,
        };
        Some((Ok(event), self))
    }

    /// Waits until something is due.
    async fn wait_for_change(&mut self) {
        let (cooldown_ends, charts, quota) = (self.cooldown_ends, self.charts_due, self.quota_due);
        // The senders live as long as the engine and the usage store, which the view holds.
        tokio::select! {
            _ = self.chain_changes.changed() => self.due_sections.push(Section::Chain),
            _ = self.active_changes.changed() => self.due_sections.push(Section::ActiveRequests),
            _ = self.usage_changes.changed() => self.schedule_request_sections(),
            () = wait_until(cooldown_ends) => {
                self.cooldown_ends = None;
                self.due_sections.push(Section::Chain);
            }
            () = wait_until(charts) => {
                self.charts_due = None;
                self.due_sections.push(Section::Charts);
            }
            () = sleep_until(quota) => {
                self.quota_due = Instant::now() + QUOTA_INTERVAL;
                self.due_sections.push(Section::Quota);
            }
        }
    }

    /// The request appears in the list at once, and in the charts when it is written.
    fn schedule_request_sections(&mut self) {
        self.due_sections.push(Section::Requests);
        let pause = self.charts_delay;
        self.charts_due.get_or_insert_with(|| Instant::now() + pause);
    }

    /// Renders the due sections, and queues those that differ from what was sent last.
    async fn render_due_sections(&mut self) {
        let clock = LocalTime::now();
        for section in std::mem::take(&mut self.due_sections) {
            match section {
                Section::Chain => {
                    let ends = self.view.state.engine.snapshot().next_cooldown_expiry();
                    self.cooldown_ends = ends.map(Instant::from_std);
                }
                Section::Requests if self.view.shows_older_requests() => continue,
                // No notification follows when a slow disk has the data that the charts lack.
                Section::Charts => self.view.wait_until_written().await,
                _ => {}
            }
            let began = Instant::now();
            let html = self.view.render_section(section, &clock).await.into_string();
            if section == Section::Charts {
                self.charts_delay = CHART_DELAY.max(began.elapsed() * CHART_QUERY_SHARE);
                self.charts_due = self.view.is_waiting_for_store().then(|| Instant::now() + CHART_DELAY);
            }
            if self.sent.get(&section) != Some(&html) {
                self.queue.push_back(Event::default().event(section.id()).data(&html));
                self.sent.insert(section, html);
            }
        }
    }
}
