//! One turn: a user message, the streamed answer with its tool calls, and its usage.

use std::pin::pin;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::backend::{Backend, RequestResult, StopSignal};
use super::choice::ModelChoice;
use super::context::SystemPrompt;
use super::outcome::add_usage;
use super::request::{RequestContext, build_request};
use super::search::tool::{self, SearchTool};
use super::session::{Session, SessionError};
use super::transcript::reader::Transcript;
use super::transcript::{AssistantMessage, ContentBlock, StopReason, TranscriptMessage, now_millis};
use crate::config::settings::{Reference, Settings};
use crate::protocol::api::Api;
use crate::protocol::request::RequestBody;

pub use super::choice::TurnRequest;
pub use super::outcome::{TurnAttempt, TurnEvent, TurnFailure, TurnResult};

/// The number of answers that may call tools; the next request forbids tool calls.
const MAX_TOOL_ROUNDS: usize = 6;

const SUMMARY_PROMPT: &str = "Summarise our conversation so far, so that you can continue from the summary alone: what I want, \
    what was decided and why, names, numbers, paths and code that still matter, and what is open. Write in the language \
    of the conversation. Answer with the summary only.";

/// Runs turns through the running gateway or from this process.
pub struct Agent {
    backend: Backend,
    /// The system prompt.
    system: Option<String>,
    search: Option<SearchTool>,
    /// The definitions of the tools.
    tools: Vec<Value>,
}

impl Agent {
    /// Uses this backend, with the workspace's system prompt, and web search if the model may use it.
    #[must_use]
    pub fn new(backend: Backend, context: &SystemPrompt, search: Option<SearchTool>) -> Self {
        let tools = search.iter().map(|_| tool::definition()).collect();
        Self { backend, system: context.text.clone(), search, tools }
    }

    /// Selects the target and thinking level without sending a request.
    ///
    /// # Errors
    /// An unknown name (`unknown_model`), an unsupported level (`thinking_unsupported`), or no default
    /// (`no_primary`).
    pub fn choose_model(&self, session: &Session, request: &TurnRequest) -> Result<ModelChoice, TurnFailure> {
        ModelChoice::new(self.backend.settings(), Some(session), request, self.backend.is_local())
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
        request: TurnRequest,
        stop: impl Future<Output = ()> + Send,
        on_event: &mut (dyn FnMut(TurnEvent) + Send),
    ) -> Result<TurnResult, TurnFailure> {
        let choice = self.choose_model(session, &request)?;
        self.backend.check_ready().await?;
        session.append_message(TranscriptMessage::user(request.message))?;
        let stop: StopSignal<'_> = pin!(stop);
        // Boxed, because moving the large future would copy it.
        Box::pin(TurnExecution::new(self, choice, on_event).run(session, stop)).await
    }

    async fn call_tool(&self, name: &str, arguments: &Value) -> Result<String, String> {
        match &self.search {
            Some(search) => search.call(name, arguments).await,
            None => Err(format!("no tool is called {name:?}; there are none")),
        }
    }

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
        self.backend.check_ready().await?;
        let body = build_question(&choice, self.system.as_deref(), Some(session), SUMMARY_PROMPT.to_owned());
        let mut stop: StopSignal<'_> = pin!(stop);
        let made = Box::pin(self.backend.run_request(body, session.id(), &mut stop, &mut |_| {})).await;
        made.end?;
        match made.answer.text().trim() {
            "" => Err(TurnFailure::new("server", "the model returned an empty answer")),
            text => Ok(text.to_owned()),
        }
    }
}

/// The request for an answer to a message, between two turns of a session.
fn build_question(
    choice: &ModelChoice,
    system: Option<&str>,
    session: Option<&Transcript>,
    message: String,
) -> Bytes {
    let mut conversation =
        session.map(|session| session.conversation(session.entries().len())).unwrap_or_default();
    conversation.push(TranscriptMessage::user(message));
    let summary = session.and_then(Transcript::summary);
    build_request(choice, RequestContext { system, summary, ..RequestContext::default() }, &conversation)
}

/// The targets and the request, without sending it.
pub fn explain_request(
    settings: &Settings,
    session: Option<&Transcript>,
    request: &TurnRequest,
    system: &SystemPrompt,
) -> Result<(ModelChoice, RequestBody), TurnFailure> {
    let choice = ModelChoice::new(settings, session, request, true)?;
    let body = build_question(&choice, system.text.as_deref(), session, request.message.clone());
    let body = RequestBody::parse(Api::Messages, body);
    let body = body.map_err(|malformed| TurnFailure::new("bad_request", malformed.to_string()))?;
    Ok((choice, body))
}

/// A turn in progress: sends requests as long as the model calls tools.
struct TurnExecution<'a> {
    agent: &'a Agent,
    choice: ModelChoice,
    on_event: &'a mut (dyn FnMut(TurnEvent) + Send),
    started_at: Instant,
    /// Without its currency and duration.
    result: TurnResult,
}

impl<'a> TurnExecution<'a> {
    fn new(agent: &'a Agent, choice: ModelChoice, on_event: &'a mut (dyn FnMut(TurnEvent) + Send)) -> Self {
        let result = TurnResult {
            answered_by: None,
            primary: choice.chain.first().cloned(),
            attempts: Vec::new(),
            text: String::new(),
            usage: None,
            currency: None,
            stop_reason: StopReason::Stop,
            duration: std::time::Duration::ZERO,
        };
        Self { agent, choice, on_event, started_at: Instant::now(), result }
    }

