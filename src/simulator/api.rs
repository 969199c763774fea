//! The protocols that the providers speak.

use std::fmt;

use super::provider::Provider;

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
        Self::ALL.into_iter().find(|face| face.as_str() == word)
    }

    /// The API that serves a provider's route.
    pub(super) fn from_route(provider: Provider, route: &ProviderRoute<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|face| {
            let own_base = provider.base_path_for(*face) != provider.base_path();
            route.path == face.route() && route.is_anthropic_base == own_base
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
