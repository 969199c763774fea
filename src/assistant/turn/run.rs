//! A turn under way: request after request, as long as the model wants tools called.

use serde_json::json;
use tokio::time::Instant;

use super::step::{End, Step, Stop, step};
use super::{Agent, Choice, Seen, Tried, TurnFailure, Turned, millis};
use crate::assistant::request::Body;
use crate::assistant::session::{Session, SessionError};
use crate::assistant::spent::Sum;
use crate::assistant::transcript::{self, Block, Message, Said};
use crate::config::settings::Reference;
use crate::protocol::face::Face;

/// Answers that may want tools called; the one after them is told to do without.
const ROUNDS: usize = 6;

/// See the module.
pub(super) struct Run<'a> {
    agent: &'a Agent,
    choice: Choice,
    seen: &'a mut (dyn FnMut(Seen) + Send),
    began: Instant,
    answered: Option<Reference>,
    attempts: Vec<Tried>,
    text: String,
    sum: Sum,
}

/// How it goes on after a request.
enum Next {
    Over(transcript::Stop),
    Calls(Vec<Block>),
    Failed(&'static str, String),
}

impl<'a> Run<'a> {
    pub(super) fn new(agent: &'a Agent, choice: Choice, seen: &'a mut (dyn FnMut(Seen) + Send)) -> Self {
        let (answered, attempts, text) = (None, Vec::new(), String::new());
        Self { agent, choice, seen, began: Instant::now(), answered, attempts, text, sum: Sum::default() }
    }

    pub(super) async fn run(
        mut self,
        session: &mut Session,
        mut stop: Stop<'_>,
    ) -> Result<Turned, TurnFailure> {
        let mut round = 0;
        loop {
            let body = self.body(session, round);
            let made = step(&self.agent.exchange, body, session.id(), &mut stop, self.seen).await;
            let next = self.keep(session, &made)?;
            let calls = match next {
                Next::Over(stop) => return Ok(self.turned(stop)),
                Next::Failed(kind, message) => return Err(self.failure(kind, message)),
                Next::Calls(calls) => calls,
            };
            // One that was told to do without, and calls all the same, has its say and no more.
            let refusal = (round == ROUNDS).then_some("not called: there were enough calls in this turn");
            if !self.call(session, &calls, refusal, &mut stop).await? {
                return Err(self.failure("aborted", "it was stopped".to_owned()));
            }
            if refusal.is_some() {
                return Ok(self.turned(transcript::Stop::Stop));
            }
            round += 1;
            (self.seen)(Seen::Again);
        }
    }

    fn body(&self, session: &Session, round: usize) -> bytes::Bytes {
        let conversation = session.conversation();
        let Choice { name, max_tokens, thinking, .. } = &self.choice;
        let mut body = Body::new(name, *max_tokens, *thinking, session.summary(), &conversation);
        body.system = self.agent.system.as_deref();
        body.tools = self.agent.tools.definitions();
        if round == ROUNDS && !body.tools.is_empty() {
            body.tool_choice = Some(json!({"type": "none"}));
        }
        body.bytes()
    }

    /// Appends what a request gave, and says how it goes on.
    fn keep(&mut self, session: &mut Session, step: &Step) -> Result<Next, TurnFailure> {
        let Step { answer, told, end } = step;
        let mut own = Sum::default();
        own.add(&self.agent.settings, &told.attempts);
        self.sum.add(&self.agent.settings, &told.attempts);
        self.attempts.extend(told.attempts.iter().map(|used| used.tried.clone()));
        if told.answered.is_some() {
            self.answered.clone_from(&told.answered);
        }
        self.text = answer.text();
        let (stop_reason, error_message) = match end {
            End::Whole => (answer.stop().unwrap_or(transcript::Stop::Stop), None),
            End::Stopped => (transcript::Stop::Aborted, None),
            End::Failed(_, message) => (transcript::Stop::Error, Some(message.clone())),
        };
        let content = answer.blocks();
        let calls = content.iter().filter(|block| matches!(block, Block::ToolCall { .. })).cloned();
        let calls: Vec<Block> = calls.collect();
        let who = told.answered.as_ref().or_else(|| self.asked()).cloned();
        let who =
            who.unwrap_or_else(|| Reference { provider: String::new(), model: self.choice.name.clone() });
        let said = session.say(Message::Assistant(Box::new(Said {
            content,
            api: told.called.clone().unwrap_or_else(|| Face::Messages.api().to_owned()),
            provider: who.provider,
            model: who.model,
            usage: own.spent(),
            stop_reason,
            error_message,
            timestamp: millis(),
            response_id: answer.id.clone(),
        })));
        said.map_err(|error| self.unkept(&error))?;
        Ok(match end {
            End::Whole if stop_reason == transcript::Stop::ToolUse && !calls.is_empty() => Next::Calls(calls),
            End::Whole => Next::Over(stop_reason),
            End::Stopped => Next::Failed("aborted", "it was stopped".to_owned()),
            End::Failed(kind, message) => Next::Failed(kind, message.clone()),
        })
    }

    /// Calls what the model wants called, and appends what came of it; false when the person stops it. Each call has its
    /// result then, as providers ask.
    async fn call(
        &mut self,
        session: &mut Session,
        calls: &[Block],
        refusal: Option<&str>,
        stop: &mut Stop<'_>,
    ) -> Result<bool, TurnFailure> {
        let mut is_stopped = false;
        for call in calls {
            let Block::ToolCall { id, name, arguments } = call else { continue };
            let result = if is_stopped {
                Err("not called: the person stopped it".to_owned())
            } else if let Some(why) = refusal {
                Err(why.to_owned())
            } else {
                (self.seen)(Seen::Calls { tool: name.clone(), arguments: arguments.to_string() });
                tokio::select! {
                    biased;
                    () = stop.as_mut() => {
                        is_stopped = true;
                        Err("the person stopped it".to_owned())
                    }
                    result = self.agent.tools.call(name, arguments) => result,
                }
            };
            let (is_error, text) = match result {
                Ok(text) => (false, text),
                Err(why) => (true, why),
            };
            let said = session.say(Message::ToolResult {
                tool_call_id: id.clone(),
                tool_name: name.clone(),
                content: vec![Block::Text { text }],
                is_error,
                timestamp: millis(),
            });
            said.map_err(|error| self.unkept(&error))?;
        }
        Ok(!is_stopped)
    }

    /// The primary of the chain that was asked.
    fn asked(&self) -> Option<&Reference> {
        self.choice.first().or_else(|| self.attempts.first().map(|tried| &tried.target))
    }

    fn turned(&self, stop: transcript::Stop) -> Turned {
        Turned {
            answered: self.answered.clone(),
            asked: self.asked().cloned(),
            attempts: self.attempts.clone(),
            text: self.text.clone(),
            spent: self.sum.spent(),
            currency: self.sum.currency(),
            stop,
            took: self.began.elapsed(),
        }
    }

    /// A disk that refuses takes nothing of what came, and was paid for, from who asked.
    fn unkept(&self, error: &SessionError) -> TurnFailure {
        self.failure("session_error", error.to_string())
    }

    fn failure(&self, kind: &'static str, message: String) -> TurnFailure {
        let stop = if kind == "aborted" { transcript::Stop::Aborted } else { transcript::Stop::Error };
        TurnFailure { kind, message, turned: Some(Box::new(self.turned(stop))) }
    }
}
