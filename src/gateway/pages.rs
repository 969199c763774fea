//! The dashboard at `/`: collects the data of a page, and serves its files. Pages are complete as the server sends
//! them; a script keeps them up to date (`page_events`).

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use maud::{Markup, html};
use url::form_urlencoded;

use super::app_state::AppState;
use super::error::ApiError;
use super::requests::{RequestIdPath, decode_id, wait_for_record};
use crate::config::settings::Reference;
use crate::dashboard::chart_data::{ChartData, TimeRange};
use crate::dashboard::charts::ChartResult;
use crate::dashboard::format::{LocalTime, format_seconds};
use crate::dashboard::page::{ModelChoices, render_page, render_playground};
use crate::dashboard::requests::{MAX_ACTIVE_SHOWN, PAGE_SIZE, RequestPage};
use crate::dashboard::{ICON, SCRIPT, STYLE, chain, charts, quota, request, requests};
use crate::record::RequestId;
use crate::routing::Engine;
use crate::routing::quota::ProviderQuota;
use crate::usage::{DatabaseError, GroupBy, UsageQuery, UsageStore};

/// Only the gateway's own files are loaded, and no page may frame the dashboard.
const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// How long a page waits for the providers' quotas. The quota of a slower provider appears at the next load.
const QUOTA_TIMEOUT: Duration = Duration::from_secs(1);

/// The dashboard's routes.
pub(super) fn build_routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/", get(get_overview))
        .route(
            "/dashboard/style.css",
            get(async |head: HeaderMap| serve_file(&head, "text/css; charset=utf-8", STYLE)),
        )
        .route(
            "/dashboard/app.js",
            get(async |head: HeaderMap| serve_file(&head, "text/javascript; charset=utf-8", SCRIPT)),
        )
        .route("/dashboard/icon.svg", get(async |head: HeaderMap| serve_file(&head, "image/svg+xml", ICON)))
        .route("/dashboard/requests/{id}", get(get_request_page))
        .route("/dashboard/requests/{id}/attempts", get(get_attempts_fragment))
}

/// Whether a path belongs to the dashboard, which can be read without a token.
pub(super) fn is_dashboard_path(path: &str) -> bool {
    path == "/" || path.starts_with("/dashboard/")
}

/// `GET /`.
async fn get_overview(State(state): State<Arc<AppState>>, uri: Uri) -> Result<Response, ApiError> {
    let view = DashboardView::parse(state, uri.query().unwrap_or_default())?;
    let clock = LocalTime::now();
    let content = view.render_overview(&clock).await;
    let page = render_page("Moonrelay", &clock, &view.render_header(&clock), &content);
    Ok(html_response(StatusCode::OK, page))
}

/// `GET /dashboard/requests/{id}`.
async fn get_request_page(State(state): State<Arc<AppState>>, id: RequestIdPath) -> Response {
    let id = decode_id(id);
    let clock = LocalTime::now();
    let found = match id.parse::<RequestId>() {
        Ok(id) => state.usage.find_request(id).await,
        Err(_) => Ok(None),
    };
    let (status, content) = match found {
        Ok(Some(entry)) => (StatusCode::OK, request::render_page(&entry, &clock)),
        Ok(None) => (StatusCode::NOT_FOUND, request::render_not_found(&id)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, html! { p.notice.bad { (error) } }),
    };
    let title = format!("Request {id} – Moonrelay");
    html_response(status, render_page(&title, &clock, &html! {}, &content))
}

/// `GET /dashboard/requests/{id}/attempts`: for the playground, which requests it as soon as it has the
/// response.
async fn get_attempts_fragment(State(state): State<Arc<AppState>>, id: RequestIdPath) -> Response {
    let id = decode_id(id);
    match wait_for_record(&state, &id).await {
        Ok(Some(entry)) => html_response(StatusCode::OK, request::render_attempts(&entry)),
        Ok(None) => html_response(StatusCode::NOT_FOUND, html! {}),
        Err(_) => html_response(StatusCode::INTERNAL_SERVER_ERROR, html! {}),
    }
}

/// Adds the headers that every dashboard response has.
pub(super) fn insert_security_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, CSP);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// HTML, whole or a part of a page.
pub(super) fn html_response(status: StatusCode, markup: Markup) -> Response {
    let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (status, kind, markup.into_string()).into_response();
    insert_security_headers(response.headers_mut());
    response
}

