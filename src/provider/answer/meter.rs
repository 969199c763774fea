//! The output of one read, and the metering of a response.

use crate::failure::Failure;
use crate::protocol::edit::Segments;
use crate::protocol::json::{self, Span};
use crate::protocol::usage::TokenUsage;

/// The metadata of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// The provider's token counts. A later value replaces an earlier one; in chat, top-level `usage` wins over
    /// `choices[0].usage`. They are never added.
    pub usage: Option<TokenUsage>,
    /// The finish reason in the API's own terms: `finish_reason` in chat, `stop_reason` in messages; in
    /// responses the reason for `incomplete`, else the status.
    pub finish_reason: Option<String>,
    /// `model` as the provider names it.
    pub model: Option<String>,
    /// OpenRouter's `provider`: the provider behind it.
    pub provider: Option<String>,
}

/// The result of one read.
#[derive(Clone, Debug, Default)]
pub struct ReaderOutput {
    /// Whole frames for the client, in order.
    pub output: Segments,
    /// The number of events in `output`, without comments.
    pub event_count: usize,
    /// `output` has visible content: text, reasoning, a tool call, a refusal, a finish.
    pub has_content: bool,
    /// The end of the response (`[DONE]`, `message_stop`, `response.completed`) or of the body was read.
    pub is_complete: bool,
    /// The response failed here; `output` has the frames before it. A caller that has sent nothing yet may drop
    /// `output` and fail over to the next target.
    pub failure: Option<Failure>,
    /// Text withheld as a possible start of leaked markup. It is sent to the client if the response ends
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
pub(super) fn decoded_length(text: &[u8], span: Option<&Span>) -> usize {
    let literal = span.and_then(|span| text.get(span.clone())).unwrap_or_default();
    json::unescape(literal).map_or(literal.len().saturating_sub(2), |text| text.len())
}
