//! Owns the entry point of requests, and the replacement of the settings for later requests.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::time::Instant;

use super::affinity::apply_affinity;
use super::attempt::RequestExecution;
use super::continuation;
use super::headers;
use super::plan::{Plan, plan_request};
use super::quota::QuotaCache;
use super::request::{Answer, ClientRequest, RecordSink, RequestError, check_name, check_stateless};
use super::request_bodies::RequestBodies;
use super::route::{self, ModelListing, ResolvedRoute};
use super::tracker::{self, RequestTracker};
use crate::config::settings::{Lookup, Reference, Settings};
use crate::protocol::memory_budget::BodyBuffer;
use crate::protocol::request::RequestBody;
use crate::record::Record;
use crate::state::State;
use crate::upstream::Connector;
use crate::upstream::oauth::AuthenticatedConnector;

/// Routes requests to targets.
pub struct Engine {
    settings: ArcSwap<Settings>,
    connector: Arc<dyn Connector>,
    logins: Arc<AuthenticatedConnector>,
    pub(super) state: Arc<State>,
    pub(super) sink: RecordSink,
    last_reload: ArcSwapOption<ReloadOutcome>,
    quotas: QuotaCache,
}

/// The result of the last reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadOutcome {
    /// The time at which it ended.
    pub finished_at: SystemTime,
    /// Whether the new settings are valid.
    pub is_accepted: bool,
    /// Why they are not, or which of them need a restart.
    pub message: Option<String>,
}

impl Engine {
    /// Creates an engine. Calls no provider.
    pub fn new(settings: Arc<Settings>, connector: Arc<dyn Connector>, sink: RecordSink) -> Self {
        let logins = Arc::new(AuthenticatedConnector::new(connector.clone()));
        let quotas = QuotaCache::new(logins.clone());
        Self {
            settings: ArcSwap::new(settings),
            connector,
            logins,
            state: Arc::new(State::new()),
            sink,
            last_reload: ArcSwapOption::empty(),
            quotas,
        }
    }

    /// The current settings.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Cooldowns and active requests.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The quota that providers reported.
    pub const fn quotas(&self) -> &QuotaCache {
        &self.quotas
    }

    /// The client for outgoing calls.
    pub fn connector(&self) -> Arc<dyn Connector> {
        self.connector.clone()
    }

    pub(super) fn logins(&self) -> &AuthenticatedConnector {
        &self.logins
    }

    /// A buffer for a body, within the memory limit of all bodies.
    pub fn new_body_buffer(&self) -> BodyBuffer {
        self.state.memory_budget().start_body(self.settings.load().gateway.buffer_memory_limit())
    }

    pub(super) fn new_bodies(
        &self,
        settings: &Settings,
        client: Option<String>,
        body: RequestBody,
    ) -> RequestBodies {
        let limit = settings.gateway.buffer_memory_limit();
        RequestBodies::new(body, client, self.state.clone(), limit)
    }

    /// Starts the record of a request that is answered without routing.
    pub fn new_record(request: &ClientRequest) -> Record {
        tracker::new_record(request)
    }

    /// Sends the record of such a request to the sink, when the request is over.
    pub fn send_record(&self, record: Record) {
        (self.sink)(record);
    }

    /// Every name that a client may request.
    pub fn list_models(&self) -> Vec<ModelListing> {
        route::list_models(&self.settings())
    }

    /// Describes the model that a name leads to.
    ///
    /// # Errors
    /// [`RequestError::UnknownModel`].
    pub fn describe_model(&self, id: &str) -> Result<ModelListing, RequestError> {
        let settings = self.settings();
        check_name(id)?;
        let describe = |reference: &Reference| route::describe_model(&settings, id, reference);
        let (found, nearest) = match settings.lookup(id) {
            Lookup::Resolved { chain, .. } => (chain.references.iter().find_map(describe), Vec::new()),
            Lookup::Unknown { nearest } => (None, nearest),
        };
        found.ok_or_else(|| RequestError::UnknownModel { requested: id.to_owned(), nearest })
    }

    /// Answers a request in the client's API, whatever APIs the targets use.
    ///
    /// # Errors
    /// With the error to report to the client, when no target answered before the head had to be sent.
    pub async fn answer(&self, request: ClientRequest) -> Result<Answer, RequestError> {
        let settings = self.settings();
        let tracker = RequestTracker::new(self.sink.clone(), self.state.clone(), settings.clone(), &request);
        let (body, mut plan) = self
            .plan_request(&settings, &request, Some(&tracker))
            .inspect_err(|error| tracker.fail(error.reason()))?;
        let affinity = apply_affinity(&self.state, &settings, &request, &body, &mut plan);
        for warning in &plan.warnings {
            tracing::warn!(request_id = %request.id, "{warning}");
        }
        let is_streaming = body.wants_stream();
        let execution = RequestExecution {
            deadline: settings.failover.total_timeout.map(|total| Instant::now() + total),
            state: self.state.clone(),
            logins: self.logins.clone(),
            bodies: self.new_bodies(&settings, request.client.clone(), body),
            request,
            plan,
            affinity,
            tracker,
            settings,
        };
        if is_streaming {
            continuation::answer_stream(execution).await
        } else {
            execution.answer_whole().await
        }
    }

    /// Parses a request and plans its targets. The tracker records the requested model.
    pub(super) fn plan_request(
        &self,
        settings: &Settings,
        request: &ClientRequest,
        tracker: Option<&RequestTracker>,
    ) -> Result<(RequestBody, Plan), RequestError> {
        let body = RequestBody::parse(request.api, request.body.clone()).map_err(RequestError::Malformed)?;
        check_stateless(&body)?;
        let requested = body.string("model").ok_or(RequestError::InvalidModel)?;
        check_name(&requested)?;
        if let Some(mut record) = tracker.map(RequestTracker::record) {
            record.requested_model.clone_from(&requested);
            record.is_streaming = body.wants_stream();
        }
        let route = ResolvedRoute::resolve(settings, &requested, body.api)?;
        let user_agent = headers::user_agent(&request.headers);
        let plan = plan_request(route, &self.state, &requested, &body, user_agent);
        Ok((body, plan))
    }

    /// Later requests use these settings; active requests keep the settings that they began with. A target that
    /// did not change keeps its cooldown. `note` names settings that need a restart.
    pub fn replace_settings(&self, settings: Arc<Settings>, note: Option<String>) {
        self.connector.set_connect_timeout(settings.failover.connect_timeout);
        let before = self.settings.swap(settings.clone());
        self.record_reload(true, note);
        self.quotas.retain_configured(&settings);
        self.state.retain_unchanged(&before, &settings);
    }

    /// Records a rejected reload: the settings stay.
    pub fn reject_reload(&self, reason: String) {
        self.record_reload(false, Some(reason));
        self.state.notify();
    }

    fn record_reload(&self, is_accepted: bool, message: Option<String>) {
        let outcome = ReloadOutcome { finished_at: SystemTime::now(), is_accepted, message };
        self.last_reload.store(Some(Arc::new(outcome)));
    }

    /// The result of the last reload; `None` before the first.
    pub fn last_reload(&self) -> Option<Arc<ReloadOutcome>> {
        self.last_reload.load_full()
    }
}
