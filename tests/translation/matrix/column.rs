//! The providers of the table.

use serde_json::{Value, json};

use crate::common::{Api, Provider, Setup, Upstream};

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
    Custom(Api),
}

/// The fallback's model. It does not reason, and supports prefill.
const SPARE_MODEL: &str = "moonshotai/kimi-k2-0905";

impl Column {
    pub(super) const ALL: [Self; 6] = [
        Self::Kimi,
        Self::Moonshot,
        Self::OpenRouter,
        Self::Custom(Api::Chat),
        Self::Custom(Api::Messages),
        Self::Custom(Api::Responses),
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

    pub(super) fn speaks(self, api: Api) -> bool {
        !matches!(self, Self::Custom(own) if own != api)
    }

    /// The fallback.
    pub(super) const SPARE: &'static str = "spare/moonshotai/kimi-k2-0905";

    /// The one API of the fallback: not the client's.
    pub(super) const fn spare_api(client: Api) -> Api {
        match client {
            Api::Chat => Api::Messages,
            Api::Messages | Api::Responses => Api::Chat,
        }
    }

    /// This provider first, another one next, one try each.
    pub(super) fn setup(self, upstream: &Upstream, client: Api) -> Setup {
        let custom = |api: Api, provider: Provider, id: &str, compat: Value| {
            let path = match (provider, api) {
                (Provider::Moonshot, Api::Messages) => "/moonshot/anthropic/v1",
                _ => provider.path(),
            };
            json!({
                "baseUrl": format!("{}{path}", upstream.base()), "apiKey": provider.key(), "api": api.api(),
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
                    Self::spare_api(client),
                    Provider::OpenRouter,
                    SPARE_MODEL,
                    json!({ "supportsPrefill": true }),
                ),
            )
            .set("agents.defaults.model", json!({ "primary": self.reference(), "fallbacks": [Self::SPARE] }));
        if let Self::Custom(api) = self {
            // Kimi under another name: it requires its reasoning back and accepts any signature.
            let compat = json!({ "requiresReasoningContentOnAssistantMessages": true });
            setup = setup.set("models.providers.own", custom(api, Provider::Moonshot, "kimi-k3", compat));
        }
        setup
    }
}