    async fn run(
        mut self,
        session: &mut Session,
        mut stop: StopSignal<'_>,
    ) -> Result<TurnResult, TurnFailure> {
        for round in 0.. {
            let body = self.build_request(session, round);
            let backend = &self.agent.backend;
            let made = backend.run_request(body, session.id(), &mut stop, self.on_event).await;
            let calls = self.append_answer(session, made)?;
            if calls.is_empty() {
                break;
            }
            // A model that calls tools although they are no longer allowed ends the turn with its answer.
            let is_last = round == MAX_TOOL_ROUNDS;
            let refusal = is_last.then_some("not called: too many calls in this turn");
            if !self.call_tools(session, &calls, refusal, &mut stop).await? {
                return Err(self.fail(TurnFailure::aborted()));
            }
            if is_last {
                self.result.stop_reason = StopReason::Stop;
                break;
            }
            (self.on_event)(TurnEvent::NextRequest);
        }
        Ok(self.result())
    }

    fn build_request(&self, session: &Session, round: usize) -> Bytes {
        let context = RequestContext {
            system: self.agent.system.as_deref(),
            tools: &self.agent.tools,
            are_calls_forbidden: round == MAX_TOOL_ROUNDS,
            summary: session.summary(),
        };
        build_request(&self.choice, context, &session.conversation())
    }

    /// Appends the answer to a request. Returns its tool calls, or none if it ends the turn.
    fn append_answer(
        &mut self,
        session: &mut Session,
        made: RequestResult,
    ) -> Result<Vec<ContentBlock>, TurnFailure> {
        let RequestResult { answer, outcome, end } = made;
        let settings = self.agent.backend.settings();
        let mut usage = None;
        add_usage(&mut usage, settings, &outcome.attempts);
        add_usage(&mut self.result.usage, settings, &outcome.attempts);
        self.result.attempts.extend(outcome.attempts.into_iter().map(|used| used.attempt));
        let first = self.result.attempts.first();
        self.result.primary = self.result.primary.take().or_else(|| first.map(|first| first.target.clone()));
        let target = outcome.answered_by.clone().or_else(|| self.result.primary.clone());
        let target = target.unwrap_or_else(|| Reference {
            provider: String::new(),
            model: self.choice.requested_model.clone(),
        });
        self.result.answered_by = outcome.answered_by.or(self.result.answered_by.take());
        self.result.text = answer.text();
        self.result.stop_reason = match &end {
            Ok(()) => answer.stop_reason().unwrap_or(StopReason::Stop),
            Err(failure) => failure.stop_reason(),
        };
        let content = answer.blocks();
        let is_call = |block: &&ContentBlock| matches!(block, ContentBlock::ToolCall { .. });
        let calls: Vec<ContentBlock> = content.iter().filter(is_call).cloned().collect();
        let failed = end.as_ref().err().filter(|failure| failure.stop_reason() == StopReason::Error);
        let appended = session.append_message(TranscriptMessage::Assistant(Box::new(AssistantMessage {
            content,
            api: outcome.api.unwrap_or_else(|| Api::Messages.as_str().to_owned()),
            provider: target.provider,
            model: target.model,
            usage,
            stop_reason: self.result.stop_reason,
            error_message: failed.map(|failure| failure.message.clone()),
            timestamp: now_millis(),
            response_id: answer.response_id,
        })));
        appended.map_err(|error| self.append_failure(error))?;
        end.map_err(|failure| self.fail(failure))?;
        Ok(if self.result.stop_reason == StopReason::ToolUse { calls } else { Vec::new() })
    }

    /// Calls the tools and appends their results; false if the user stops the turn. Every call then has a result,
    /// because providers require one.
    async fn call_tools(
        &mut self,
        session: &mut Session,
        calls: &[ContentBlock],
        refusal: Option<&str>,
        stop: &mut StopSignal<'_>,
    ) -> Result<bool, TurnFailure> {
        let mut is_stopped = false;
        for call in calls {
            let ContentBlock::ToolCall { id, name, arguments } = call else { continue };
            let result = if is_stopped {
                Err("not called: the user stopped the turn".to_owned())
            } else if let Some(why) = refusal {
                Err(why.to_owned())
            } else {
                (self.on_event)(TurnEvent::ToolCall { tool: name.clone(), arguments: arguments.to_string() });
                tokio::select! {
                    biased;
                    () = stop.as_mut() => {
                        is_stopped = true;
                        Err("the user stopped the turn".to_owned())
                    }
                    result = self.agent.call_tool(name, arguments) => result,
                }
            };
            let is_error = result.is_err();
            let (Ok(text) | Err(text)) = result;
            let appended = session.append_message(TranscriptMessage::ToolResult {
                tool_call_id: id.clone(),
                tool_name: name.clone(),
                content: vec![ContentBlock::Text { text }],
                is_error,
                timestamp: now_millis(),
            });
            appended.map_err(|error| self.append_failure(error))?;
        }
        Ok(!is_stopped)
    }

    fn result(&self) -> TurnResult {
        TurnResult {
            currency: self.result.usage.and_then(|usage| usage.cost).map(|cost| cost.currency.into()),
            duration: self.started_at.elapsed(),
            ..self.result.clone()
        }
    }

    /// A disk error must not withhold a received and paid answer from the user.
    fn append_failure(&self, error: SessionError) -> TurnFailure {
        self.fail(error.into())
    }

    /// The failure with the partial result.
    fn fail(&self, failure: TurnFailure) -> TurnFailure {
        let result = TurnResult { stop_reason: failure.stop_reason(), ..self.result() };
        TurnFailure { result: Some(Box::new(result)), ..failure }
    }
}
