//! One turn: a message, the answer as it comes, and what it took.

use std::time::Duration;

use super::session::{Session, SessionError};
use super::transcript::{Spent, Stop};
use crate::catalog::ThinkingLevel;
use crate::config::settings::Reference;

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
    /// A type as in contract 2's error objects: a failure's reason, `unknown_model`, `gateway_down`, `session_error`.
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
pub struct Agent {}

impl Agent {
    /// Asks, and appends what was said to the session: the message at once, the answer when it is over (also a part of
    /// one that broke off or was stopped). Dropping the future stops the answer; what came until then is not kept, so
    /// whoever wants to stop it resolves `stop` instead.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn turn(
        &self,
        session: &mut Session,
        ask: Ask,
        stop: impl Future<Output = ()> + Send,
        seen: &mut (dyn FnMut(Seen) + Send),
    ) -> Result<Turned, TurnFailure> {
        let _ = (session, ask, stop, seen);
        Err(TurnFailure { kind: "server", message: "not built yet".to_owned(), turned: None })
    }
}
