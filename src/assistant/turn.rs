//! One turn: a message, the answer as it comes, and what it took.

mod execution;
mod model_choice;
mod model_request;
mod summary;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::backend::Backend;
use super::context::SystemPrompt;
use super::request::MessagesRequest;
use super::session::{History, Session, SessionError};
use super::tools::ToolSet;
use super::transcript::{AnswerUsage, ContentBlock, StopReason, TranscriptMessage};
use crate::catalog::ThinkingLevel;
use crate::config::settings::{Reference, Settings};
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;

use self::execution::TurnExecution;
pub use self::model_choice::ModelChoice;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct TurnRequest {
    /// The person's words.
    pub message: String,
    /// A reference, alias or route for this turn; else the session's, else `default`.
    pub model: Option<String>,
    /// For this turn; else the session's, else the configuration's.
    pub thinking: Option<ThinkingLevel>,
}

/// What is seen of a turn while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// A piece of text.
    Text(String),
    /// A piece of what the model thinks.
    Thinking(String),
    /// A tool is called.
    ToolCall {
        /// Which.
        tool: String,
        /// Its arguments, JSON.
        arguments: String,
    },
    /// The answer goes on after a tool; what comes now is of another request.
    NextRequest,
}

/// One try of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnAttempt {
    /// Who.
    pub target: Reference,
    /// `ok`, or the reason as in `x-moonrelay-attempts`.
    pub result: String,
    /// For people; empty where it succeeded.
    pub detail: String,
    /// How long it took.
    pub duration: Duration,
}

/// What came of a turn, whole or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnResult {
    /// Who answered last; `None`: nobody.
    pub answered_by: Option<Reference>,
    /// The primary of the chain that was asked.
    pub primary: Option<Reference>,
    /// Every try of every request, in their order.
    pub attempts: Vec<TurnAttempt>,
    /// The text of the last answer.
    pub text: String,
    /// All of the turn's requests together.
    pub usage: Option<AnswerUsage>,
    /// ISO 4217, of `spent.cost`.
    pub currency: Option<String>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// How long it took.
    pub duration: Duration,
}

impl TurnResult {
    /// Whether another one than the first of the chain answered.
    #[must_use]
    pub fn is_fallback_used(&self) -> bool {
        self.answered_by.is_some() && self.answered_by != self.primary
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
    pub result: Option<Box<TurnResult>>,
}

impl From<SessionError> for TurnFailure {
    fn from(error: SessionError) -> Self {
        Self { kind: "session_error", message: error.to_string(), result: None }
    }
}

/// Who can be asked: the gateway that runs, or a relay of our own.
pub struct Agent {
    settings: Arc<Settings>,
    backend: Backend,
    /// The system prompt.
    system: Option<String>,
    tools: ToolSet,
}

impl Agent {
    /// Asks there, with the workspace's system prompt, and offers these tools.
    #[must_use]
    pub fn new(backend: Backend, context: &SystemPrompt, tools: ToolSet) -> Self {
        let settings = backend.settings().clone();
        Self { settings, backend, system: context.text.clone(), tools }
    }

    /// Who would be asked, and how much thinking would be asked for, without asking.
    ///
    /// # Errors
    /// A name that leads nowhere (`unknown_model`), a level that the model does not have (`thinking_unsupported`), no
    /// default (`no_primary`).
    pub fn choose_model(&self, session: &Session, ask: &TurnRequest) -> Result<ModelChoice, TurnFailure> {
        model_choice::choose_model(
            &self.settings,
            session.model().as_ref(),
            session.thinking(),
            ask,
            self.backend.is_local(),
        )
    }

    /// Asks, and appends what was said to the session: the message at once, the answer when it is over (also a part of
    /// one that broke off or was stopped). Dropping the future stops the answer; what came until then is not kept, so
    /// whoever wants to stop it resolves `stop` instead.
    ///
    /// # Errors
    /// When there is no whole answer: nobody could be asked, or gave one, or it was stopped (`aborted`). Nothing is
    /// appended where the request cannot be made: see [`Self::chosen`]; and where no gateway runs (`gateway_down`).
    pub async fn run_turn(
        &self,
        session: &mut Session,
        ask: TurnRequest,
        stop: impl Future<Output = ()> + Send,
        seen: &mut (dyn FnMut(TurnEvent) + Send),
    ) -> Result<TurnResult, TurnFailure> {
        let choice = self.choose_model(session, &ask)?;
        self.backend.check_ready().await.map_err(|refused| TurnFailure {
            kind: refused.kind,
            message: refused.message,
            result: None,
        })?;
        session.append_message(TranscriptMessage::User {
            content: vec![ContentBlock::Text { text: ask.message }],
            timestamp: now_millis(),
        })?;
        let stop: Pin<&mut (dyn Future<Output = ()> + Send)> = pin!(stop);
        // Boxed: a turn is long, and its future would be copied at each step.
        Box::pin(TurnExecution::new(self, choice, seen).run(session, stop)).await
    }
}

/// Who would be asked, and the request, without asking.
///
/// # Errors
/// As [`Agent::chosen`].
pub fn explain_request(
    settings: &Settings,
    past: Option<&History>,
    ask: &TurnRequest,
    context: &SystemPrompt,
) -> Result<(ModelChoice, RequestBody), TurnFailure> {
    let model = past.and_then(History::model);
    let level = past.and_then(History::thinking);
    let choice = model_choice::choose_model(settings, model.as_ref(), level, ask, true)?;
    let said = TranscriptMessage::User {
        content: vec![ContentBlock::Text { text: ask.message.clone() }],
        timestamp: now_millis(),
    };
    let mut conversation = past.map(History::conversation).unwrap_or_default();
    conversation.push(&said);
    let summary = past.and_then(History::summary);
    let mut body = MessagesRequest::new(
        &choice.requested_model,
        choice.max_tokens,
        choice.thinking,
        summary,
        &conversation,
    );
    body.system = context.text.as_deref();
    let bytes = body.to_bytes();
    let body = RequestBody::parse(Api::Messages, bytes).map_err(|malformed| TurnFailure {
        kind: "bad_request",
        message: malformed.to_string(),
        result: None,
    })?;
    Ok((choice, body))
}

/// Milliseconds since 1970.
fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
