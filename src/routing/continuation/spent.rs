//! What an answer of two streams used.

use crate::protocol::translate::event::Event;
use crate::protocol::usage::Usage;
use crate::provider::answer::{Meter, Volume};

/// Bytes of a token, about: what people write has 2 to 5.
const BYTES_PER_TOKEN: usize = 4;

fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// What an answer used whose provider did not say, by the tokens of the prompt and the bytes of the answer.
pub(in crate::routing) fn estimate(prompt: u64, said: Volume) -> Usage {
    let reasoning = tokens(said.reasoning);
    Usage {
        input: prompt,
        output: reasoning + tokens(said.text) + tokens(said.calls),
        reasoning,
        estimated: true,
        ..Usage::default()
    }
}

/// The same of a whole answer.
pub(in crate::routing) fn estimate_of(prompt: u64, answer: &[Event]) -> Usage {
    let mut said = Volume::default();
    for event in answer {
        match event {
            Event::Reasoning(text) => said.reasoning += text.len(),
            Event::Text(text) | Event::Refusal(text) => said.text += text.len(),
            Event::CallStart { name, .. } => said.calls += name.len(),
            Event::CallArguments { piece, .. } => said.calls += piece.len(),
            _ => {}
        }
    }
    estimate(prompt, said)
}

/// What the first stream of an answer used.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::routing) struct Spent {
    /// As far as its provider said it.
    known: Option<Usage>,
    said: Volume,
    /// Bytes of the text that the second one goes on from.
    prefill: usize,
    /// Tokens of the prompt, as we count them.
    prompt: u64,
}

impl Spent {
    pub(in crate::routing) fn new(meter: &Meter, said: Volume, prefill: usize, prompt: u64) -> Self {
        Self { known: meter.usage, said, prefill, prompt }
    }

    /// Output tokens that count against the client's limit. Calls that were dropped do not: they are made again.
    pub(in crate::routing) fn output(&self) -> u64 {
        tokens(self.said.reasoning) + tokens(self.said.text)
    }

    /// Its own usage, when the second stream used this.
    pub(in crate::routing) fn first(&self, second: Option<&Usage>) -> Usage {
        if let Some(known) = self.known {
            return known;
        }
        let mut first = estimate(self.prompt, self.said);
        if let Some(second) = second.filter(|second| !second.estimated) {
            // The second prompt was the first one and what had been said.
            first.input = second.prompt().saturating_sub(tokens(self.prefill));
        }
        first
    }

    /// What the client is told: the first prompt, and the output of both. A sum of prompts would make agents think
    /// that their conversation had doubled.
    pub(in crate::routing) fn joined(&self, second: Option<&Usage>) -> Usage {
        let mut usage = self.first(second);
        if let Some(second) = second {
            usage.output = usage.output.saturating_add(second.output);
            usage.reasoning = usage.reasoning.saturating_add(second.reasoning);
            // The provider's figure for the first stream never came.
            usage.cost = None;
        }
        usage.estimated = true;
        usage
    }
}
