//! The models that each provider serves, with the rules that hang on the model.
//!
//! Ids, windows and thinking rules: Moonshot's platform docs of 2026-09-23 and Kimi Code's `/models` of 2026-09-22; K3.1
//! from resellers' pages of October 2026. Ids that are gone are absent on purpose: they get the 404.

use crate::provider::Provider;

/// How a model's thinking can be steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThinkingMode {
    /// It does not think.
    Never,
    /// It thinks; `thinking.type` may only be `enabled`.
    Always,
    /// It thinks unless `thinking.type` is `disabled`.
    Switch,
    /// It thinks with an effort; `thinking.type: disabled` is undocumented and works.
    Effort,
}

/// How a model names its tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Debug)]
pub(super) struct SimulatedModel {
    /// The id that requests name.
    pub(super) id: &'static str,
    /// For people.
    pub(super) name: &'static str,
    /// Tokens.
    pub(super) context_window: u64,
    /// How its thinking can be steered.
    pub(super) thinking: ThinkingMode,
    /// How it names tool calls.
    pub(super) call_id_format: CallIdFormat,
    /// Whether `video_url` parts are accepted.
    pub(super) accepts_video: bool,
    /// Unix time of its listing.
    pub(super) created: u64,
    /// Effort when the request names none.
    pub(super) default_effort: &'static str,
    /// Millionths of a US dollar per million tokens: input from the cache, other input, output.
    pub(super) price: [u64; 3],
    /// The vendor that serves the model on OpenRouter.
    pub(super) vendor: &'static str,
}

const KIB: u64 = 1024;

const fn kimi_model(
    id: &'static str,
    name: &'static str,
    window: u64,
    thinking: ThinkingMode,
    ids: CallIdFormat,
    price: [u64; 3],
) -> SimulatedModel {
    let effort = "max";
    let vendor = "Moonshot AI";
    SimulatedModel {
        id,
        name,
        context_window: window,
        thinking,
        call_id_format: ids,
        accepts_video: true,
        created: 1_761_264_000,
        default_effort: effort,
        price,
        vendor,
    }
}

const fn openrouter_model(
    id: &'static str,
    name: &'static str,
    vendor: &'static str,
    price: [u64; 3],
) -> SimulatedModel {
    SimulatedModel {
        id,
        name,
        context_window: 400_000,
        thinking: ThinkingMode::Never,
        call_id_format: CallIdFormat::Opaque,
        accepts_video: false,
        created: 1_754_000_000,
        default_effort: "medium",
        price,
        vendor,
    }
}

use CallIdFormat::{Counter, Functions, Underscore};
use ThinkingMode::{Always, Effort, Switch};

static MOONSHOT: [SimulatedModel; 6] = [
    kimi_model(
        "kimi-k3.1-pro",
        "Kimi K3.1 Pro",
        KIB * KIB,
        Effort,
        Underscore,
        [200_000, 2_000_000, 10_000_000],
    ),
    kimi_model(
        "kimi-k3.1-pro-highspeed",
        "Kimi K3.1 Pro Highspeed",
        KIB * KIB,
        Effort,
        Underscore,
        [200_000, 4_000_000, 20_000_000],
    ),
    kimi_model("kimi-k3", "Kimi K3", KIB * KIB, Effort, Underscore, [300_000, 3_000_000, 15_000_000]),
    kimi_model("kimi-k2.7-code", "Kimi K2.7 Code", 256 * KIB, Always, Counter, [190_000, 950_000, 4_000_000]),
    kimi_model(
        "kimi-k2.7-code-highspeed",
        "Kimi K2.7 Code Highspeed",
        256 * KIB,
        Always,
        Counter,
        [380_000, 1_900_000, 8_000_000],
    ),
    kimi_model("kimi-k2.6", "Kimi K2.6", 256 * KIB, Switch, Functions, [160_000, 950_000, 4_000_000]),
];

/// `supports_thinking_type: "only"` for all of them: thinking cannot be disabled.
static KIMI: [SimulatedModel; 5] = [
    kimi_model("kimi-for-coding", "K2.8 Preview", KIB * KIB, Always, Counter, [0; 3]),
    kimi_model("kimi-for-coding-highspeed", "K2.7 Code Highspeed", 256 * KIB, Always, Counter, [0; 3]),
    SimulatedModel {
        accepts_video: false,
        default_effort: "high",
        ..kimi_model("k3-256k", "K3-256k", 256 * KIB, Always, Underscore, [0; 3])
    },
    SimulatedModel {
        default_effort: "high",
        ..kimi_model("k3", "K3", KIB * KIB, Always, Underscore, [0; 3])
    },
    kimi_model("k3.1-pro", "K3.1 Pro", KIB * KIB, Always, Underscore, [0; 3]),
];

