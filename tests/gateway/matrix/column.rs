//! The providers of the table.

use serde_json::{Value, json};

use crate::common::{Face, Provider, Setup, Upstream};

/// The primary provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    /// Kimi Code, with its three APIs.
    Kimi,
    /// Moonshot, with its three APIs.
    Moonshot,
    /// OpenRouter, with its three APIs.
    OpenRouter,
    /// A provider that is not in the catalog and supports only this API.
    Custom(Face),
}

/// The fallback's model. It does not reason, and supports prefill.
const SPARE_MODEL: &str = "moonshotai/kimi-k2-0905";

impl Column {
    pub(super) const ALL: [Self; 6] = [
        Self::Kimi,
        Self::Moonshot,
        Self::OpenRouter,
        Self::Custom(Face::Chat),
        Self::Custom(Face::Messages),
        Self::Custom(Face::Responses),
    ];

    /// The simulated provider.
    pub(super) const fn provider(self) -> Provider {
        match self {
            Self::Kimi => Provider::Kimi,
            Self::Moonshot | Self::Custom(_) => Provider::Moonshot,
            Self::OpenRouter => Provider::OpenRouter,
        }
    }

    /// The primary model.
    pub(super) fn reference(self) -> String {
        match self {
            Self::Kimi | Self::Moonshot => self.provider().reference().to_owned(),
            Self::OpenRouter => "openrouter/moonshotai/kimi-k3".to_owned(),
            Self::Custom(_) => "own/kimi-k3".to_owned(),
        }
    }

    /// The model as the provider gets it.
    pub(super) fn wire_model(self) -> String {
        let reference = self.reference();
        reference.split_once('/').unwrap().1.to_owned()
    }

    pub(super) fn speaks(self, face: Face) -> bool {
        !matches!(self, Self::Custom(own) if own != face)
    }

    /// The fallback.
    pub(super) const SPARE: &'static str = "spare/moonshotai/kimi-k2-0905";

    /// The one API of the fallback: not the client's.
    pub(super) const fn spare_face(client: Face) -> Face {
        match client {
            Face::Chat => Face::Messages,
            Face::Messages | Face::Responses => Face::Chat,
        }
    }

    /// This provider first, another one next, one try each.
    pub(super) fn setup(self, upstream: &Upstream, client: Face) -> Setup {
        let custom = |face: Face, provider: Provider, id: &str, compat: Value| {
            let path = match (provider, face) {
                (Provider::Moonshot, Face::Messages) => "/moonshot/anthropic/v1",
                _ => provider.path(),
            };
            json!({
                "baseUrl": format!("{}{path}", upstream.base()), "apiKey": provider.key(), "api": face.api(),
                "authHeader": true,
                "models": [{
                    "id": id, "input": ["text", "image"], "contextWindow": 262_144, "maxTokens": 32_768,
                    "reasoning": true, "compat": compat,
                }],
            })
        };
        let mut setup = Setup::chain(upstream, &[self.provider()])
            .set(
                "models.providers.spare",
                custom(
                    Self::spare_face(client),
                    Provider::OpenRouter,
                    SPARE_MODEL,
                    json!({ "supportsPrefill": true }),
                ),
            )
            .set("agents.defaults.model", json!({ "primary": self.reference(), "fallbacks": [Self::SPARE] }));
        if let Self::Custom(face) = self {
            // Kimi under another name: it requires its reasoning back and accepts any signature.
            let compat = json!({ "requiresReasoningContentOnAssistantMessages": true });
            setup = setup.set("models.providers.own", custom(face, Provider::Moonshot, "kimi-k3", compat));
        }
        setup
    }
}
