//! From a client's request to an answer: which targets, in what order, what when one fails.

mod active_requests;
pub mod affinity;
mod attempt;
mod body_buffer;
mod continuation;
mod executor;
mod failed_attempt;
pub mod headers;
mod media;
pub mod plan;
pub mod quota;
pub mod reload;
pub mod request_bodies;
mod resume;
pub mod shutdown;
pub mod snapshot;
pub mod state;
pub mod stateless;
mod stream;
mod timeout;
pub mod token_count;
mod tracker;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::HeaderMap;

use crate::config::settings::{Lookup, Reference, Settings};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::json::MalformedJson;
use crate::protocol::request::RequestBody;
use crate::record::{Attempt, Record, RequestId, render_attempts_header};
use crate::upstream::Connector;
use crate::upstream::oauth::AuthenticatedConnector;

pub use active_requests::ActiveRequests;
pub use stream::StreamBody;

/// Takes the record of each request when it is over. It must not block.
pub type RecordSink = Arc<dyn Fn(Record) + Send + Sync>;

/// A client's request, read whole.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// Ours, for headers and logs.
    pub id: RequestId,
    /// Which protocol the client speaks.
    pub api: Api,
    /// The client's name, where its token has one.
    pub client: Option<String>,
    /// End-to-end headers without credentials and cookies.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
    /// `x-moonrelay-fallback: off`.
    pub is_fallback_disabled: bool,
}

