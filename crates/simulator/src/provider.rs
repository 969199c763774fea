//! The three simulated providers and their APIs, on one port.

use std::fmt;

/// An upstream that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Moonshot Open Platform, billed by tokens.
    Moonshot,
    /// Kimi Code, a subscription that only coding agents may use.
    Kimi,
    /// OpenRouter, a broker of many vendors' models.
    OpenRouter,
}

impl Provider {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Moonshot, Self::Kimi, Self::OpenRouter];

    /// The name in fault specs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moonshot => "moonshot",
            Self::Kimi => "kimi",
            Self::OpenRouter => "openrouter",
        }
    }

    /// The base path of its OpenAI APIs. What follows is the provider's own route.
    #[must_use]
    pub const fn base_path(self) -> &'static str {
        match self {
            Self::Moonshot => "/moonshot/v1",
            Self::Kimi => "/kimi/coding/v1",
            Self::OpenRouter => "/openrouter/api/v1",
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
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == word)
    }

    /// Splits a request path into its provider and the provider's own route.
    pub(super) fn from_path(path: &str) -> Option<(Self, ProviderRoute<'_>)> {
        let below =
            |base: &str| path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        Self::ALL.into_iter().find_map(|provider| {
            let plain =
                below(provider.base_path()).map(|path| ProviderRoute { path, is_anthropic_base: false });
            let messages = provider.base_path_for(Api::Messages);
            let own = || below(messages).filter(|_| messages != provider.base_path());
            let route =
                plain.or_else(|| own().map(|path| ProviderRoute { path, is_anthropic_base: true }))?;
            Some((provider, route))
        })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI Chat Completions.
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

    /// The API with this name, if there is one.
    #[must_use]
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.as_str() == word)
    }

    /// The API that serves a provider's route.
    pub(super) fn from_route(provider: Provider, route: &ProviderRoute<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|api| {
            let own_base = provider.base_path_for(*api) != provider.base_path();
            route.path == api.route() && route.is_anthropic_base == own_base
        })
    }
}

/// A provider's own route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProviderRoute<'a> {
    /// `/chat/completions`, what follows the base.
    pub(super) path: &'a str,
    /// Below Moonshot's base path for Anthropic's SDKs, which serves only the Messages API.
    pub(super) is_anthropic_base: bool,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
