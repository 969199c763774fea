//! Token counts, in one shape for all APIs.
//!
//! The formats count differently. In Chat Completions and Responses the prompt count includes cache reads and
//! writes, in Messages it does not. In all of them the output count includes reasoning.

use super::amount::Amount;
use super::api::Api;
use super::object::ObjectView;

/// The usage of one response, in tokens. `input`, `cache_read` and `cache_write` add up to the prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Uncached input.
    pub input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Input read from the provider's cache.
    pub cache_read: u64,
    /// Input that was written to the cache.
    pub cache_write: u64,
    /// The part of `cache_write` that stays for an hour instead of five minutes, at a higher price.
    pub cache_write_1h: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
    /// Counted by the gateway, because the provider reported no count.
    pub is_estimated: bool,
    /// The cost reported by the provider (OpenRouter's `usage.cost`), in its currency.
    pub cost: Option<Amount>,
}

impl TokenUsage {
    /// Reads the `usage` object of a response. `estimated` is the gateway's own mark, which [`Self::to_json`]
    /// writes.
    ///
    /// `None` when it is not an object, or has neither of the two counts.
    #[must_use]
    pub fn from_json(api: Api, text: &[u8]) -> Option<Self> {
        let mut usage = Self::default();
        usage.update(api, text).then_some(usage)
    }

    /// Merges a later `usage` object of the same response. In Messages the counts are cumulative, and absent
    /// ones are unchanged; in the others it replaces everything. Returns whether it reports anything.
    pub fn update(&mut self, api: Api, text: &[u8]) -> bool {
        let Some(top) = ObjectView::parse(text) else { return false };
        let read = match api {
            Api::ChatCompletions => parse_openai(
                &top,
                ["prompt_tokens", "prompt_tokens_details"],
                ["completion_tokens", "completion_tokens_details"],
            ),
            Api::Responses => parse_openai(
                &top,
                ["input_tokens", "input_tokens_details"],
                ["output_tokens", "output_tokens_details"],
            ),
            Api::Messages => self.merge_messages(&top),
        };
        let Some(mut usage) = read else { return false };
        usage.is_estimated = top.value("estimated") == Some(b"true");
        usage.cost = top.amount("cost").or(usage.cost);
        *self = usage;
        true
    }

    /// Source: Anthropic's API reference and SDK types (`Usage`, `MessageDeltaUsage`), 2026-11.
    fn merge_messages(&self, top: &ObjectView<'_>) -> Option<Self> {
        let (input, output) = (top.count("input_tokens"), top.count("output_tokens"));
        let read = top.count("cache_read_input_tokens");
        let write = top.count("cache_creation_input_tokens");
        if [input, output, read, write].iter().all(Option::is_none) {
            return None;
        }
        // Some providers send zeros for a prompt count that they reported before.
        let is_reported = [input, read, write].iter().any(|count| count.is_some_and(|count| count > 0));
        let prompt = |count: Option<u64>, before| count.filter(|_| is_reported).unwrap_or(before);
        let hour = top.object("cache_creation").and_then(|kinds| kinds.count("ephemeral_1h_input_tokens"));
        let reasoning =
            top.object("output_tokens_details").and_then(|details| details.count("thinking_tokens"));
        Some(Self {
            input: prompt(input, self.input),
            output: output.unwrap_or(self.output),
            cache_read: prompt(read, self.cache_read),
            cache_write: prompt(write, self.cache_write),
            cache_write_1h: prompt(hour, self.cache_write_1h),
            reasoning: reasoning.unwrap_or(self.reasoning),
            is_estimated: false,
            cost: self.cost,
        })
    }

    /// Whether it reports any token, or a cost.
    #[must_use]
    pub fn is_nonzero(&self) -> bool {
        self.prompt_tokens() > 0 || self.output > 0 || self.cost.is_some_and(|cost| cost > Amount::ZERO)
    }