/// An answer for the client.
pub enum Answer {
    /// Complete.
    Complete {
        /// JSON.
        body: Segments,
        /// The target that answered.
        model: String,
        /// Every try.
        attempts: Vec<Attempt>,
        /// The provider's headers that a client may see.
        headers: HeaderMap,
    },
    /// Server-sent events.
    Stream {
        /// The target that answers. `None` if the head had to be sent before that was known.
        model: Option<String>,
        /// The tries so far.
        attempts: Vec<Attempt>,
        /// The provider's headers that a client may see.
        headers: HeaderMap,
        /// The events. Dropping it cancels the request upstream.
        body: StreamBody,
    },
}

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub enum RequestError {
    /// The body is not what it should be.
    Malformed(MalformedJson),
    /// `model` is missing, no string, too long, or holds control characters.
    InvalidModel,
    /// The request needs state that would have to be kept from one request to the next.
    UnsupportedState {
        /// The field.
        param: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Nothing has this name.
    UnknownModel {
        /// The name as requested.
        requested: String,
        /// Names like it.
        nearest: Vec<String>,
    },
    /// No target was tried; the attempts say why.
    NoUsableTarget {
        /// One entry a target.
        attempts: Vec<Attempt>,
    },
    /// All that were tried failed; this is the primary's failure, or that of the request itself.
    AttemptsFailed {
        /// The failure to show.
        failure: Failure,
        /// Whose it is.
        reference: String,
        /// Every try.
        attempts: Vec<Attempt>,
    },
    /// The gateway stops before there was an answer.
    ShuttingDown {
        /// The tries so far.
        attempts: Vec<Attempt>,
    },
}

/// Routes requests to targets.
pub struct Engine {
    settings: ArcSwap<Settings>,
    connector: Arc<dyn Connector>,
    logins: Arc<AuthenticatedConnector>,
    state: Arc<state::State>,
    sink: RecordSink,
    last_reload: ArcSwapOption<reload::ReloadOutcome>,
    quotas: quota::QuotaCache,
}

impl Engine {
    /// Opens nothing.
    #[must_use]
    pub fn new(settings: Arc<Settings>, connector: Arc<dyn Connector>, sink: RecordSink) -> Self {
        let state = Arc::new(state::State::new());
        let last_reload = ArcSwapOption::empty();
        let logins = Arc::new(AuthenticatedConnector::new(connector.clone()));
        let quotas = quota::QuotaCache::new(logins.clone());
        Self { settings: ArcSwap::new(settings), connector, logins, state, sink, last_reload, quotas }
    }

    /// The settings of now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Cooldowns and requests in progress.
    #[must_use]
    pub fn state(&self) -> &state::State {
        &self.state
    }

    /// What the providers report about their accounts.
    #[must_use]
    pub const fn quotas(&self) -> &quota::QuotaCache {
        &self.quotas
    }

    /// A body to be read, a request's or a whole answer's; together they have a limit.
    #[must_use]
    pub fn new_body_buffer(&self) -> crate::protocol::memory_budget::BodyBuffer {
        self.state.memory_budget().start_body(self.settings.load().gateway.buffer_memory_limit())
    }

    /// Starts the record of a request that is answered without routing.
    #[must_use]
    pub fn new_record(request: &ClientRequest) -> Record {
        tracker::new_record(request)
    }

    /// Sends the record of such a request to the sink, when the request is over.
    pub fn send_record(&self, record: Record) {
        (self.sink)(record);
    }

    /// What sends calls.
    #[must_use]
    pub fn connector(&self) -> Arc<dyn Connector> {
        self.connector.clone()
    }

    /// Every name that a client may ask for.
    #[must_use]
    pub fn list_models(&self) -> Vec<plan::ModelListing> {
        plan::list_models(&self.settings())
    }

    /// What a client gets for one name.
    ///
    /// # Errors
    /// [`RequestError::UnknownModel`].
    pub fn describe_model(&self, id: &str) -> Result<plan::ModelListing, RequestError> {
        let settings = self.settings();
        plan::check_name(id)?;
        let unknown = |nearest| RequestError::UnknownModel { requested: id.to_owned(), nearest };
        match settings.lookup(id) {
            Lookup::Resolved { chain, .. } => {
                let offers = |reference: &Reference| plan::describe_model(&settings, id, reference);
                chain.references.iter().find_map(offers).ok_or_else(|| unknown(Vec::new()))
            }
            Lookup::Unknown { nearest } => Err(unknown(nearest)),
        }
    }

    /// Answers a request in the client's API format, whatever formats the targets use.
    ///
    /// # Errors
    /// With the error to show to the client, when no target answered before the head had to be sent.
    pub async fn answer(&self, request: ClientRequest) -> Result<Answer, RequestError> {
        let settings = self.settings();
        let track =
            tracker::RequestTracker::new(self.sink.clone(), self.state.clone(), settings.clone(), &request);
        let planned = self.plan_request(&settings, &request, &track);
        let (body, requested, mut plan) =
            planned.inspect_err(|refusal| track.record_rejection(refusal.reason()))?;
        let stay = affinity::identify_conversation(&settings, &request, &requested, &body)
            .and_then(|conversation| self.state.apply_affinity(&conversation, &mut plan.targets));
        for warning in &plan.warnings {
            tracing::warn!(request_id = %request.id, "{warning}");
        }
        let streamed = body.wants_stream();
        let run = attempt::RequestExecution {
            deadline: settings.failover.total_timeout.map(|total| tokio::time::Instant::now() + total),
            state: self.state.clone(),
            logins: self.logins.clone(),
            request,
            bodies: request_bodies::RequestBodies::new(
                body,
                self.state.memory_budget().clone(),
                settings.gateway.buffer_memory_limit(),
            ),
            plan,
            affinity: stay,
            tracker: track,
            settings,
        };
        if streamed { stream::start_stream(Arc::new(run)).await } else { run.execute_until_shutdown().await }
    }

    /// Reads a request, and plans its targets.
    fn plan_request(
        &self,
        settings: &Arc<Settings>,
        request: &ClientRequest,
        track: &tracker::RequestTracker,
    ) -> Result<(RequestBody, String, plan::Plan), RequestError> {
        let body = RequestBody::parse(request.api, request.body.clone()).map_err(RequestError::Malformed)?;
        stateless::check_stateless(&body)?;
        let requested = body.string("model").ok_or(RequestError::InvalidModel)?;
        plan::check_name(&requested)?;
        track.record_requested(&requested, body.wants_stream());
        let user_agent = headers::user_agent(&request.headers);
        let plan = plan::plan_request(settings, &self.state, &requested, &body, user_agent)?;
        Ok((body, requested, plan))
    }
}

impl RequestError {
    /// The type of what went wrong.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) | Self::InvalidModel | Self::UnsupportedState { .. } => Reason::BadRequest,
            Self::UnknownModel { .. } => Reason::ModelNotFound,
            Self::AttemptsFailed { failure, .. } => failure.reason,
            Self::NoUsableTarget { .. } | Self::ShuttingDown { .. } => Reason::Server,
        }
    }
}

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "{what}"),
            Self::InvalidModel => f.write_str(
                "\"model\" must be a string of at most 256 bytes: a model's name, alias or provider/model",
            ),
            Self::UnsupportedState { message, .. } => f.write_str(message),
            Self::UnknownModel { requested, nearest } => {
                write!(f, "no model, alias or route is called {requested:?}; ")?;
                if !nearest.is_empty() {
                    write!(f, "nearest: {}; ", nearest.join(", "))?;
                }
                f.write_str("a route in models.routes (a pattern such as \"claude-*\", too) says who answers to a name")
            }
            Self::NoUsableTarget { attempts } => {
                f.write_str("no target can serve this request")?;
                for attempt in attempts {
                    write!(f, "; {}: {}", attempt.reference, attempt.detail)?;
                }
                Ok(())
            }
            Self::AttemptsFailed { failure, reference, attempts } => {
                write!(f, "{reference}: {}", failure.message)?;
                if attempts.len() > 1 {
                    write!(f, " (tried: {})", render_attempts_header(attempts))?;
                }
                Ok(())
            }
            Self::ShuttingDown { .. } => {
                f.write_str("the gateway stops before the answer was complete; ask again")
            }
        }
    }
}

#[cfg(test)]
mod tests;
