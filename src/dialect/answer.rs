//! Answers: what a provider sends becomes what the client expects, and is metered on the way.

mod calls;
mod delta;
mod leak;
mod output;
mod refusal;
mod stream;
mod whole;

pub use stream::StreamReader;
pub use whole::whole;

use crate::failure::Failure;
use crate::wire::chunk::Chunk;
use crate::wire::edit::Segments;
use crate::wire::json::{self, Span};
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

impl Meter {
    fn read(&mut self, text: &[u8], chunk: &Chunk) {
        if self.model.is_none() {
            self.model = chunk.model(text);
        }
        if let Some(finish) = chunk.finish(text) {
            self.finish = Some(finish);
        }
        // A later figure replaces an earlier one: Moonshot tells it twice, in a choice and then at the top.
        if let Some(usage) = chunk.usage(text) {
            self.usage = Some(usage);
        }
    }
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
    /// `[DONE]` or the end was read; nothing follows.
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

impl Volume {
    fn read(&mut self, text: &[u8], chunk: &Chunk) {
        let length = |span: &Option<Span>| {
            let literal = span.as_ref().and_then(|span| text.get(span.clone())).unwrap_or_default();
            json::unescape(literal).map_or(literal.len().saturating_sub(2), |text| text.len())
        };
        for choice in &chunk.choice {
            self.reasoning += length(&choice.reasoning);
            self.text += length(&choice.content);
            self.calls += length(&choice.tool_calls);
        }
    }
}

#[cfg(test)]
mod tests;
