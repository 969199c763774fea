//! A turn in progress: sends requests as long as the model calls tools.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::Instant;

use crate::assistant::answer_reader::AnswerReader;
use crate::assistant::backend::{Backend, BackendError, BackendResponse};
use crate::assistant::outcome::{RequestOutcome, UsageTotals};
use crate::assistant::request::MessagesRequest;
use crate::assistant::session::{Session, SessionError};
use crate::assistant::transcript::{self, AssistantMessage, ContentBlock, TranscriptMessage};
use crate::assistant::turn::{
    Agent, ModelChoice, TurnAttempt, TurnEvent, TurnFailure, TurnResult, now_millis,
};
use crate::config::settings::Reference;
use crate::failure::Reason;
use crate::protocol::api::Api;

/// The number of answers that may call tools; the next request forbids tool calls.
const MAX_TOOL_ROUNDS: usize = 6;

/// See the module.
pub(super) struct TurnExecution<'a> {
    agent: &'a Agent,
    choice: ModelChoice,
    on_event: &'a mut (dyn FnMut(TurnEvent) + Send),
    started_at: Instant,
    answered_by: Option<Reference>,
    attempts: Vec<TurnAttempt>,
    text: String,
    usage: UsageTotals,
}

/// What follows a request.
enum NextAction {
    Finish(transcript::StopReason),
    CallTools(Vec<ContentBlock>),
    Fail(&'static str, String),
}

impl<'a> TurnExecution<'a> {
    pub(super) fn new(
        agent: &'a Agent,
        choice: ModelChoice,
        on_event: &'a mut (dyn FnMut(TurnEvent) + Send),
    ) -> Self {
        let (answered_by, attempts, text) = (None, Vec::new(), String::new());
        Self {
            agent,
            choice,
            on_event,
            started_at: Instant::now(),
            answered_by,
            attempts,
            text,
            usage: UsageTotals::default(),
        }
    }

    pub(super) async fn run(
        mut self,
        session: &mut Session,
        mut stop: StopSignal<'_>,
    ) -> Result<TurnResult, TurnFailure> {
        let mut round = 0;
        loop {
            let body = self.request_body(session, round);
            let made = run_request(&self.agent.backend, body, session.id(), &mut stop, self.on_event).await;
            let next = self.append_answer(session, &made)?;
            let calls = match next {
                NextAction::Finish(stop) => return Ok(self.to_result(stop)),
                NextAction::Fail(kind, message) => return Err(self.failure(kind, message)),
                NextAction::CallTools(calls) => calls,
            };
            // A model that calls tools although they are no longer allowed ends the turn with its answer.
            let refusal = (round == MAX_TOOL_ROUNDS).then_some("not called: too many calls in this turn");
            if !self.call_tools(session, &calls, refusal, &mut stop).await? {
                return Err(self.failure("aborted", "it was stopped".to_owned()));
            }
            if refusal.is_some() {
                return Ok(self.to_result(transcript::StopReason::Stop));
            }
            round += 1;
            (self.on_event)(TurnEvent::NextRequest);
        }
    }

    fn request_body(&self, session: &Session, round: usize) -> bytes::Bytes {
        let conversation = session.conversation();
        let ModelChoice { requested_model: name, max_tokens, thinking, .. } = &self.choice;
        let mut body = MessagesRequest::new(name, *max_tokens, *thinking, session.summary(), &conversation);
        body.system = self.agent.system.as_deref();
        body.tools = self.agent.tools.definitions();
        if round == MAX_TOOL_ROUNDS && !body.tools.is_empty() {
            body.tool_choice = Some(json!({"type": "none"}));
        }
        body.to_bytes()
    }

