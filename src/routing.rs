//! From a client's request to an answer: which targets, in what order, what when one fails.

pub mod affinity;
mod attempt;
pub mod bodies;
mod chain;
mod clock;
mod continuation;
pub mod count;
pub mod ending;
mod fallen;
pub mod headers;
mod held;
mod live;
mod media;
pub mod plan;
pub mod quota;
pub mod reload;
mod resume;
pub mod snapshot;
pub mod state;
pub mod stateless;
mod stream;
mod track;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::HeaderMap;

use crate::config::settings::{Lookup, Reference, Settings};
use crate::failure::{Failure, Reason};
use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::json::Malformed;
use crate::protocol::request::RequestBody;
use crate::record::{Attempt, Record, RequestId, attempts_header};
use crate::upstream::Connector;
use crate::upstream::oauth::Logins;

pub use live::UnderWay;
pub use stream::StreamBody;

/// Takes the record of each request when it is over. It must not block.
pub type Sink = Arc<dyn Fn(Record) + Send + Sync>;

/// A client's request, read whole.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// Ours, for headers and logs.
    pub id: RequestId,
    /// Which protocol the client speaks.
    pub face: Face,
    /// The client's name, where its token has one.
    pub client: Option<String>,
    /// End-to-end headers without credentials and cookies.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
    /// `x-moonrelay-fallback: off`.
    pub first_target_only: bool,
}

/// An answer on its way to the client.
pub enum Answer {
    /// Complete.
    Whole {
        /// JSON.
        body: Segments,
        /// Who answered.
        model: String,
        /// Every try.
        attempts: Vec<Attempt>,
        /// The provider's headers that a client may see.
        headers: HeaderMap,
    },
    /// Server-sent events.
    Stream {
        /// Who answers; `None` where the head had to go out before that was known.
        model: Option<String>,
        /// The tries so far.
        attempts: Vec<Attempt>,
        /// The provider's headers that a client may see.
        headers: HeaderMap,
        /// The events. Dropping it cancels the request upstream.
        body: StreamBody,
    },
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The body is not what it should be.
    Malformed(Malformed),
    /// `model` is missing, no string, too long, or holds control characters.
    NoModel,
    /// It asks for what would have to be kept from one request to the next.
    NotKept {
        /// The field.
        param: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Nothing has this name.
    UnknownModel {
        /// As asked.
        requested: String,
        /// Names like it.
        nearest: Vec<String>,
    },
    /// No target was tried; the attempts say why.
    Unservable {
        /// One entry a target.
        attempts: Vec<Attempt>,
    },
    /// All that were tried failed; this is the primary's failure, or that of the request itself.
    Failed {
        /// The failure to show.
        failure: Failure,
        /// Whose it is.
        reference: String,
        /// Every try.
        attempts: Vec<Attempt>,
    },
    /// The gateway stops before there was an answer.
    Stopping {
        /// The tries so far.
        attempts: Vec<Attempt>,
    },
}

/// The way of requests.
pub struct Relay {
    settings: ArcSwap<Settings>,
    connector: Arc<dyn Connector>,
    logins: Arc<Logins>,
    state: Arc<state::State>,
    sink: Sink,
    reload: ArcSwapOption<reload::Reload>,
    quotas: quota::Quotas,
}

impl Relay {
    /// Opens nothing.
    #[must_use]
    pub fn new(settings: Arc<Settings>, connector: Arc<dyn Connector>, sink: Sink) -> Self {
        let state = Arc::new(state::State::new());
        let reload = ArcSwapOption::empty();
        let logins = Arc::new(Logins::new(connector.clone()));
        let quotas = quota::Quotas::new(logins.clone());
        Self { settings: ArcSwap::new(settings), connector, logins, state, sink, reload, quotas }
    }

    /// The settings of now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// What rests, what is under way.
    #[must_use]
    pub fn state(&self) -> &state::State {
        &self.state
    }

    /// What the providers tell of their accounts.
    #[must_use]
    pub const fn quotas(&self) -> &quota::Quotas {
        &self.quotas
    }

    /// A body to be read, a request's or a whole answer's; together they have a limit.
    #[must_use]
    pub fn hold(&self) -> crate::protocol::held::Body {
        self.state.held().body(self.settings.load().gateway.held_limit())
    }

    /// The record of a request that is answered beside the way of requests, as it begins.
    #[must_use]
    pub fn begun(request: &ClientRequest) -> Record {
        track::begun(request)
    }

    /// Tells what such a request was, when it is over.
    pub fn tell(&self, record: Record) {
        (self.sink)(record);
    }

