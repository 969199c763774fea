//! One turn: a user message, the streamed answer, and its usage.

mod execution;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::assistant::backend::Backend;
use crate::assistant::context::SystemPrompt;
use crate::assistant::request::MessagesRequest;
use crate::assistant::session::{History, Session, SessionError};
use crate::assistant::thinking::{self, ThinkingLevels};
use crate::assistant::tools::ToolSet;
use crate::assistant::transcript::{ContentBlock, TranscriptMessage};
use crate::assistant::turn::execution::TurnExecution;
use crate::assistant::turn::execution::{RequestEnd, run_request};
use crate::catalog::ThinkingLevel;
use crate::config::settings::{Lookup, Reference, Settings};
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;
use crate::routing::request_bodies::default_output_limit;

pub use super::outcome::{TurnAttempt, TurnEvent, TurnFailure, TurnResult};

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
        choose_model(
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
    let choice = choose_model(settings, model.as_ref(), level, ask, true)?;
    let question = TranscriptMessage::User {
        content: vec![ContentBlock::Text { text: ask.message.clone() }],
        timestamp: now_millis(),
    };
    let mut conversation = past.map(History::conversation).unwrap_or_default();
    conversation.push(&question);
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

/// The name of the chain of `agents.defaults.model`.
const DEFAULT_CHAIN: &str = "default";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChoice {
    /// The requested name: a reference, an alias, a route or `default`.
    pub requested_model: String,
    /// The resolved targets, in the order in which they are tried. Empty if only the gateway knows them.
    pub chain: Vec<Reference>,
    /// `None` leaves it to the configuration.
    pub thinking: Option<ThinkingLevel>,
    /// The maximum answer size requested, in tokens: at most what every model of the chain supports.
    pub max_tokens: u64,
}

impl ModelChoice {
    /// The target that is tried first.
    #[must_use]
    pub fn primary(&self) -> Option<&Reference> {
        self.chain.first()
    }
}

/// What of a session, a question and the configuration counts. `is_local`: keys of this process are those that count.
pub(super) fn choose_model(
    settings: &Settings,
    of_session: Option<&Reference>,
    session_level: Option<&str>,
    ask: &TurnRequest,
    is_local: bool,
) -> Result<ModelChoice, TurnFailure> {
    let name = ask.model.clone().or_else(|| of_session.map(ToString::to_string));
    let name = name.unwrap_or_else(|| DEFAULT_CHAIN.to_owned());
    let chain = match settings.lookup(&name) {
        Lookup::Resolved { chain, .. } => chain.references,
        Lookup::Unknown { nearest } => return Err(unknown_model_failure(&name, &nearest)),
    };
    if chain.is_empty() && is_local {
        return Err(no_primary_failure(settings));
    }
    let levels = chain.first().map(|first| (first, ThinkingLevels::for_reference(settings, first)));
    let thinking = match (ask.thinking, levels) {
        (Some(level), Some((first, levels))) if !levels.supports(level) => {
            return Err(turn_failure("thinking_unsupported", levels.unsupported_message(level, first)));
        }
        (Some(level), _) => Some(level),
        // What was chosen for another model, and this one does not have, is left to it.
        (None, levels) => session_level
            .and_then(thinking::parse_level)
            .filter(|level| levels.is_none_or(|(_, levels)| levels.supports(*level))),
    };
    let most = |reference: &Reference| {
        let provider = settings.providers.get(&reference.provider)?;
        Some(default_output_limit(provider.find_model(&reference.model)?.as_ref()))
    };
    let max_tokens = chain.iter().filter_map(most).min().unwrap_or(32_000);
    Ok(ModelChoice { requested_model: name, chain, thinking, max_tokens })
}

fn turn_failure(kind: &'static str, message: String) -> TurnFailure {
    TurnFailure { kind, message, result: None }
}

fn unknown_model_failure(name: &str, nearest: &[String]) -> TurnFailure {
    let nearest =
        if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
    turn_failure("unknown_model", format!("no model, alias or route is called {name:?}{nearest}"))
}

fn no_primary_failure(settings: &Settings) -> TurnFailure {
    let mut message =
        "there is no default model, and no provider has a key. Run `moonrelay onboard`, or add a key and run \
         `moonrelay models set REF`"
            .to_owned();
    for warning in &settings.warnings {
        message.push_str(&format!("\n  {}: {}", warning.path, warning.message));
    }
    turn_failure("no_primary", message)
}

/// The prompt.
const SUMMARY_PROMPT: &str = "Summarise our conversation so far, so that you can continue from the summary alone: what I want, \
    what was decided and why, names, numbers, paths and code that still matter, and what is open. Write in the language \
    of the conversation. Answer with the summary only.";

impl Agent {
    /// Requests a summary of the conversation from the session's model. The session is not changed.
    ///
    /// # Errors
    /// When the answer is incomplete or empty, or when `stop` resolves first (`aborted`).
    pub async fn summarize(
        &self,
        session: &Session,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<String, TurnFailure> {
        let choice = self.choose_model(session, &TurnRequest::default())?;
        let failure = |kind, message| TurnFailure { kind, message, result: None };
        self.backend.check_ready().await.map_err(|refused| failure(refused.kind, refused.message))?;
        let request = TranscriptMessage::User {
            content: vec![ContentBlock::Text { text: SUMMARY_PROMPT.to_owned() }],
            timestamp: now_millis(),
        };
        let mut conversation = session.conversation();
        conversation.push(&request);
        let (name, most, level) = (&choice.requested_model, choice.max_tokens, choice.thinking);
        let mut body = MessagesRequest::new(name, most, level, session.summary(), &conversation);
        body.system = self.system.as_deref();
        let mut stop: Pin<&mut (dyn Future<Output = ()> + Send)> = pin!(stop);
        let bytes = body.to_bytes();
        let made = Box::pin(run_request(&self.backend, bytes, session.id(), &mut stop, &mut |_| {})).await;
        let text = made.answer.text();
        match made.end {
            RequestEnd::Complete if text.trim().is_empty() => {
                Err(failure("server", "the model returned an empty answer".to_owned()))
            }
            RequestEnd::Complete => Ok(text.trim().to_owned()),
            RequestEnd::Stopped => Err(failure("aborted", "it was stopped".to_owned())),
            RequestEnd::Failed(kind, message) => Err(failure(kind, message)),
        }
    }
}
