//! Translation between API formats: requests through a common conversation model, responses through a common
//! event model.
//!
//! Pure functions. Each format is read into the model and written from it, so six converters suffice instead of
//! nine.

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

/// A request in another API format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranslatedRequest {
    /// The whole body. It is deterministic: the same conversation, or the same prefix of one, gives the same
    /// bytes.
    pub body: Bytes,
    /// Names of rows of [`losses::LOSSES`]: what the target's format cannot express. Each once, in the order
    /// found.
    pub losses: Vec<&'static str>,
    /// Tools of a namespace (Codex) that were sent as plain functions: namespace and name by the sent name, to
    /// restore them in the response's calls.
    pub tool_namespaces: BTreeMap<String, (String, String)>,
}

/// The request cannot be expressed in the target's format, so the client must change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TranslationError {
    /// The location, such as `messages[3].content[0]`.
    pub path: String,
    /// The problem and the expected value.
    pub reason: String,
}

impl TranslationError {
    /// An error about the current value; the caller adds its location with [`Self::within`].
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { path: String::new(), reason: why.into() }
    }

    /// Prefixes the location with this parent.
    #[must_use]
    pub(crate) fn within(mut self, outer: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{outer}{joint}{}", self.path);
        self
    }
}

/// Translates a request to another API format. `default_max_tokens` is the model's largest output: Messages
/// requires a limit, and not every client of another format sends one.
///
/// # Errors
/// When a part has a type unknown to its format, or content that the model must see cannot be expressed
/// (omissions that are allowed are in [`losses::LOSSES`]).
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
