//! The models that each provider serves, with the rules that depend on the model.
//!
//! Sources of `data/models.json`: Moonshot's platform docs of 2026-09-23 and Kimi Code's `/models` of 2026-09-22
//! (`supports_thinking_type: "only"`: thinking cannot be disabled); K3.1 from resellers' pages of October 2026.
//! Retired ids are absent on purpose: they get the 404.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::provider::Provider;

/// How a model's thinking can be controlled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ThinkingMode {
    /// It does not think.
    Never,
    /// It thinks; `thinking.type` may only be `enabled`.
    Always,
    /// It thinks unless `thinking.type` is `disabled`.
    Switch,
    /// It thinks with an effort; `thinking.type: disabled` is undocumented and works.
    Effort,
    /// Claude up to 4.5: it thinks if `thinking` has a budget.
    Budget,
    /// Newer Claude models: they think unless that is disabled, and take an effort instead of a budget.
    Adaptive,
}

/// How a model names its tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CallIdFormat {
    /// `NAME_0`, counted separately in every answer, so it repeats over turns (vllm#50295).
    Underscore,
    /// `functions.NAME:0`, counted separately in every answer.
    Functions,
    /// `NAME:7`, counted over the conversation in the request.
    Counter,
    /// `call_` and 24 hexadecimal digits.
    Opaque,
}

/// A model of one provider.
#[derive(Debug, Deserialize)]
pub(super) struct SimulatedModel {
    provider: Provider,
    pub(super) id: String,
    /// The display name.
    pub(super) name: String,
    /// The vendor that serves the model on OpenRouter.
    pub(super) vendor: String,
    /// Tokens.
    pub(super) context_window: u64,
    pub(super) thinking: ThinkingMode,
    pub(super) call_id_format: CallIdFormat,
    /// Whether `video_url` parts are accepted.
    pub(super) accepts_video: bool,
    /// Unix time of its listing.
    pub(super) created: u64,
    /// Effort when the request names none.
    pub(super) default_effort: String,
    /// Millionths of a US dollar per million tokens: input from the cache, other input, output.
    pub(super) price: [u64; 3],
}

#[expect(clippy::expect_used, reason = "the file is part of the crate, and every test reads it")]
static MODELS: LazyLock<Vec<SimulatedModel>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/models.json")).expect("data/models.json is a list of models")
});

/// All models of a provider, in the order of its list.
pub(super) fn models_of(provider: Provider) -> impl Iterator<Item = &'static SimulatedModel> {
    MODELS.iter().filter(move |model| model.provider == provider)
}

/// The model that serves `id`, with aliases and OpenRouter's `:free` and `:nitro` suffixes resolved.
pub(super) fn find_model(provider: Provider, id: &str) -> Option<&'static SimulatedModel> {
    let id = match (provider, id) {
        // What Kimi Code still answers under old names (third-party reports of 2026).
        (Provider::Kimi, "kimi-k2.5" | "k2p5" | "k2.7" | "kimi-k2.7") => "kimi-for-coding",
        // From another vendor, so that a test sees which model answered.
        (Provider::OpenRouter, "openrouter/auto") => "openai/gpt-5-mini",
        (Provider::OpenRouter, "moonshotai/kimi-latest") => "moonshotai/kimi-k3.1-pro",
        (Provider::OpenRouter, id) => id.split_once(':').map_or(id, |(bare, _)| bare),
        (_, id) => id,
    };
    models_of(provider).find(|model| model.id == id)
}
