//! Owns the usage of a response that consists of two streams.

use crate::protocol::translate::event::ResponseEvent;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{ContentBytes, Meter};

/// Approximate bytes per token: natural language and code have 2 to 5.
const BYTES_PER_TOKEN: usize = 4;

fn estimate_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// Estimates usage that the provider did not report, from the prompt's tokens and the response's bytes.
pub(in crate::routing) fn estimate_usage(prompt: u64, said: ContentBytes) -> TokenUsage {
    let reasoning = estimate_tokens(said.reasoning);
    TokenUsage {
        input: prompt,
        output: reasoning + estimate_tokens(said.text) + estimate_tokens(said.tool_calls),
        reasoning,
        is_estimated: true,
        ..TokenUsage::default()
    }
}

/// The same estimate for a whole response.
pub(in crate::routing) fn estimate_event_usage(prompt: u64, answer: &[ResponseEvent]) -> TokenUsage {
    let mut said = ContentBytes::default();
    for event in answer {
        match event {
            ResponseEvent::Reasoning(text) => said.reasoning += text.len(),
            ResponseEvent::Text(text) | ResponseEvent::Refusal(text) => said.text += text.len(),
            ResponseEvent::ToolCallStart { name, .. } => said.tool_calls += name.len(),
            ResponseEvent::ToolCallArguments { delta: piece, .. } => said.tool_calls += piece.len(),
            _ => {}
        }
    }
    estimate_usage(prompt, said)
}

/// The usage of a response's first stream.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::routing) struct InterruptedUsage {
    /// The usage that its provider reported so far.
    reported: Option<TokenUsage>,
    content_bytes: ContentBytes,
    /// Bytes of the text from which the second stream continues.
    prefill_bytes: usize,
    /// Tokens of the prompt, as the gateway counts them.
    prompt_tokens: u64,
}

impl InterruptedUsage {
    pub(in crate::routing) fn new(
        meter: &Meter,
        content_bytes: ContentBytes,
        prefill_bytes: usize,
        prompt_tokens: u64,
    ) -> Self {
        Self { reported: meter.usage, content_bytes, prefill_bytes, prompt_tokens }
    }

    /// Output tokens that count against the client's limit. Dropped tool calls do not count: the model makes
    /// them again.
    pub(in crate::routing) fn counted_output_tokens(&self) -> u64 {
        estimate_tokens(self.content_bytes.reasoning) + estimate_tokens(self.content_bytes.text)
    }

    /// The usage of the first stream alone, given the second stream's usage.
    pub(in crate::routing) fn first_usage(&self, second: Option<&TokenUsage>) -> TokenUsage {
        if let Some(known) = self.reported {
            return known;
        }
        let mut first = estimate_usage(self.prompt_tokens, self.content_bytes);
        if let Some(second) = second.filter(|second| !second.is_estimated) {
            // The second prompt is the first prompt plus the text so far.
            first.input = second.prompt_tokens().saturating_sub(estimate_tokens(self.prefill_bytes));
        }
        first
    }

    /// The usage that the client receives: the first prompt, and the output of both streams. A sum of the
    /// prompts would make agents believe that their conversation had doubled.
    pub(in crate::routing) fn combined_usage(&self, second: Option<&TokenUsage>) -> TokenUsage {
        let mut usage = self.first_usage(second);
        if let Some(second) = second {
            usage.output = usage.output.saturating_add(second.output);
            usage.reasoning = usage.reasoning.saturating_add(second.reasoning);
            // The provider's usage of the first stream never came.
            usage.cost = None;
        }
        usage.is_estimated = true;
        usage
    }
}
