//! Answers: what a provider sends becomes what the client expects, and is metered on the way.

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

/// Reads one whole answer of a provider that was asked over this face; errors in it go through the classifier.
///
/// # Errors
/// When it holds an error object, is no JSON, or is empty.
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
    /// In the face's own words: chat's last `finish_reason`, messages' `stop_reason`; of responses why it is
    /// incomplete, else its status.
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
    /// The answer failed here; `out` holds what came before. Who has sent nothing yet may drop `out` and ask the next
    /// target.
    pub failure: Option<Failure>,
    /// Text that was held back as the beginning of leaked markup when the failure came. It is for the client where the
    /// answer ends here, and for nobody where it goes on elsewhere.
    pub withheld_text: Segments,
}

/// How much an answer said, in bytes of text: an escape counts as what it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentBytes {
    /// Reasoning.
    pub reasoning: usize,
    /// Text.
    pub text: usize,
    /// Tool calls.
    pub tool_calls: usize,
}

/// The length of what a literal stands for, in bytes; of what is no string, its own.
fn decoded_length(text: &[u8], span: Option<&Span>) -> usize {
    let literal = span.and_then(|span| text.get(span.clone())).unwrap_or_default();
    json::unescape(literal).map_or(literal.len().saturating_sub(2), |text| text.len())
}

#[cfg(test)]
mod tests;
