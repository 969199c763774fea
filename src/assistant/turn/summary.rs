//! What was said so far in a few words: asked of the model like a turn, and kept nowhere.

use std::pin::{Pin, pin};

use super::step::{End, step};
use super::{Agent, Ask, TurnFailure, millis};
use crate::assistant::request::Body;
use crate::assistant::session::Session;
use crate::assistant::transcript::{Block, Message};

/// What is asked for.
const WANTED: &str = "Summarise our conversation so far, so that you can go on with it from the summary alone: what I want, \
    what was decided and why, names, numbers, paths and code that still matter, and what is open. Write in the language \
    of the conversation. Answer with the summary only.";

impl Agent {
    /// Asks the session's model for a summary of its conversation. The session stays as it is.
    ///
    /// # Errors
    /// When there is no whole answer, or an empty one; when `stop` resolves before it is there (`aborted`).
    pub async fn summary(
        &self,
        session: &Session,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<String, TurnFailure> {
        let choice = self.chosen(session, &Ask::default())?;
        let failure = |kind, message| TurnFailure { kind, message, turned: None };
        self.exchange.ready().await.map_err(|refused| failure(refused.kind, refused.message))?;
        let wanted =
            Message::User { content: vec![Block::Text { text: WANTED.to_owned() }], timestamp: millis() };
        let mut conversation = session.conversation();
        conversation.push(&wanted);
        let (name, most, level) = (&choice.name, choice.max_tokens, choice.thinking);
        let mut body = Body::new(name, most, level, session.summary(), &conversation);
        body.system = self.system.as_deref();
        let mut stop: Pin<&mut (dyn Future<Output = ()> + Send)> = pin!(stop);
        let bytes = body.bytes();
        let made = Box::pin(step(&self.exchange, bytes, session.id(), &mut stop, &mut |_| {})).await;
        let text = made.answer.text();
        match made.end {
            End::Whole if text.trim().is_empty() => {
                Err(failure("server", "the model answered nothing".to_owned()))
            }
            End::Whole => Ok(text.trim().to_owned()),
            End::Stopped => Err(failure("aborted", "it was stopped".to_owned())),
            End::Failed(kind, message) => Err(failure(kind, message)),
        }
    }
}
