//! What can be set up, and what is known of it.

use clap::ValueEnum;

use crate::catalog::{BuiltinProvider, builtin_catalog};
use crate::protocol::api::Api;

/// Which account answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    /// Kimi Code, the subscription for coding agents
    KimiCodeApiKey,
    /// The same by a login, in the place of a key
    KimiCodeOauth,
    /// Moonshot's open platform, international (platform.kimi.ai)
    MoonshotApiKey,
    /// Moonshot's open platform, China (platform.kimi.com)
    MoonshotApiKeyCn,
    /// OpenRouter, a broker of many vendors' models
    OpenrouterApiKey,
    /// Any server that speaks one of the three protocols
    Custom,
}

/// A site of Moonshot's platform. Keys, balances and files of the two are separate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Region {
    /// International: api.moonshot.ai
    Ai,
    /// China: api.moonshot.cn
    Cn,
}

impl Region {
    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Ai => Self::Cn,
            Self::Cn => Self::Ai,
        }
    }

    /// Its provider in the catalog.
    const fn catalog_id(self) -> &'static str {
        match self {
            Self::Ai => "moonshot",
            Self::Cn => "moonshot-cn",
        }
    }

    /// `api.moonshot.ai` or `api.moonshot.cn`.
    pub(super) fn host(self) -> &'static str {
        self.catalog_provider().and_then(|known| known.hosts.first()).map_or("", String::as_str)
    }

    /// The base URL of its OpenAI APIs.
    pub(super) fn base_url(self) -> &'static str {
        self.catalog_provider().and_then(chat_base_url).unwrap_or_default()
    }

    fn catalog_provider(self) -> Option<&'static BuiltinProvider> {
        builtin_catalog().provider(self.catalog_id())
    }

    /// How people call its platform.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ai => "the international platform",
            Self::Cn => "the China platform",
        }
    }

    /// The word on the command line.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Cn => "cn",
        }
    }

    /// The choice that sets it up.
    pub(super) const fn choice(self) -> Choice {
        match self {
            Self::Ai => Choice::MoonshotApiKey,
            Self::Cn => Choice::MoonshotApiKeyCn,
        }
    }
}

fn chat_base_url(known: &BuiltinProvider) -> Option<&str> {
    known.base_urls.iter().find(|(face, _)| *face == Api::ChatCompletions).map(|(_, base)| base.as_str())
}

impl Choice {
    /// In the order in which they are offered.
    pub(super) const ALL: [Self; 6] = [
        Self::KimiCodeApiKey,
        Self::KimiCodeOauth,
        Self::MoonshotApiKey,
        Self::MoonshotApiKeyCn,
        Self::OpenrouterApiKey,
        Self::Custom,
    ];

    /// The word on the command line.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::KimiCodeApiKey => "kimi-code-api-key",
            Self::KimiCodeOauth => "kimi-code-oauth",
            Self::MoonshotApiKey => "moonshot-api-key",
            Self::MoonshotApiKeyCn => "moonshot-api-key-cn",
            Self::OpenrouterApiKey => "openrouter-api-key",
            Self::Custom => "custom",
        }
    }

    /// For people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::KimiCodeApiKey => "Kimi Code, the subscription (keys sk-kimi-…)",
            Self::KimiCodeOauth => "Kimi Code, logged in with a browser",
            Self::MoonshotApiKey => "Moonshot's platform, international (platform.kimi.ai)",
            Self::MoonshotApiKeyCn => "Moonshot's platform, China (platform.kimi.com)",
            Self::OpenrouterApiKey => "OpenRouter (keys sk-or-…)",
            Self::Custom => "Another server: OpenAI's or Anthropic's protocol",
        }
    }

    /// The provider's id in references; `None` if the user names it. Both sites of Moonshot's platform are
    /// `moonshot`, distinguished by the base URL.
    pub(super) const fn provider(self) -> Option<&'static str> {
        match self {
            Self::KimiCodeApiKey | Self::KimiCodeOauth => Some("kimi"),
            Self::MoonshotApiKey | Self::MoonshotApiKeyCn => Some("moonshot"),
            Self::OpenrouterApiKey => Some("openrouter"),
            Self::Custom => None,
        }
    }

    /// The site of Moonshot's platform.
    pub(super) const fn region(self) -> Option<Region> {
        match self {
            Self::MoonshotApiKey => Some(Region::Ai),
            Self::MoonshotApiKeyCn => Some(Region::Cn),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{Choice, Region};
    use crate::catalog::builtin_catalog;

    #[test]
    fn every_choice_has_its_word_and_a_provider_of_the_catalog() {
        assert_eq!(Choice::ALL, Choice::value_variants());
        for choice in Choice::ALL {
            assert_eq!(choice.to_possible_value().unwrap().get_name(), choice.as_str());
            assert!(
                choice.provider().is_none_or(|id| builtin_catalog().provider(id).is_some()),
                "{choice:?}"
            );
        }
        for region in [Region::Ai, Region::Cn] {
            assert_eq!(region.to_possible_value().unwrap().get_name(), region.as_str());
            assert_eq!(region.base_url(), format!("https://{}/v1", region.host()));
            assert_eq!(region.choice().region(), Some(region));
        }
    }
}
