//! One turn: a user message, the streamed answer, and its usage.

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

/// The input of a turn.
#[derive(Clone, Debug, Default)]
pub struct TurnRequest {
    /// The user's message.
    pub message: String,
    /// Reference, alias or route for this turn [default: the session's, else `default`].
    pub model: Option<String>,
    /// Thinking level for this turn; else the session's, else the configuration's.
    pub thinking: Option<ThinkingLevel>,
}

/// Events of a running turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// A text delta.
    Text(String),
    /// A thinking delta.
    Thinking(String),
    /// A tool call.
    ToolCall {
        /// The tool's name.
        tool: String,
        /// Its arguments, JSON.
        arguments: String,
    },
    /// The answer continues after a tool call, in another request.
    NextRequest,
}

/// One attempt at one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnAttempt {
    /// The target.
    pub target: Reference,
    /// `ok`, or the reason as in `x-moonrelay-attempts`.
    pub result: String,
    /// Message for the user; empty on success.
    pub detail: String,
    /// Duration.
    pub duration: Duration,
}

/// The result of a turn, complete or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnResult {
    /// The target that answered last; `None` if no target answered.
    pub answered_by: Option<Reference>,
    /// The primary of the requested chain.
    pub primary: Option<Reference>,
    /// The attempts of all requests in order.
    pub attempts: Vec<TurnAttempt>,
    /// The text of the last answer.
    pub text: String,
    /// Usage of all the turn's requests.
    pub usage: Option<AnswerUsage>,
    /// ISO 4217, of `spent.cost`.
    pub currency: Option<String>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Duration.
    pub duration: Duration,
}

impl TurnResult {
    /// Whether a fallback answered.
    #[must_use]
    pub fn is_fallback_used(&self) -> bool {
        self.answered_by.is_some() && self.answered_by != self.primary
    }
}

/// Why a turn has no complete answer.
#[derive(Debug)]
pub struct TurnFailure {
    /// A type as in contract 2's error objects: a failure's reason, `unknown_model`, `thinking_unsupported`,
    /// `no_primary`, `gateway_down`, `session_error`, `aborted` (the person stopped it).
    pub kind: &'static str,
    /// Message for the user, with the fix.
    pub message: String,
    /// The partial result.
    pub result: Option<Box<TurnResult>>,
}

impl From<SessionError> for TurnFailure {
    fn from(error: SessionError) -> Self {
        Self { kind: "session_error", message: error.to_string(), result: None }
    }
}

/// Runs turns through the running gateway or from this process.
pub struct Agent {
    settings: Arc<Settings>,
    backend: Backend,
    /// The system prompt.
    system: Option<String>,
    tools: ToolSet,
}

impl Agent {
    /// Uses this backend, with the workspace's system prompt and these tools.
    #[must_use]
    pub fn new(backend: Backend, context: &SystemPrompt, tools: ToolSet) -> Self {
        let settings = backend.settings().clone();
        Self { settings, backend, system: context.text.clone(), tools }
    }

    /// Selects the target and thinking level without sending a request.
    ///
    /// # Errors
    /// An unknown name (`unknown_model`), an unsupported level (`thinking_unsupported`), or no default
    /// (`no_primary`).
    pub fn choose_model(&self, session: &Session, ask: &TurnRequest) -> Result<ModelChoice, TurnFailure> {
        model_choice::choose_model(
            &self.settings,
            session.model().as_ref(),
            session.thinking(),
            ask,
            self.backend.is_local(),
        )
    }

    /// Runs the turn. Appends the user message to the session at once, and the answer at its end, also if it is
    /// partial. Dropping the future stops the answer and loses its text; resolve `stop` to keep it.
    ///
    /// # Errors
    /// When there is no complete answer: no target was available or answered, or the user stopped it
    /// (`aborted`). Nothing is appended if the request cannot be built or no gateway runs (`gateway_down`).
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
        // Boxed, because moving the large future would copy it.
        Box::pin(TurnExecution::new(self, choice, seen).run(session, stop)).await
    }
}

/// The targets and the request, without sending it.
///
/// # Errors
/// As [`Agent::choose_model`].
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
