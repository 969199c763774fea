//! What can be configured: accounts, and the regions of Moonshot's platform.

use clap::ValueEnum;

/// An account at a provider, and how to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    /// Kimi Code, the subscription for coding agents (keys sk-kimi-…)
    KimiCodeApiKey,
    /// Kimi Code, with a browser login instead of a key
    KimiCodeOauth,
    /// Moonshot's open platform, international (platform.kimi.ai)
    MoonshotApiKey,
    /// Moonshot's open platform, China (platform.kimi.com)
    MoonshotApiKeyCn,
    /// OpenRouter, a broker of many vendors' models (keys sk-or-…)
    OpenrouterApiKey,
    /// Another server with an OpenAI or Anthropic API
    Custom,
}

/// What is known of a choice.
pub(super) struct ChoiceInfo {
    /// In messages; empty for a custom provider.
    pub(super) name: &'static str,
    /// Whose keys it takes.
    pub(super) product: &'static str,
    /// The provider's id; `None` if the user names it. Both regions of Moonshot's platform are `moonshot`, and differ
    /// by the base URL.
    pub(super) provider: Option<&'static str>,
    /// The region of Moonshot's platform.
    pub(super) region: Option<Region>,
}

impl Choice {
    pub(super) const fn info(self) -> ChoiceInfo {
        const KIMI: &str = "Kimi Code (sk-kimi-…)";
        const MOONSHOT: &str = "Moonshot's platform (sk-…)";
        let (name, product, provider, region) = match self {
            Self::KimiCodeApiKey | Self::KimiCodeOauth => ("Kimi Code", KIMI, Some("kimi"), None),
            Self::MoonshotApiKey => {
                ("Moonshot's international platform", MOONSHOT, Some("moonshot"), Some(Region::Ai))
            }
            Self::MoonshotApiKeyCn => {
                ("Moonshot's China platform", MOONSHOT, Some("moonshot"), Some(Region::Cn))
            }
            Self::OpenrouterApiKey => ("OpenRouter", "OpenRouter (sk-or-…)", Some("openrouter"), None),
            Self::Custom => ("", "this server", None, None),
        };
        ChoiceInfo { name, product, provider, region }
    }
}

/// A region of Moonshot's platform. Keys and balances of the two are separate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Region {
    /// International: api.moonshot.ai
    Ai,
    /// China: api.moonshot.cn
    Cn,
}

/// What is known of a region.
pub(super) struct RegionInfo {
    /// In messages.
    pub(super) name: &'static str,
    pub(super) host: &'static str,
    /// The base URL of its Chat Completions API.
    pub(super) base_url: &'static str,
    pub(super) choice: Choice,
    pub(super) other: Region,
}

impl Region {
    pub(super) const fn info(self) -> RegionInfo {
        match self {
            Self::Ai => RegionInfo {
                name: "the international platform",
                host: "api.moonshot.ai",
                base_url: "https://api.moonshot.ai/v1",
                choice: Choice::MoonshotApiKey,
                other: Self::Cn,
            },
            Self::Cn => RegionInfo {
                name: "the China platform",
                host: "api.moonshot.cn",
                base_url: "https://api.moonshot.cn/v1",
                choice: Choice::MoonshotApiKeyCn,
                other: Self::Ai,
            },
        }
    }
}

/// The value of an option as it is typed.
pub(super) fn option_word(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
