//! What can be configured: accounts, and the regions of Moonshot's platform.

use clap::ValueEnum;

use crate::catalog::builtin_catalog;
use crate::protocol::api::Api;

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

    /// Its help text, for a prompt.
    pub(super) fn label(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The value of `--auth-choice`.
    pub(super) fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
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

impl Region {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Ai => Self::Cn,
            Self::Cn => Self::Ai,
        }
    }

    /// The base URL of its Chat Completions API.
    pub(super) fn base_url(self) -> &'static str {
        let id = match self {
            Self::Ai => "moonshot",
            Self::Cn => "moonshot-cn",
        };
        let known = builtin_catalog().provider(id);
        let urls = known.map(|known| known.base_urls.as_slice()).unwrap_or_default();
        urls.iter().find(|(api, _)| *api == Api::ChatCompletions).map_or("", |(_, base)| base.as_str())
    }

    /// `api.moonshot.ai` or `api.moonshot.cn`.
    pub(super) fn host(self) -> &'static str {
        self.base_url().trim_start_matches("https://").split('/').next().unwrap_or_default()
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ai => "the international platform",
            Self::Cn => "the China platform",
        }
    }

    /// The value of `--region`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Cn => "cn",
        }
    }

    pub(super) const fn choice(self) -> Choice {
        match self {
            Self::Ai => Choice::MoonshotApiKey,
            Self::Cn => Choice::MoonshotApiKeyCn,
        }
    }
}
