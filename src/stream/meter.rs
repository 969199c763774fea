//! Measures the tokens of a response: as its provider reports them, otherwise estimated.

use crate::protocol::model::answer::ResponseEvent;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::{ContentBytes, Meter, StreamReader};

/// Approximate bytes per token: natural language and code have 2 to 5.
const BYTES_PER_TOKEN: usize = 4;

fn estimate_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// The usage of a stream so far, for a prompt of this many tokens.
pub fn measure_usage(reader: &StreamReader, prompt: impl FnOnce() -> u64) -> TokenUsage {
    reader.meter().usage.unwrap_or_else(|| estimate_usage(prompt(), reader.content_bytes()))
}

/// Estimates usage that the provider did not report, from the prompt's tokens and the response's bytes.
#[must_use]
pub fn estimate_usage(prompt: u64, content: ContentBytes) -> TokenUsage {
    let reasoning = estimate_tokens(content.reasoning);
    TokenUsage {
        input: prompt,
        output: reasoning + estimate_tokens(content.text) + estimate_tokens(content.tool_calls),
        reasoning,
        is_estimated: true,
        ..TokenUsage::default()
    }
}

/// The same estimate for a whole response.
#[must_use]
pub fn estimate_event_usage(prompt: u64, answer: &[ResponseEvent]) -> TokenUsage {
    let mut content = ContentBytes::default();
    for event in answer {
        match event {
            ResponseEvent::Reasoning(text) => content.reasoning += text.len(),
            ResponseEvent::Text(text) | ResponseEvent::Refusal(text) => content.text += text.len(),
            ResponseEvent::ToolCallStart { name, .. } => content.tool_calls += name.len(),
            ResponseEvent::ToolCallArguments { delta, .. } => content.tool_calls += delta.len(),
            _ => {}
        }
    }
    estimate_usage(prompt, content)
}

/// The usage of a response's first stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterruptedUsage {
    /// The usage that its provider reported so far.
    reported: Option<TokenUsage>,
    content_bytes: ContentBytes,
    /// Bytes of the text from which the second stream continues.
    prefill_bytes: usize,
    /// Tokens of the prompt, as the gateway counts them.
    prompt_tokens: u64,
}

impl InterruptedUsage {
    /// Creates the usage of a stream that was interrupted after this content.
    #[must_use]
    pub const fn new(
        meter: &Meter,
        content_bytes: ContentBytes,
        prefill_bytes: usize,
        prompt_tokens: u64,
    ) -> Self {
        Self { reported: meter.usage, content_bytes, prefill_bytes, prompt_tokens }
    }

    /// Output tokens that count against the client's limit. Dropped tool calls do not count: the model makes
    /// them again.
    #[must_use]
    pub fn counted_output_tokens(&self) -> u64 {
        estimate_tokens(self.content_bytes.reasoning) + estimate_tokens(self.content_bytes.text)
    }

    /// The usage of the first stream alone, given the second stream's usage.
    #[must_use]
    pub fn first_usage(&self, second: Option<&TokenUsage>) -> TokenUsage {
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
    #[must_use]
    pub fn combined_usage(&self, second: Option<&TokenUsage>) -> TokenUsage {
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
