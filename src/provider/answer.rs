//! Answers: converts what a provider sends to what the client expects, and meters it.

mod body_reader;
mod chat;
mod error;
mod leak;
mod messages;
mod output;
mod responses;
mod stream;
mod tool_names;

pub use stream::StreamReader;

use bytes::Bytes;

use super::classify::Classifier;
use super::rewrite::AnswerPlan;
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::json::{self, Span};
use crate::protocol::usage::TokenUsage;

/// Reads a complete response of a provider in this API format. Errors in it go through the classifier.
///
/// # Errors
/// When the body holds an error object, is not JSON, or is empty.
pub fn read_complete(
    classifier: &Classifier,
    face: Api,
    plan: &AnswerPlan,
    body: Bytes,
) -> Result<(Segments, Meter), Failure> {
    match body.trim_ascii_start() {
        [] => return Err(error::server_failure(error::EMPTY_ANSWER)),
        [b'<', ..] => return Err(error::server_failure(error::HTML_PAGE)),
        _ => {}
    }
    match face {
        Api::ChatCompletions => chat::read_complete(classifier, plan, &body),
        Api::Messages => messages::read_complete(classifier, plan, &body),
        Api::Responses => responses::read_complete(classifier, plan, &body),
    }
}

/// What was learned of an answer while it passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// The provider's figures. A later one replaces an earlier one; in chat top-level `usage` wins over
    /// `choices[0].usage`, they are never added.
    pub usage: Option<TokenUsage>,
    /// The finish reason in the API's own terms: `finish_reason` in chat, `stop_reason` in messages; in
    /// responses the reason for `incomplete`, else the status.
    pub finish_reason: Option<String>,
    /// `model` as the provider names it.
    pub model: Option<String>,
}

/// What one push of bytes led to.
#[derive(Clone, Debug, Default)]
pub struct ReaderOutput {
    /// For the client: whole frames, in order; empty when nothing is ready.
    pub output: Segments,
    /// Events in `out`; comments are none.
    pub event_count: usize,
    /// Something that a person would notice is in `out`: content, reasoning, a tool call, a refusal, a finish.
    pub has_content: bool,
    /// The answer's own end (`[DONE]`, `message_stop`, `response.completed`) or the body's was read; nothing follows.
    pub is_complete: bool,
    /// The response failed here; `out` holds the frames before it. A caller that has sent nothing yet may drop
    /// `out` and fail over to the next target.
    pub failure: Option<Failure>,
    /// Text that was held back as a possible start of leaked markup. It goes to the client if the response ends
    /// here, and is dropped if another target continues it.
    pub withheld_text: Segments,
}

/// Size of the generated text in bytes; an escape counts as the character that it encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentBytes {
    /// Reasoning.
    pub reasoning: usize,
    /// Text.
    pub text: usize,
    /// Tool calls.
    pub tool_calls: usize,
}

/// The decoded length of a string literal in bytes; the length of the source text for any other value.
fn decoded_length(text: &[u8], span: Option<&Span>) -> usize {
    let literal = span.and_then(|span| text.get(span.clone())).unwrap_or_default();
    json::unescape(literal).map_or(literal.len().saturating_sub(2), |text| text.len())
}

#[cfg(test)]
mod tests;
