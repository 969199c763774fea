//! Types of facts about models.

use serde::Deserialize;

use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;

/// The provider adapter to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterId {
    /// Moonshot's open platform (`api.moonshot.ai`, `api.moonshot.cn`).
    Moonshot,
    /// The Kimi Code subscription (`api.kimi.com`, `api.kimi.ai`).
    KimiCode,
    /// OpenRouter.
    #[serde(rename = "openrouter")]
    OpenRouter,
    /// Any other OpenAI-compatible server, by its [`Compat`] flags.
    Generic,
}

/// How a model thinks, and how its API controls that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThinkingControl {
    /// It does not.
    None,
    /// On or off by `thinking.type` (K2.6).
    Switch,
    /// Always; `thinking` is omitted or `enabled` (K2.7 Code).
    Always,
    /// By `reasoning_effort` (K3 family).
    Effort,
    /// Unknown: the client's parameters are forwarded.
    Unknown,
}

/// A thinking level, as accepted by `thinkingDefault` and `--thinking`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingLevel {
    /// No thinking where the model allows it.
    Off,
    /// The least.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// As much as the model can.
    Max,
    /// As the model decides.
    Adaptive,
}

impl ThinkingLevel {
    /// All levels, from none to highest.
    pub const ALL: [Self; 8] = [
        Self::Off,
        Self::Minimal,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Xhigh,
        Self::Max,
        Self::Adaptive,
    ];

    /// The level named in the configuration.
    #[must_use]
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }

    /// As the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
            Self::Adaptive => "adaptive",
        }
    }
}

/// An input type that a model accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputModalities {
    /// `image_url` parts.
    pub image: bool,
    /// `video_url` parts.
    pub video: bool,
}

/// Prices in the provider's currency, in millionths of a unit per million tokens (so $0.95/MTok is 950,000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenPrices {
    /// Uncached input.
    pub input: u64,
    /// Output, reasoning included.
    pub output: u64,
    /// Cached input.
    pub cache_read: u64,
    /// Input written to the cache for five minutes.
    pub cache_write: u64,
    /// Input written to the cache for an hour.
    pub cache_write_1h: u64,
}

impl TokenPrices {
    /// A price per million tokens (0.95) in the unit of [`TokenPrices`] (950,000); `None` for an invalid price.
    #[must_use]
    pub fn units_to_millionths(amount: f64) -> Option<u64> {
        // More than a million per token is a mistake; below that an f64 represents every millionth exactly.
        if !(0.0..=1e6).contains(&amount) {
            return None;
        }
        format!("{:.0}", amount * 1e6).parse().ok()
    }

    /// Prices of a model. Each token counts once: `input` excludes cache reads and writes, and `output`
    /// includes reasoning.
    #[must_use]
    pub const fn compute_cost(&self, usage: &TokenUsage) -> Amount {
        Amount::from_tokens(usage.input, self.input)
            .saturating_add(Amount::from_tokens(usage.output, self.output))
            .saturating_add(Amount::from_tokens(usage.cache_read, self.cache_read))
            .saturating_add(self.cache_write_cost(usage))
    }

    /// The price of what is written to the cache, for five minutes and for an hour.
    #[must_use]
    pub const fn cache_write_cost(&self, usage: &TokenUsage) -> Amount {
        let minutes = usage.cache_write.saturating_sub(usage.cache_write_1h);
        Amount::from_tokens(minutes, self.cache_write)
            .saturating_add(Amount::from_tokens(usage.cache_write_1h, self.cache_write_1h))
    }

    /// An amount of [`TokenPrices`] per million tokens, as users write it.
    #[must_use]
    pub fn millionths_to_units(millionths: u64) -> f64 {
        millionths as f64 / 1e6
    }
}

/// How an OpenAI-compatible server differs; `compat` in the configuration. `None` means the default of the
/// provider adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    /// Accepts `role: "developer"`; otherwise it becomes `system`.
    pub supports_developer_role: Option<bool>,
    /// Accepts `stream_options.include_usage`.
    pub supports_usage_in_streaming: Option<bool>,
    /// Accepts `reasoning_effort`.
    pub supports_reasoning_effort: Option<bool>,
    /// Continues a last assistant message. Few servers are known to; a model that ignores it starts its
    /// response again.
    pub supports_prefill: Option<bool>,
    /// Continues an answer when it is asked to, and takes no prefill.
    pub continues_on_instruction: Option<bool>,
    /// `max_completion_tokens` or `max_tokens`: the name that the server wants.
    pub max_tokens_field: Option<MaxTokensField>,
    /// Wants `reasoning_content` on every assistant message with tool calls.
    pub requires_reasoning_content: Option<bool>,
    /// Accepts `store`.
    pub supports_store: Option<bool>,
    /// Accepts `strict` in tool definitions.
    pub supports_strict_mode: Option<bool>,
    /// Accepts `tools`.
    pub supports_tools: Option<bool>,
    /// Accepts `cache_control`: translated requests keep the client's, and Claude models get it where the client's API has
    /// none.
    pub supports_cache_control: Option<bool>,
    /// Accepts only strings as message content, no parts.
    pub requires_string_content: Option<bool>,
}

/// The name of the output limit in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxTokensField {
    /// `max_completion_tokens`.
    MaxCompletionTokens,
    /// `max_tokens`.
    MaxTokens,
}

/// That a model is gone, or going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// ISO date.
    pub date: String,
    /// The id of the replacement model, at the same provider.
    pub successor: String,
}

impl Retirement {
    /// The human-readable form.
    #[must_use]
    pub fn render_notice(&self, reference: &str) -> String {
        let provider = reference.split_once('/').map_or("", |(provider, _)| provider);
        let Self { date: on, successor } = self;
        format!(
            "{reference} was retired on {on}; its successor is {provider}/{successor}. It is sent as it is."
        )
    }
}

/// One model of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// As the provider calls it (the part of the reference after the first slash).
    pub id: String,
    /// Display name.
    pub name: String,
    /// The accepted input types.
    pub input_modalities: InputModalities,
    /// How it thinks.
    pub thinking_control: ThinkingControl,
    /// Prompt and response together, in tokens; `None` if unknown.
    pub context_window: Option<u64>,
    /// The largest response in tokens; `None` if unknown.
    pub max_tokens: Option<u64>,
    /// `None` if unknown or part of a subscription.
    pub prices: Option<TokenPrices>,
    /// Deviations.
    pub compat: Compat,
    /// Set when it is gone: it is passed on as it is, with a warning.
    pub retirement: Option<Retirement>,
    /// Set when its retirement is announced; it is served until then.
    pub planned_retirement: Option<Retirement>,
}

impl ModelInfo {
    /// A model of which only the id is known: all parameters are forwarded, no capability is excluded.
    #[must_use]
    pub fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            input_modalities: InputModalities { image: true, video: true },
            thinking_control: ThinkingControl::Unknown,
            context_window: None,
            max_tokens: None,
            prices: None,
            compat: Compat::default(),
            retirement: None,
            planned_retirement: None,
        }
    }
}
