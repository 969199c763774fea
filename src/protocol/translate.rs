//! From one face to another: requests through one model of a conversation, answers through one model of events.
//!
//! Pure functions. A face is read into the model and written from it, so there are six of them and not nine.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::api::Api;
use super::request::RequestBody;

mod chat;
mod content;
pub mod conversation;
pub mod decoder;
pub mod echo;
pub mod encoder;
pub mod event;
pub mod losses;
mod messages;
mod node;
pub mod non_streaming;
mod openai;
mod responses;
pub mod tool_call_ids;
mod writer;

use losses::Losses;

/// A request in another face.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranslatedRequest {
    /// The body, whole. The same conversation gives the same bytes, and so does the beginning of it.
    pub body: Bytes,
    /// Names of rows of [`losses::LOSSES`]: what the target's face cannot take. Each once, in the order met.
    pub losses: Vec<&'static str>,
    /// Tools of a namespace (Codex) were sent as plain functions: namespace and name by the name that was sent, for the
    /// calls in the answer.
    pub tool_namespaces: BTreeMap<String, (String, String)>,
}

/// The request cannot be said in the target's face: the client has to change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TranslationError {
    /// Where, such as `messages[3].content[0]`.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

impl TranslationError {
    /// Of the value at hand; who knows where that stands adds it with [`Self::within`].
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { path: String::new(), reason: why.into() }
    }

    /// The place is part of this one.
    #[must_use]
    pub(crate) fn within(mut self, outer: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{joint}{}", self.path);
        self
    }
}

/// Writes a request anew in another face. `default_max_tokens` is the model's largest output: the messages face wants
/// a limit, and not every client of another face sends one.
///
/// # Errors
/// When a part has a type that its face does not know, or the model would have to answer without something that it was
/// shown (what may be left out is in [`losses::LOSSES`]).
pub fn translate_request(
    body: &RequestBody,
    to: Api,
    default_max_tokens: Option<u64>,
) -> Result<TranslatedRequest, TranslationError> {
    let mut losses = Losses::default();
    let mut conversation = match body.api {
        Api::ChatCompletions => chat::read_request::read(body, &mut losses)?,
        Api::Messages => messages::read_request::read(body, &mut losses)?,
        Api::Responses => responses::read_request::read(body, &mut losses)?,
    };
    conversation.normalize(&mut losses);
    let written = match to {
        Api::ChatCompletions => chat::write_request::write(&conversation, &mut losses),
        Api::Messages => messages::write_request::write(&conversation, default_max_tokens, &mut losses),
        Api::Responses => responses::write_request::write(&conversation, &mut losses),
    };
    Ok(TranslatedRequest {
        body: written.into(),
        losses: losses.into_names(),
        tool_namespaces: conversation.tool_namespaces(),
    })
}

#[cfg(test)]
mod tests;
