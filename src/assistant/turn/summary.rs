//! Summarizes the conversation: requested from the model like a turn, but not stored.

use std::pin::{Pin, pin};

use super::model_request::{RequestEnd, run_request};
use super::{Agent, TurnFailure, TurnRequest, now_millis};
use crate::assistant::request::MessagesRequest;
use crate::assistant::session::Session;
use crate::assistant::transcript::{ContentBlock, TranscriptMessage};

/// The prompt.
const SUMMARY_PROMPT: &str = "Summarise our conversation so far, so that you can go on with it from the summary alone: what I want, \
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
        let wanted = TranscriptMessage::User {
            content: vec![ContentBlock::Text { text: SUMMARY_PROMPT.to_owned() }],
            timestamp: now_millis(),
        };
        let mut conversation = session.conversation();
        conversation.push(&wanted);
        let (name, most, level) = (&choice.requested_model, choice.max_tokens, choice.thinking);
        let mut body = MessagesRequest::new(name, most, level, session.summary(), &conversation);
        body.system = self.system.as_deref();
        let mut stop: Pin<&mut (dyn Future<Output = ()> + Send)> = pin!(stop);
        let bytes = body.to_bytes();
        let made = Box::pin(run_request(&self.backend, bytes, session.id(), &mut stop, &mut |_| {})).await;
        let text = made.answer.text();
        match made.end {
            RequestEnd::Complete if text.trim().is_empty() => {
                Err(failure("server", "the model answered nothing".to_owned()))
            }
            RequestEnd::Complete => Ok(text.trim().to_owned()),
            RequestEnd::Stopped => Err(failure("aborted", "it was stopped".to_owned())),
            RequestEnd::Failed(kind, message) => Err(failure(kind, message)),
        }
    }
}