    /// Appends the answer of a request, and decides what follows.
    fn append_answer(
        &mut self,
        session: &mut Session,
        step: &RequestResult,
    ) -> Result<NextAction, TurnFailure> {
        let RequestResult { answer, outcome, end } = step;
        let mut own = UsageTotals::default();
        own.add(&self.agent.settings, &outcome.attempts);
        self.usage.add(&self.agent.settings, &outcome.attempts);
        self.attempts.extend(outcome.attempts.iter().map(|used| used.attempt.clone()));
        if outcome.answered_by.is_some() {
            self.answered_by.clone_from(&outcome.answered_by);
        }
        self.text = answer.text();
        let (stop_reason, error_message) = match end {
            RequestEnd::Complete => (answer.stop_reason().unwrap_or(transcript::StopReason::Stop), None),
            RequestEnd::Stopped => (transcript::StopReason::Aborted, None),
            RequestEnd::Failed(_, message) => (transcript::StopReason::Error, Some(message.clone())),
        };
        let content = answer.blocks();
        let calls = content.iter().filter(|block| matches!(block, ContentBlock::ToolCall { .. })).cloned();
        let calls: Vec<ContentBlock> = calls.collect();
        let target = outcome.answered_by.as_ref().or_else(|| self.primary()).cloned();
        let target = target.unwrap_or_else(|| Reference {
            provider: String::new(),
            model: self.choice.requested_model.clone(),
        });
        let appended = session.append_message(TranscriptMessage::Assistant(Box::new(AssistantMessage {
            content,
            api: outcome.api.clone().unwrap_or_else(|| Api::Messages.as_str().to_owned()),
            provider: target.provider,
            model: target.model,
            usage: own.total(),
            stop_reason,
            error_message,
            timestamp: now_millis(),
            response_id: answer.response_id.clone(),
        })));
        appended.map_err(|error| self.append_failure(&error))?;
        Ok(match end {
            RequestEnd::Complete if stop_reason == transcript::StopReason::ToolUse && !calls.is_empty() => {
                NextAction::CallTools(calls)
            }
            RequestEnd::Complete => NextAction::Finish(stop_reason),
            RequestEnd::Stopped => NextAction::Fail("aborted", "it was stopped".to_owned()),
            RequestEnd::Failed(kind, message) => NextAction::Fail(kind, message.clone()),
        })
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
                    result = self.agent.tools.call(name, arguments) => result,
                }
            };
            let (is_error, text) = match result {
                Ok(text) => (false, text),
                Err(why) => (true, why),
            };
            let appended = session.append_message(TranscriptMessage::ToolResult {
                tool_call_id: id.clone(),
                tool_name: name.clone(),
                content: vec![ContentBlock::Text { text }],
                is_error,
                timestamp: now_millis(),
            });
            appended.map_err(|error| self.append_failure(&error))?;
        }
        Ok(!is_stopped)
    }

    /// The primary of the chain that was requested.
    fn primary(&self) -> Option<&Reference> {
        self.choice.primary().or_else(|| self.attempts.first().map(|attempt| &attempt.target))
    }

    fn to_result(&self, stop: transcript::StopReason) -> TurnResult {
        TurnResult {
            answered_by: self.answered_by.clone(),
            primary: self.primary().cloned(),
            attempts: self.attempts.clone(),
            text: self.text.clone(),
            usage: self.usage.total(),
            currency: self.usage.currency(),
            stop_reason: stop,
            duration: self.started_at.elapsed(),
        }
    }

    /// A disk error must not withhold a received and paid answer from the user.
    fn append_failure(&self, error: &SessionError) -> TurnFailure {
        self.failure("session_error", error.to_string())
    }

    fn failure(&self, kind: &'static str, message: String) -> TurnFailure {
        let stop =
            if kind == "aborted" { transcript::StopReason::Aborted } else { transcript::StopReason::Error };
        TurnFailure { kind, message, result: Some(Box::new(self.to_result(stop))) }
    }
}

/// Resolves when the user stops the turn.
pub(super) type StopSignal<'s> = Pin<&'s mut (dyn Future<Output = ()> + Send)>;

/// How a request ended.
#[derive(Debug)]
pub(super) enum RequestEnd {
    /// Its answer is complete.
    Complete,
    /// The user stopped it.
    Stopped,
    /// It failed, before the answer or during it: type and message.
    Failed(&'static str, String),
}

/// The result of a request.
pub(super) struct RequestResult {
    pub(super) answer: AnswerReader,
    pub(super) outcome: RequestOutcome,
    pub(super) end: RequestEnd,
}

/// Sends the request, displays the answer as it arrives, and returns the outcome.
pub(super) async fn run_request(
    backend: &Backend,
    body: Bytes,
    session: &str,
    stop: &mut StopSignal<'_>,
    seen: &mut (dyn FnMut(TurnEvent) + Send),
) -> RequestResult {
    let mut answer = AnswerReader::new();
    let response = tokio::select! {
        biased;
        () = stop.as_mut() => None,
        reply = backend.send_request(body, session) => Some(reply),
    };
    let (id, head, mut end) = match response {
        None => (None, RequestOutcome::default(), RequestEnd::Stopped),
        Some(Err(BackendError { kind, message, id, header_outcome: head })) => {
            (id, head, RequestEnd::Failed(kind, message))
        }
        Some(Ok(reply)) => {
            let (id, head) = (reply.id.clone(), reply.header_outcome.clone());
            let end = read_answer(reply, &mut answer, stop, seen).await;
            (Some(id), head, end)
        }
    };
    // The connection is closed by now, so the record of the stopped request will arrive soon.
    let outcome = backend.fetch_outcome(id.as_deref()).await.unwrap_or(head);
    if let (RequestEnd::Failed(kind, _), Some(reason)) = (&mut end, outcome.reason())
        && *kind == Reason::Server.as_str()
    {
        *kind = reason.as_str();
    }
    RequestResult { answer, outcome, end }
}

/// Reads an answer to its end.
async fn read_answer(
    mut reply: BackendResponse,
    answer: &mut AnswerReader,
    stop: &mut StopSignal<'_>,
    seen: &mut (dyn FnMut(TurnEvent) + Send),
) -> RequestEnd {
    loop {
        let chunk = tokio::select! {
            biased;
            () = stop.as_mut() => return RequestEnd::Stopped,
            chunk = reply.body.next() => chunk,
        };
        match chunk {
            Some(Ok(bytes)) => {
                if let Err(error) = answer.push(bytes, seen) {
                    return RequestEnd::Failed(Reason::Server.as_str(), error.to_string());
                }
            }
            Some(Err(failure)) => return RequestEnd::Failed(Reason::Truncated.as_str(), failure.message),
            None => break,
        }
    }
    match (answer.stop_reason(), &answer.error_message) {
        (Some(_), _) => RequestEnd::Complete,
        (None, Some(message)) => RequestEnd::Failed(Reason::Server.as_str(), message.clone()),
        (None, None) => {
            RequestEnd::Failed(Reason::Truncated.as_str(), "the answer was interrupted".to_owned())
        }
    }
}
