//! Server-sent events: each is named like a section, and has what stands in it now. Only what has changed is sent, and
//! where nobody looks nothing is done at all.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::clock::Clock;
use super::document::guard;
use super::view::{Section, View};
use crate::gateway::shared::Shared;
use crate::routing::ending::{Ending, Stage};

/// A person has one page open, or a few.
const WATCHERS: usize = 8;
/// From a change to its event: what changes in this time goes out together, so there are at most four a second.
const SETTLE: Duration = Duration::from_millis(250);
/// From a request's end to the charts with it: until then the ledger has written it, and others with it.
const WRITTEN: Duration = Duration::from_secs(1);
/// The charts' questions to the store take at most one part in so many of the time: a ledger of years is slow to add up.
const PART: u32 = 20;
/// What providers told of their quota is good for a minute; then they are asked again.
const QUOTA: Duration = Duration::from_secs(61);
/// Who was asked as the page came, and was slow, has told by then.
const FIRST_QUOTA: Duration = Duration::from_secs(6);
/// A proxy, or a laptop that slept, is noticed by this.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a page that lost us looks for us again.
const RETRY: Duration = Duration::from_secs(2);

/// Room for those who look.
#[must_use]
pub(in crate::gateway) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(WATCHERS))
}

/// `GET /dashboard/events`.
pub(super) async fn events(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let view = match View::read(shared.clone(), uri.query().unwrap_or_default()) {
        Ok(view) => view,
        Err(problem) => return problem.into_response(),
    };
    let Ok(permit) = shared.watchers.clone().try_acquire_owned() else { return full() };
    let events = stream::unfold(Watcher::new(view, permit), Watcher::next);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    // nginx would collect the events otherwise.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().remove(CACHE_CONTROL);
    guard(response.headers_mut());
    response
}

/// There is no more room.
fn full() -> Response {
    let text =
        format!("{WATCHERS} dashboards are open already; this one shows what was when it was loaded\n");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    guard(response.headers_mut());
    response
}

/// Somebody who looks.
struct Watcher {
    view: View,
    /// Of each section a hash of what was sent last.
    sent: HashMap<Section, u64>,
    /// What is to be sent.
    queue: VecDeque<Event>,
    /// What has to be looked at.
    due: Vec<Section>,
    chain: watch::Receiver<u64>,
    live: watch::Receiver<u64>,
    ledger: watch::Receiver<u64>,
    /// When the next rest ends.
    rest_ends: Option<Instant>,
    /// When the charts are due.
    charts: Option<Instant>,
    /// From a request's end to the charts with it.
    charts_pause: Duration,
    /// When the quota is due.
    quota: Instant,
    ending: Ending,
    _permit: OwnedSemaphorePermit,
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

impl Watcher {
    fn new(view: View, permit: OwnedSemaphorePermit) -> Self {
        let (relay, ledger) = (view.shared.relay.clone(), view.shared.ledger.clone());
        Self {
            chain: relay.state().changes(),
            live: relay.state().under_way().changes(),
            ledger: ledger.changes(),
            ending: relay.state().ending(),
            rest_ends: None,
            charts: None,
            charts_pause: WRITTEN,
            quota: Instant::now() + FIRST_QUOTA,
            sent: HashMap::new(),
            // What changed between the page and this.
            due: vec![Section::Chain, Section::Live, Section::Requests, Section::Charts, Section::Quota],
            queue: VecDeque::from([Event::default().retry(RETRY).comment("moonrelay")]),
            view,
            _permit: permit,
        }
    }

    /// The next event; `None` when the gateway stops.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let mut ending = self.ending.clone();
        let next = async {
            loop {
                if let Some(event) = self.queue.pop_front() {
                    return event;
                }
                if self.due.is_empty() {
                    self.changed().await;
                    sleep(SETTLE).await;
                    self.gather();
                }
                self.look().await;
            }
        };
        let event = tokio::select! {
            // No answer is under way here that a stop would wait for.
            biased;
            () = ending.reached(Stage::Draining) => return None,
            event = next => event,
        };
        Some((Ok(event), self))
    }

    /// Waits until something is due.
    async fn changed(&mut self) {
        let (rest_ends, charts, quota) = (self.rest_ends, self.charts, self.quota);
        // The senders live as long as the relay and the ledger, which the view holds.
        tokio::select! {
            _ = self.chain.changed() => self.due.push(Section::Chain),
            _ = self.live.changed() => self.due.push(Section::Live),
            _ = self.ledger.changed() => self.request_is_over(),
            () = at(rest_ends) => self.due.push(Section::Chain),
            () = at(charts) => {
                self.charts = None;
                self.due.push(Section::Charts);
            }
            () = sleep_until(quota) => {
                self.quota = Instant::now() + QUOTA;
                self.due.push(Section::Quota);
            }
        }
    }

    /// Adds what else has changed meanwhile.
    fn gather(&mut self) {
        // The senders live, as above.
        if self.chain.has_changed().unwrap_or(false) {
            self.chain.mark_unchanged();
            self.due.push(Section::Chain);
        }
        if self.live.has_changed().unwrap_or(false) {
            self.live.mark_unchanged();
            self.due.push(Section::Live);
        }
        if self.ledger.has_changed().unwrap_or(false) {
            self.ledger.mark_unchanged();
            self.request_is_over();
        }
        self.due.sort_unstable();
        self.due.dedup();
    }

    /// It is in the list at once, in the charts when it is written.
    fn request_is_over(&mut self) {
        self.due.push(Section::Requests);
        let pause = self.charts_pause;
        self.charts.get_or_insert_with(|| Instant::now() + pause);
    }

    /// Renders what is due, and queues what is not as it was sent last.
    async fn look(&mut self) {
        let clock = Clock::system();
        for section in std::mem::take(&mut self.due) {
            match section {
                Section::Chain => {
                    let ends = self.view.shared.relay.snapshot().holds_until();
                    self.rest_ends = ends.map(Instant::from_std);
                }
                Section::Requests if self.view.is_of_the_past() => continue,
                // Nobody would tell when a slow disk has what the charts lack.
                Section::Charts => self.view.settled().await,
                _ => {}
            }
            let began = Instant::now();
            let html = self.view.section(section, &clock).await.into_string();
            if section == Section::Charts {
                self.charts_pause = WRITTEN.max(began.elapsed() * PART);
                self.charts = self.view.waits_for_the_store().then(|| Instant::now() + WRITTEN);
            }
            let mut hasher = DefaultHasher::new();
            html.hash(&mut hasher);
            let hash = hasher.finish();
            if self.sent.insert(section, hash) != Some(hash) {
                self.queue.push_back(Event::default().event(section.id()).data(html));
            }
        }
    }
}
