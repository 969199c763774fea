//! The three protocols that providers and clients speak.

/// A protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Face {
    /// OpenAI Chat Completions; `openai-completions` in the configuration.
    #[default]
    Chat,
    /// OpenAI Responses; `openai-responses`.
    Responses,
    /// Anthropic Messages; `anthropic-messages`.
    Messages,
}

impl Face {
    /// Every face, the default one first.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    /// The face that a value of `api` names.
    #[must_use]
    pub fn from_api(api: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|face| face.api() == api)
    }

    /// The value of `api` in the configuration.
    #[must_use]
    pub const fn api(self) -> &'static str {
        match self {
            Self::Chat => "openai-completions",
            Self::Responses => "openai-responses",
            Self::Messages => "anthropic-messages",
        }
    }

    /// What follows a base URL.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Responses => "/responses",
            Self::Messages => "/messages",
        }
    }

    /// The field of a request that holds the conversation.
    #[must_use]
    pub const fn list(self) -> &'static str {
        match self {
            Self::Chat | Self::Messages => "messages",
            Self::Responses => "input",
        }
    }
}