    /// The whole prompt, cache reads and writes included.
    #[must_use]
    pub const fn prompt_tokens(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// As the `usage` object of a response; counts made by the gateway are marked with `estimated`.
    #[must_use]
    pub fn to_json(&self, api: Api) -> String {
        let Self { input, output, cache_read, cache_write, cache_write_1h, reasoning, .. } = self;
        let prompt = self.prompt_tokens();
        let total = prompt.saturating_add(*output);
        let mark = if self.is_estimated { ",\"estimated\":true" } else { "" };
        // A count that OpenAI's own Chat Completions API lacks is written only when it is not zero.
        let written = match cache_write {
            0 => String::new(),
            count => format!(",\"cache_write_tokens\":{count}"),
        };
        let kinds = match cache_write_1h {
            0 => String::new(),
            hour => format!(
                ",\"cache_creation\":{{\"ephemeral_5m_input_tokens\":{},\"ephemeral_1h_input_tokens\":{hour}}}",
                cache_write.saturating_sub(*hour)
            ),
        };
        match api {
            Api::ChatCompletions => format!(
                "{{\"prompt_tokens\":{prompt},\"completion_tokens\":{output},\"total_tokens\":{total},\
                 \"prompt_tokens_details\":{{\"cached_tokens\":{cache_read}{written}}},\
                 \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning}}}{mark}}}"
            ),
            Api::Responses => format!(
                "{{\"input_tokens\":{prompt},\"input_tokens_details\":{{\"cached_tokens\":{cache_read},\
                 \"cache_write_tokens\":{cache_write}}},\"output_tokens\":{output},\
                 \"output_tokens_details\":{{\"reasoning_tokens\":{reasoning}}},\"total_tokens\":{total}{mark}}}"
            ),
            Api::Messages => format!(
                "{{\"input_tokens\":{input},\"cache_creation_input_tokens\":{cache_write},\
                 \"cache_read_input_tokens\":{cache_read},\"output_tokens\":{output},\
                 \"output_tokens_details\":{{\"thinking_tokens\":{reasoning}}}{kinds}{mark}}}"
            ),
        }
    }
}

/// The prompt count includes cache reads and writes (`…_details.cached_tokens`, else Moonshot's top-level
/// `cached_tokens`; `cache_write_tokens` of OpenRouter and Moonshot). Sources: API references of Moonshot,
/// OpenRouter and OpenAI, 2026-11.
fn parse_openai(
    top: &ObjectView<'_>,
    [prompt, prompt_details]: [&str; 2],
    [output, output_details]: [&str; 2],
) -> Option<TokenUsage> {
    let (prompt_details, output_details) = (top.object(prompt_details), top.object(output_details));
    let count_in =
        |object: &Option<ObjectView<'_>>, key| object.as_ref().and_then(|object| object.count(key));
    let (prompt, output) = (top.count(prompt), top.count(output));
    if prompt.is_none() && output.is_none() {
        return None;
    }
    let cache_read =
        count_in(&prompt_details, "cached_tokens").or_else(|| top.count("cached_tokens")).unwrap_or(0);
    let cache_write = count_in(&prompt_details, "cache_write_tokens").unwrap_or(0);
    Some(TokenUsage {
        input: prompt.unwrap_or(0).saturating_sub(cache_read.saturating_add(cache_write)),
        output: output.unwrap_or(0),
        cache_read,
        cache_write,
        cache_write_1h: 0,
        reasoning: count_in(&output_details, "reasoning_tokens").unwrap_or(0),
        is_estimated: false,
        cost: None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Amount, Api, TokenUsage};

    const USAGE: TokenUsage = TokenUsage {
        input: 60,
        output: 40,
        cache_read: 30,
        cache_write: 10,
        cache_write_1h: 0,
        reasoning: 25,
        is_estimated: true,
        cost: None,
    };

    #[test]
    fn each_api_reads_the_usage_that_it_writes() {
        for api in Api::ALL {
            let text = USAGE.to_json(api);
            assert_eq!(TokenUsage::from_json(api, text.as_bytes()), Some(USAGE), "{text}");
        }
        assert!(
            USAGE.to_json(Api::ChatCompletions).starts_with(r#"{"prompt_tokens":100,"#),
            "the cache is in the prompt"
        );
        assert!(USAGE.to_json(Api::Responses).starts_with(r#"{"input_tokens":100,"#));
        assert!(USAGE.to_json(Api::Messages).starts_with(r#"{"input_tokens":60,"#), "and here it is not");
    }

    #[test]
    fn cache_writes_of_an_hour_are_counted_apart() {
        let hour = TokenUsage { cache_write_1h: 4, ..USAGE };
        let text = hour.to_json(Api::Messages);
        assert_eq!(TokenUsage::from_json(Api::Messages, text.as_bytes()), Some(hour), "{text}");
    }

    #[test]
    fn later_messages_usage_replaces_the_earlier_one() {
        let mut usage = TokenUsage::default();
        let start = br#"{"input_tokens":7,"cache_read_input_tokens":5,"output_tokens":1,"cost":0.5}"#;
        assert!(usage.update(Api::Messages, start));
        assert!(usage.update(Api::Messages, br#"{"output_tokens":9,"cache_read_input_tokens":null}"#));
        let expected = TokenUsage {
            input: 7,
            output: 9,
            cache_read: 5,
            cost: Amount::parse("0.5"),
            ..TokenUsage::default()
        };
        assert_eq!(usage, expected);
        assert!(!usage.update(Api::Messages, b"{}"));
        assert_eq!(usage, expected);
    }
}
