//! Token counts, as one shape for all faces.

use super::json::{self, Span};

/// What one answer used, in tokens. `input`, `cache_read` and `cache_write` add up to the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Uncached input.
    pub input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Input that the provider's cache gave.
    pub cache_read: u64,
    /// Input that was written to the cache.
    pub cache_write: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
    /// We counted, because the provider gave no figure.
    pub estimated: bool,
    /// The provider's own figure (OpenRouter's `usage.cost`), in millionths of its currency unit.
    pub cost_micros: Option<u64>,
}

impl Usage {
    /// Reads the `usage` object of a chat answer. `prompt_tokens` holds what the cache gave and took
    /// (`prompt_tokens_details.cached_tokens`, else Moonshot's `cached_tokens`; OpenRouter's `cache_write_tokens`),
    /// `completion_tokens` holds the reasoning. `estimated` is our own mark, which [`Self::to_json`] writes. Sources: Moonshot's and OpenRouter's API references, 2026-09.
    ///
    /// `None` when it is no object, or holds neither of the two counts.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let top = Object::read(text, json::skip_space(text, 0))?;
        let prompt_details = top.object("prompt_tokens_details");
        let completion_details = top.object("completion_tokens_details");
        let count_in =
            |object: &Option<Object<'_>>, key| object.as_ref().and_then(|object| object.count(key));
        let prompt = top.count("prompt_tokens");
        let output = top.count("completion_tokens");
        if prompt.is_none() && output.is_none() {
            return None;
        }
        let cache_read =
            count_in(&prompt_details, "cached_tokens").or_else(|| top.count("cached_tokens")).unwrap_or(0);
        let cache_write = count_in(&prompt_details, "cache_write_tokens").unwrap_or(0);
        Some(Self {
            input: prompt.unwrap_or(0).saturating_sub(cache_read.saturating_add(cache_write)),
            output: output.unwrap_or(0),
            cache_read,
            cache_write,
            reasoning: count_in(&completion_details, "reasoning_tokens").unwrap_or(0),
            estimated: top.is_estimated(),
            cost_micros: top.cost_micros(),
        })
    }
}

impl Usage {
    /// Reads the `usage` object of a messages answer, or of one of its events, over what an event before it told.
    /// `input_tokens` leaves out what the cache gave and took; figures are cumulative, so a later one replaces an
    /// earlier one. `message_delta` need not repeat the prompt's. Source: Anthropic API reference, 2026-10; Moonshot's
    /// and Kimi Code's Messages faces as reported, 2026-09.
    ///
    /// `None` when it is no object, or holds no count.
    #[must_use]
    pub fn read_messages(text: &[u8], before: Option<Self>) -> Option<Self> {
        let top = Object::read(text, json::skip_space(text, 0))?;
        let input = top.count("input_tokens");
        let cache_read = top.count("cache_read_input_tokens");
        let cache_write = top.count("cache_creation_input_tokens");
        let output = top.count("output_tokens");
        if [input, cache_read, cache_write, output].iter().all(Option::is_none) {
            return None;
        }
        let mut usage = before.unwrap_or_default();
        // Some send zeros in the place of a prompt that they told before.
        let tells_prompt = [input, cache_read, cache_write].iter().any(|count| count.is_some_and(|n| n > 0));
        if tells_prompt {
            usage.input = input.unwrap_or(usage.input);
            usage.cache_read = cache_read.unwrap_or(usage.cache_read);
            usage.cache_write = cache_write.unwrap_or(usage.cache_write);
        }
        usage.output = output.unwrap_or(usage.output);
        let details = top.object("output_tokens_details");
        usage.reasoning =
            details.and_then(|details| details.count("thinking_tokens")).unwrap_or(usage.reasoning);
        usage.estimated = top.is_estimated();
        usage.cost_micros = top.cost_micros().or(usage.cost_micros);
        Some(usage)
    }

    /// Reads the `usage` object of a response. `input_tokens` holds what the cache gave and took
    /// (`input_tokens_details`), `output_tokens` holds the reasoning. Source: OpenAI API reference, 2026; Moonshot's
    /// `cache_write_tokens` as reported, 2026-09.
    ///
    /// `None` when it is no object, or holds neither of the two counts.
    #[must_use]
    pub fn read_responses(text: &[u8]) -> Option<Self> {
        let top = Object::read(text, json::skip_space(text, 0))?;
        let detail = |of: &str, key: &str| top.object(of).and_then(|details| details.count(key)).unwrap_or(0);
        let prompt = top.count("input_tokens");
        let output = top.count("output_tokens");
        if prompt.is_none() && output.is_none() {
            return None;
        }
        let cache_read = detail("input_tokens_details", "cached_tokens");
        let cache_write = detail("input_tokens_details", "cache_write_tokens");
        Some(Self {
            input: prompt.unwrap_or(0).saturating_sub(cache_read.saturating_add(cache_write)),
            output: output.unwrap_or(0),
            cache_read,
            cache_write,
            reasoning: detail("output_tokens_details", "reasoning_tokens"),
            estimated: top.is_estimated(),
            cost_micros: top.cost_micros(),
        })
    }

    /// The whole prompt, what the cache gave and took included.
    #[must_use]
    pub const fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// As the `usage` object of a chat answer; one that we counted says so with `estimated`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { output, cache_read, reasoning, .. } = self;
        let prompt = self.prompt();
        let total = prompt.saturating_add(*output);
        let mark = if self.estimated { ",\"estimated\":true" } else { "" };
        format!(
            "{{\"prompt_tokens\":{prompt},\"completion_tokens\":{output},\"total_tokens\":{total},\
             \"prompt_tokens_details\":{{\"cached_tokens\":{cache_read}}},\
             \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning}}}{mark}}}"
        )
    }
}

struct Object<'t> {
    text: &'t [u8],
    members: Vec<json::Member>,
}

impl<'t> Object<'t> {
    fn read(text: &'t [u8], at: usize) -> Option<Self> {
        json::members(text, at).ok().map(|(members, _)| Self { text, members })
    }

    fn value(&self, key: &str) -> Option<Span> {
        json::find(self.text, &self.members, key).map(|member| member.value.clone())
    }

    fn object(&self, key: &str) -> Option<Self> {
        Self::read(self.text, self.value(key)?.start)
    }

    fn number(&self, key: &str) -> Option<f64> {
        let literal = std::str::from_utf8(self.text.get(self.value(key)?)?).ok()?;
        // "inf" and "nan" parse as well, but no JSON number starts with a letter.
        literal.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.number(key).map(whole)
    }

    /// Our own mark.
    fn is_estimated(&self) -> bool {
        self.value("estimated").is_some_and(|flag| self.text.get(flag) == Some(b"true"))
    }

    /// OpenRouter's figure.
    fn cost_micros(&self) -> Option<u64> {
        self.number("cost").map(|cost| whole(cost * 1e6))
    }
}

/// Rounded; too large a number becomes the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the number is not negative"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
