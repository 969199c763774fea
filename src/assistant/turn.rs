//! One turn: a message, the answer as it comes, and what it took.

mod choice;
mod run;
mod step;
mod summary;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::context::Context;
use super::exchange::Exchange;
use super::request::Body;
use super::session::{Past, Session, SessionError};
use super::tools::Tools;
use super::transcript::{Block, Message, Spent, Stop};
use crate::catalog::ThinkingLevel;
use crate::config::settings::{Reference, Settings};
use crate::protocol::face::Face;
use crate::protocol::request::RequestBody;

pub use self::choice::Choice;
use self::run::Run;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The person's words.
    pub message: String,
    /// A reference, alias or route for this turn; else the session's, else `default`.
    pub model: Option<String>,
    /// For this turn; else the session's, else the configuration's.
    pub thinking: Option<ThinkingLevel>,
}

/// What is seen of a turn while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A piece of text.
    Text(String),
    /// A piece of what the model thinks.
    Thinking(String),
    /// A tool is called.
    Calls {
        /// Which.
        tool: String,
        /// Its arguments, JSON.
        arguments: String,
    },
    /// The answer goes on after a tool; what comes now is of another request.
    Again,
}

/// One try of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Who.
    pub target: Reference,
    /// `ok`, or the reason as in `x-moonrelay-attempts`.
    pub result: String,
    /// For people; empty where it succeeded.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// What came of a turn, whole or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Who answered last; `None`: nobody.
    pub answered: Option<Reference>,
    /// The primary of the chain that was asked.
    pub asked: Option<Reference>,
    /// Every try of every request, in their order.
    pub attempts: Vec<Tried>,
    /// The text of the last answer.
    pub text: String,
    /// All of the turn's requests together.
    pub spent: Option<Spent>,
    /// ISO 4217, of `spent.cost`.
    pub currency: Option<String>,
    /// Why it ended.
    pub stop: Stop,
    /// How long it took.
    pub took: Duration,
}

impl Turned {
    /// Whether another one than the first of the chain answered.
    #[must_use]
    pub fn fallback_used(&self) -> bool {
        self.answered.is_some() && self.answered != self.asked
    }
}

/// Why a turn has no whole answer.
#[derive(Debug)]
pub struct TurnFailure {
    /// A type as in contract 2's error objects: a failure's reason, `unknown_model`, `thinking_unsupported`,
    /// `no_primary`, `gateway_down`, `session_error`, `aborted` (the person stopped it).
    pub kind: &'static str,
    /// For people, with the fix.
    pub message: String,
    /// What came all the same.
    pub turned: Option<Box<Turned>>,
}

impl From<SessionError> for TurnFailure {
    fn from(error: SessionError) -> Self {
        Self { kind: "session_error", message: error.to_string(), turned: None }
    }
}

/// Who can be asked: the gateway that runs, or a relay of our own.
pub struct Agent {
    settings: Arc<Settings>,
    exchange: Exchange,
    /// The system prompt.
    system: Option<String>,
    tools: Tools,
}

impl Agent {
    /// Asks there, with the workspace's system prompt, and offers these tools.
    #[must_use]
    pub fn new(exchange: Exchange, context: &Context, tools: Tools) -> Self {
        let settings = exchange.settings().clone();
        Self { settings, exchange, system: context.prompt.clone(), tools }
    }

    /// Who would be asked, and how much thinking would be asked for, without asking.
    ///
    /// # Errors
    /// A name that leads nowhere (`unknown_model`), a level that the model does not have (`thinking_unsupported`), no
    /// default (`no_primary`).
    pub fn chosen(&self, session: &Session, ask: &Ask) -> Result<Choice, TurnFailure> {
        choice::choose(
            &self.settings,
            session.model().as_ref(),
            session.thinking(),
            ask,
            self.exchange.is_local(),
        )
    }

    /// Asks, and appends what was said to the session: the message at once, the answer when it is over (also a part of
    /// one that broke off or was stopped). Dropping the future stops the answer; what came until then is not kept, so
    /// whoever wants to stop it resolves `stop` instead.
    ///
    /// # Errors
    /// When there is no whole answer: nobody could be asked, or gave one, or it was stopped (`aborted`). Nothing is
    /// appended where the request cannot be made: see [`Self::chosen`]; and where no gateway runs (`gateway_down`).
    pub async fn turn(
        &self,
        session: &mut Session,
        ask: Ask,
        stop: impl Future<Output = ()> + Send,
        seen: &mut (dyn FnMut(Seen) + Send),
    ) -> Result<Turned, TurnFailure> {
        let choice = self.chosen(session, &ask)?;
        self.exchange.ready().await.map_err(|refused| TurnFailure {
            kind: refused.kind,
            message: refused.message,
            turned: None,
        })?;
        session
            .say(Message::User { content: vec![Block::Text { text: ask.message }], timestamp: millis() })?;
        let stop: Pin<&mut (dyn Future<Output = ()> + Send)> = pin!(stop);
        // Boxed: a turn is long, and its future would be copied at each step.
        Box::pin(Run::new(self, choice, seen).run(session, stop)).await
    }
}

/// Who would be asked, and the request, without asking.
///
/// # Errors
/// As [`Agent::chosen`].
pub fn explain(
    settings: &Settings,
    past: Option<&Past>,
    ask: &Ask,
    context: &Context,
) -> Result<(Choice, RequestBody), TurnFailure> {
    let model = past.and_then(Past::model);
    let level = past.and_then(Past::thinking);
    let choice = choice::choose(settings, model.as_ref(), level, ask, true)?;
    let said =
        Message::User { content: vec![Block::Text { text: ask.message.clone() }], timestamp: millis() };
    let mut conversation = past.map(Past::conversation).unwrap_or_default();
    conversation.push(&said);
    let summary = past.and_then(Past::summary);
    let mut body = Body::new(&choice.name, choice.max_tokens, choice.thinking, summary, &conversation);
    body.system = context.prompt.as_deref();
    let bytes = body.bytes();
    let body = RequestBody::parse(Face::Messages, bytes).map_err(|malformed| TurnFailure {
        kind: "bad_request",
        message: malformed.to_string(),
        turned: None,
    })?;
    Ok((choice, body))
}

/// Milliseconds since 1970.
fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