/// What Kimi Code still answers under old names (third-party reports of 2026).
const KIMI_OLD_IDS: [&str; 4] = ["kimi-k2.5", "k2p5", "k2.7", "kimi-k2.7"];

static OPENROUTER: [SimulatedModel; 12] = [
    kimi_model(
        "moonshotai/kimi-k3.1-pro",
        "MoonshotAI: Kimi K3.1 Pro",
        KIB * KIB,
        Effort,
        Underscore,
        [200_000, 2_000_000, 10_000_000],
    ),
    kimi_model(
        "moonshotai/kimi-k3",
        "MoonshotAI: Kimi K3",
        KIB * KIB,
        Effort,
        Underscore,
        [300_000, 3_000_000, 15_000_000],
    ),
    kimi_model(
        "moonshotai/kimi-k2.7-code",
        "MoonshotAI: Kimi K2.7 Code",
        256 * KIB,
        Always,
        Counter,
        [190_000, 950_000, 4_000_000],
    ),
    kimi_model(
        "moonshotai/kimi-k2.6",
        "MoonshotAI: Kimi K2.6",
        256 * KIB,
        Switch,
        Functions,
        [160_000, 950_000, 4_000_000],
    ),
    kimi_model(
        "moonshotai/kimi-k2.5",
        "MoonshotAI: Kimi K2.5",
        256 * KIB,
        Switch,
        Functions,
        [100_000, 600_000, 3_000_000],
    ),
    kimi_model(
        "moonshotai/kimi-k2-thinking",
        "MoonshotAI: Kimi K2 Thinking",
        256 * KIB,
        Always,
        Functions,
        [150_000, 600_000, 2_500_000],
    ),
    kimi_model(
        "moonshotai/kimi-k2-0905",
        "MoonshotAI: Kimi K2 0905",
        256 * KIB,
        ThinkingMode::Never,
        Functions,
        [300_000, 600_000, 2_500_000],
    ),
    kimi_model(
        "moonshotai/kimi-k2",
        "MoonshotAI: Kimi K2",
        128 * KIB,
        ThinkingMode::Never,
        Functions,
        [300_000, 550_000, 2_200_000],
    ),
    openrouter_model("openai/gpt-5-mini", "OpenAI: GPT-5 Mini", "OpenAI", [25_000, 250_000, 2_000_000]),
    openrouter_model(
        "anthropic/claude-sonnet-4.5",
        "Anthropic: Claude Sonnet 4.5",
        "Anthropic",
        [300_000, 3_000_000, 15_000_000],
    ),
    openrouter_model(
        "google/gemini-2.5-flash",
        "Google: Gemini 2.5 Flash",
        "Google",
        [30_000, 300_000, 2_500_000],
    ),
    openrouter_model(
        "deepseek/deepseek-v3.2",
        "DeepSeek: DeepSeek V3.2",
        "DeepSeek",
        [26_000, 260_000, 380_000],
    ),
];

/// The model that `openrouter/auto` chooses here: from another vendor, so that a test sees which model
/// answered.
const AUTO_MODEL: &str = "openai/gpt-5-mini";

/// All models of a provider, in the order of its list.
pub(super) fn models_of(provider: Provider) -> &'static [SimulatedModel] {
    match provider {
        Provider::Moonshot => &MOONSHOT,
        Provider::Kimi => &KIMI,
        Provider::OpenRouter => &OPENROUTER,
    }
}

/// The model that serves `id`, with aliases and OpenRouter's `:free` and `:nitro` suffixes resolved.
pub(super) fn find_model(provider: Provider, id: &str) -> Option<&'static SimulatedModel> {
    let id = match provider {
        Provider::Kimi if KIMI_OLD_IDS.contains(&id) => "kimi-for-coding",
        Provider::OpenRouter if id == "openrouter/auto" => AUTO_MODEL,
        Provider::OpenRouter if id == "moonshotai/kimi-latest" => "moonshotai/kimi-k3.1-pro",
        Provider::OpenRouter => id.split_once(':').map_or(id, |(bare, _)| bare),
        Provider::Moonshot | Provider::Kimi => id,
    };
    models_of(provider).iter().find(|model| model.id == id)
}