/// The browser revalidates the file each time, because another version of the gateway may have a different one.
fn serve_file(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|known| known.as_bytes() == tag.as_bytes());
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (ETAG, &tag)];
    let mut response = match known {
        true => (StatusCode::NOT_MODIFIED, headers, Body::empty()).into_response(),
        false => (headers, text).into_response(),
    };
    insert_security_headers(response.headers_mut());
    response
}

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
    pub(super) fn parse(state: Arc<AppState>, query: &str) -> Result<Self, ApiError> {
        let mut view = Self { state, range: TimeRange::default(), before: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "days" => {
                    let wrong = || ApiError::bad_query("days", "days must be 1, 7 or 30");
                    view.range = TimeRange::parse(&value).ok_or_else(wrong)?;
                }
                "before" => {
                    let wrong = || ApiError::bad_query("before", "before must be milliseconds since 1970");
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
        let (engine, usage) = (&self.state.engine, &self.state.usage);
        let has_store = engine.settings().usage.is_enabled;
        match section {
            Section::Chain => chain::render_section(&engine.snapshot(), clock),
            Section::ActiveRequests => {
                let (count, oldest) = engine.state().active_requests().oldest(MAX_ACTIVE_SHOWN);
                requests::render_active_requests(count, &oldest, clock)
            }
            Section::Requests => load_requests(usage, has_store, self.before).await.render(clock),
            Section::Charts => {
                charts::render_section(&load_chart(usage, has_store, self.range, clock).await, self.range)
            }
            Section::Quota => quota::render_section(&load_quotas(engine).await, clock),
        }
    }

    /// The whole content of the first page.
    pub(super) async fn render_overview(&self, clock: &LocalTime) -> Markup {
        // Without scripts the charts are not updated later.
        self.wait_until_written().await;
        html! {
            h1.unseen { "Dashboard of this gateway" }
            @for section in [Section::Chain, Section::Quota, Section::ActiveRequests, Section::Charts, Section::Requests] {
                section.card id=(section.id()) aria-labelledby={ (section.id()) "-title" } {
                    (self.render_section(section, clock).await)
                }
            }
            section.card id="try" aria-labelledby="try-title" { (render_playground(&load_model_choices(&self.state.engine))) }
        }
    }

    /// Next to the name: the version, the start time, and whether the page is up to date.
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

/// The quotas that providers report, without a long wait. Each provider is queried at most once a minute,
/// regardless of the number of viewers.
async fn load_quotas(engine: &Arc<Engine>) -> Vec<ProviderQuota> {
    // A separate task, so that the result is stored even if the caller stops waiting.
    let task_engine = engine.clone();
    let refresh = tokio::spawn(async move { task_engine.quotas().refresh(&task_engine.settings()).await });
    match tokio::time::timeout(QUOTA_TIMEOUT, refresh).await {
        Ok(Ok(quotas)) => quotas,
        _ => engine.quotas().cached(),
    }
}

/// Queries the store.
async fn load_chart(usage: &UsageStore, has_store: bool, range: TimeRange, clock: &LocalTime) -> ChartResult {
    let Some(store) = usage.database() else {
        let problem = usage.health().last_error.unwrap_or_else(|| "not open yet".to_owned());
        let location = "in the state directory".to_owned();
        return if has_store { Err(DatabaseError { location, problem }) } else { Ok(None) };
    };
    let Some((since, bars)) = range.build_bars(clock) else { return Ok(Some(ChartData::default())) };
    let group_by = vec![range.group_by(), GroupBy::Model];
    let query = UsageQuery { since, until: None, group_by, zone: clock.zone.clone() };
    let rows = store.query(&query).await?;
    Ok(Some(ChartData::from_rows(bars, &rows)))
}

/// Loads the newest requests, or those before a point in time.
async fn load_requests(usage: &UsageStore, has_store: bool, before: Option<SystemTime>) -> RequestPage {
    let mut entries = if before.is_none() { usage.recent() } else { Vec::new() };
    entries.truncate(PAGE_SIZE);
    let (is_newest, health) = (before.is_none(), usage.health());
    let mut page = RequestPage { entries, is_newest, has_store, error: None, health };
    if let Some(store) = usage.database().filter(|_| page.entries.len() < PAGE_SIZE) {
        let oldest = page.entries.last().map(|entry| entry.started_at());
        let moment = before.or(oldest).unwrap_or_else(SystemTime::now);
        match store.list_before(moment, PAGE_SIZE - page.entries.len()).await {
            Ok(older) => {
                let known: HashSet<RequestId> = page.entries.iter().map(|entry| entry.request_id).collect();
                let new = older.into_iter().filter(|entry| !known.contains(&entry.request_id));
                page.entries.extend(new.map(Arc::new));
            }
            Err(error) => page.error = Some(error),
        }
    }
    page
}

/// The models and the token field of the playground.
fn load_model_choices(engine: &Engine) -> ModelChoices {
    let settings = engine.settings();
    let is_reference = |id: &str| {
        Reference::parse(id).is_some_and(|reference| settings.providers.contains_key(&reference.provider))
    };
    let offered = engine.list_models().into_iter().map(|model| model.id);
    let mut names: Vec<String> = vec!["default".to_owned()];
    names.extend(offered.filter(|id| id != "default" && !is_reference(id)));
    let usable = |reference: &&Reference| {
        settings.providers.get(&reference.provider).is_some_and(|provider| provider.disabled_reason.is_none())
    };
    let chain = settings.default_chain.references.iter().filter(usable).map(ToString::to_string).collect();
    ModelChoices { names, chain, needs_token: !settings.gateway.tokens.is_empty() }
}