    /// What sends calls.
    #[must_use]
    pub fn connector(&self) -> Arc<dyn Connector> {
        self.connector.clone()
    }

    /// Every name that a client may ask for.
    #[must_use]
    pub fn offered(&self) -> Vec<plan::Offered> {
        plan::offered(&self.settings())
    }

    /// What a client gets for one name.
    ///
    /// # Errors
    /// [`Refusal::UnknownModel`].
    pub fn offer(&self, id: &str) -> Result<plan::Offered, Refusal> {
        let settings = self.settings();
        plan::check_name(id)?;
        let unknown = |nearest| Refusal::UnknownModel { requested: id.to_owned(), nearest };
        match settings.lookup(id) {
            Lookup::Found { chain, .. } => {
                let offers = |reference: &Reference| plan::offer(&settings, id, reference);
                chain.references.iter().find_map(offers).ok_or_else(|| unknown(Vec::new()))
            }
            Lookup::Unknown { nearest } => Err(unknown(nearest)),
        }
    }

    /// Answers a request in the face of its client, whatever faces the targets speak.
    ///
    /// # Errors
    /// With the refusal to show to the client, when no target answered before the head had to go out.
    pub async fn answer(&self, request: ClientRequest) -> Result<Answer, Refusal> {
        let settings = self.settings();
        let track = track::Track::new(self.sink.clone(), self.state.clone(), settings.clone(), &request);
        let planned = self.planned(&settings, &request, &track);
        let (body, requested, mut plan) = planned.inspect_err(|refusal| track.refused(refusal.reason()))?;
        let stay = affinity::conversation(&settings, &request, &requested, &body)
            .and_then(|conversation| self.state.stay(&conversation, &mut plan.targets));
        for warning in &plan.warnings {
            tracing::warn!(request_id = %request.id, "{warning}");
        }
        let streamed = body.wants_stream();
        let run = attempt::Run {
            deadline: settings.failover.total.map(|total| tokio::time::Instant::now() + total),
            state: self.state.clone(),
            logins: self.logins.clone(),
            request,
            bodies: bodies::Bodies::new(body, self.state.held().clone(), settings.gateway.held_limit()),
            plan,
            stay,
            track,
            settings,
        };
        if streamed { stream::answer(Arc::new(run)).await } else { run.whole_or_cut().await }
    }

    /// Reads a request, and plans who is asked.
    fn planned(
        &self,
        settings: &Arc<Settings>,
        request: &ClientRequest,
        track: &track::Track,
    ) -> Result<(RequestBody, String, plan::Plan), Refusal> {
        let body = RequestBody::parse(request.face, request.body.clone()).map_err(Refusal::Malformed)?;
        stateless::check(&body)?;
        let requested = body.string("model").ok_or(Refusal::NoModel)?;
        plan::check_name(&requested)?;
        track.asks(&requested, body.wants_stream());
        let user_agent = headers::user_agent(&request.headers);
        let plan = plan::plan(settings, &self.state, &requested, &body, user_agent)?;
        Ok((body, requested, plan))
    }
}

impl Refusal {
    /// The type of what went wrong.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) | Self::NoModel | Self::NotKept { .. } => Reason::BadRequest,
            Self::UnknownModel { .. } => Reason::ModelNotFound,
            Self::Failed { failure, .. } => failure.reason,
            Self::Unservable { .. } | Self::Stopping { .. } => Reason::Server,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "{what}"),
            Self::NoModel => f.write_str(
                "\"model\" must be a string of at most 256 bytes: a model's name, alias or provider/model",
            ),
            Self::NotKept { message, .. } => f.write_str(message),
            Self::UnknownModel { requested, nearest } => {
                write!(f, "no model, alias or route is called {requested:?}; ")?;
                if !nearest.is_empty() {
                    write!(f, "nearest: {}; ", nearest.join(", "))?;
                }
                f.write_str("a route in models.routes (a pattern such as \"claude-*\", too) says who answers to a name")
            }
            Self::Unservable { attempts } => {
                f.write_str("no target can serve this request")?;
                for attempt in attempts {
                    write!(f, "; {}: {}", attempt.reference, attempt.detail)?;
                }
                Ok(())
            }
            Self::Failed { failure, reference, attempts } => {
                write!(f, "{reference}: {}", failure.message)?;
                if attempts.len() > 1 {
                    write!(f, " (tried: {})", attempts_header(attempts))?;
                }
                Ok(())
            }
            Self::Stopping { .. } => {
                f.write_str("the gateway stops before the answer was complete; ask again")
            }
        }
    }
}

#[cfg(test)]
mod tests;
