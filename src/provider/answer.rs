//! Answers: what a provider sends becomes what the client expects, and is metered on the way.

mod chat;
mod intake;
mod leak;
mod messages;
mod names;
mod output;
mod refusal;
mod responses;
mod stream;

pub use stream::StreamReader;

use bytes::Bytes;

use super::classify::Classifier;
use super::rewrite::AnswerPlan;
use crate::failure::Failure;
use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::json::{self, Span};
use crate::protocol::usage::Usage;

/// Reads one whole answer of a provider that was asked over this face; errors in it go through the classifier.
///
/// # Errors
/// When it holds an error object, is no JSON, or is empty.
pub fn whole(
    classifier: &Classifier,
    face: Face,
    plan: &AnswerPlan,
    body: Bytes,
) -> Result<(Segments, Meter), Failure> {
    match body.trim_ascii_start() {
        [] => return Err(refusal::server(refusal::EMPTY)),
        [b'<', ..] => return Err(refusal::server(refusal::HTML)),
        _ => {}
    }
    match face {
        Face::Chat => chat::whole(classifier, plan, &body),
        Face::Messages => messages::whole(classifier, plan, &body),
        Face::Responses => responses::whole(classifier, plan, &body),
    }
}

/// What was learned of an answer while it passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// The provider's figures. A later one replaces an earlier one; in chat top-level `usage` wins over
    /// `choices[0].usage`, they are never added.
    pub usage: Option<Usage>,
    /// In the face's own words: chat's last `finish_reason`, messages' `stop_reason`; of responses why it is
    /// incomplete, else its status.
    pub finish: Option<String>,
    /// `model` as the provider names it.
    pub model: Option<String>,
}

/// What one push of bytes led to.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// For the client: whole frames, in order; empty when nothing is ready.
    pub out: Segments,
    /// Events in `out`; comments are none.
    pub frames: usize,
    /// Something that a person would notice is in `out`: content, reasoning, a tool call, a refusal, a finish.
    pub meaningful: bool,
    /// The answer's own end (`[DONE]`, `message_stop`, `response.completed`) or the body's was read; nothing follows.
    pub done: bool,
    /// The answer failed here; `out` holds what came before. Who has sent nothing yet may drop `out` and ask the next
    /// target.
    pub failure: Option<Failure>,
    /// Text that was held back as the beginning of leaked markup when the failure came. It is for the client where the
    /// answer ends here, and for nobody where it goes on elsewhere.
    pub leftover: Segments,
}

/// How much an answer said, in bytes of text: an escape counts as what it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Reasoning.
    pub reasoning: usize,
    /// Text.
    pub text: usize,
    /// Tool calls.
    pub calls: usize,
}

/// The length of what a literal stands for, in bytes; of what is no string, its own.
fn length(text: &[u8], span: Option<&Span>) -> usize {
    let literal = span.and_then(|span| text.get(span.clone())).unwrap_or_default();
    json::unescape(literal).map_or(literal.len().saturating_sub(2), |text| text.len())
}

#[cfg(test)]
mod tests;
