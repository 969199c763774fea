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
}

#[cfg(test)]
mod tests;
