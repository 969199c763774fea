//! The simulated providers and their APIs, on one port.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An upstream that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Moonshot Open Platform, billed by tokens.
    Moonshot,
    /// Kimi Code, a subscription that only coding agents may use.
    Kimi,
    /// OpenRouter, a broker of many vendors' models.
    OpenRouter,
    /// Anthropic's own API.
    Anthropic,
    /// `OpenAI`'s own API.
    OpenAi,
}

impl Provider {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::Moonshot, Self::Kimi, Self::OpenRouter, Self::Anthropic, Self::OpenAi];

    /// The name in fault specs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moonshot => "moonshot",
            Self::Kimi => "kimi",
            Self::OpenRouter => "openrouter",
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    /// The base path of its OpenAI APIs. What follows is the provider's own route.
    #[must_use]
    pub const fn base_path(self) -> &'static str {
        match self {
            Self::Moonshot => "/moonshot/v1",
            Self::Kimi => "/kimi/coding/v1",
            Self::OpenRouter => "/openrouter/api/v1",
            Self::Anthropic => "/anthropic/v1",
            Self::OpenAi => "/openai/v1",
        }
    }

    /// The APIs that it serves.
    #[must_use]
    pub const fn apis(self) -> &'static [Api] {
        match self {
            Self::Moonshot | Self::Kimi | Self::OpenRouter => &Api::ALL,
            Self::Anthropic => &[Api::Messages],
            Self::OpenAi => &[Api::ChatCompletions, Api::Responses],
        }
    }

    /// The base path of an API. Moonshot's Messages API has its own (Moonshot's guide to Claude Code).
    #[must_use]
    pub const fn base_path_for(self, api: Api) -> &'static str {
        match (self, api) {
            (Self::Moonshot, Api::Messages) => "/moonshot/anthropic/v1",
            _ => self.base_path(),
        }
    }

    /// The provider with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// OpenAI Chat Completions.
    #[serde(rename = "chat")]
    ChatCompletions,
    /// Anthropic Messages.
    Messages,
    /// OpenAI Responses.
    Responses,
}

impl Api {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::ChatCompletions, Self::Messages, Self::Responses];

    /// The name in fault specs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Messages => "messages",
            Self::Responses => "responses",
        }
    }

    /// The path of this API below a provider's base path.
    #[must_use]
    pub const fn route(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Messages => "/messages",
            Self::Responses => "/responses",
        }
    }

    /// The field of a request that holds the conversation.
    pub(super) const fn conversation_field(self) -> &'static str {
        match self {
            Self::ChatCompletions | Self::Messages => "messages",
            Self::Responses => "input",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A route of a provider.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderRoute<'a> {
    pub(super) provider: Provider,
    /// What follows the base path, such as `/chat/completions`.
    pub(super) path: &'a str,
    /// Below Moonshot's base path for Anthropic's SDKs, which serves only the Messages API.
    pub(super) is_anthropic_base: bool,
}

impl<'a> ProviderRoute<'a> {
    pub(super) fn from_path(path: &'a str) -> Option<Self> {
        let bases = Provider::ALL.into_iter().flat_map(|provider| Api::ALL.map(|api| (provider, api)));
        bases.into_iter().find_map(|(provider, api)| {
            let base = provider.base_path_for(api);
            let path = path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            Some(Self { provider, path, is_anthropic_base: base != provider.base_path() })
        })
    }

    /// The API that serves this route.
    pub(super) fn api(&self) -> Option<Api> {
        self.provider.apis().iter().copied().find(|api| {
            let has_own_base = self.provider.base_path_for(*api) != self.provider.base_path();
            self.path == api.route() && self.is_anthropic_base == has_own_base
        })
    }

    /// The API whose error format a route without a prompt uses.
    pub(super) fn error_api(&self) -> Api {
        let is_anthropic = self.is_anthropic_base || self.provider == Provider::Anthropic;
        if is_anthropic || self.path.starts_with(Api::Messages.route()) {
            Api::Messages
        } else {
            Api::ChatCompletions
        }
    }
}
