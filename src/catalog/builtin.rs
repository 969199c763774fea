//! Types of the built-in catalog.

use serde::Deserialize;

use super::facts::{AdapterId, ModelInfo};
use crate::protocol::api::Api;

/// How far a source can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Confidence {
    /// `A`: the vendor's own document, source or response.
    #[serde(rename = "A")]
    Vendor,
    /// `B`: a published live measurement by a third party.
    #[serde(rename = "B")]
    Measured,
    /// `C`: a third party's claim, or our inference.
    #[serde(rename = "C")]
    Claimed,
}

/// The source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FactSource {
    /// Display name.
    pub title: String,
    /// Where it can be read, if anywhere.
    pub url: Option<String>,
    /// ISO date of the source.
    pub as_of: String,
    /// How far to trust it.
    pub confidence: Confidence,
}

/// Where a group of facts is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactProvenance {
    /// A model id; empty for a fact about the provider.
    pub model: String,
    /// `apis`, `renamed`, `webSearch`, `limits`, `price`, `abilities`, `prefill`, `instruction`, `retired` or `leaving`.
    pub group: &'static str,
    /// The source.
    pub source: FactSource,
}

/// A provider of the catalog.
#[derive(Clone, Debug)]
pub struct BuiltinProvider {
    /// The id in references.
    pub id: String,
    /// The provider adapter to use.
    pub adapter: AdapterId,
    /// Base URL of each API format that it serves, without a trailing slash (`…/v1`).
    pub base_urls: Vec<(Api, String)>,
    /// The hosts of this provider, whatever id the user configures; the first is that of `base_urls`.
    pub hosts: Vec<String>,
    /// Environment names of its key; the first that is set counts.
    pub key_variables: Vec<String>,
    /// Other ids that mean it, unless the user defines those.
    pub aliases: Vec<String>,
    /// Old model ids and their replacements.
    pub model_renames: Vec<(String, String)>,
    /// Whether any model id is accepted.
    pub accepts_any_model: bool,
    /// Whether it serves without being named in the configuration.
    pub is_enabled_by_default: bool,
    /// ISO 4217.
    pub currency: String,
    /// The default model.
    pub default_model: String,
    /// Price of one call of its built-in web search, in millionths of a unit of `currency`, in addition to
    /// tokens; `None` if it has none.
    pub search_price: Option<u64>,
    /// Its models.
    pub models: Vec<ModelInfo>,
    /// Where all of this is from.
    pub provenance: Vec<FactProvenance>,
}

impl BuiltinProvider {
    /// The API formats on one of its hosts: the documented paths, at `host`.
    #[must_use]
    pub fn base_urls_at_host(&self, host: &str) -> Vec<(Api, String)> {
        let default = self.hosts.first().map_or("", String::as_str);
        self.base_urls
            .iter()
            .map(|(api, base)| (*api, base.replacen(&format!("//{default}/"), &format!("//{host}/"), 1)))
            .collect()
    }

    /// The facts of one model, by its id or by an old one.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<&ModelInfo> {
        let id = self.model_renames.iter().find(|(old, _)| old == id).map_or(id, |(_, new)| new.as_str());
        self.models.iter().find(|model| model.id == id)
    }
}

/// The whole catalog.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// In the order of preference for the default chain.
    pub providers: Vec<BuiltinProvider>,
}

impl Catalog {
    /// The provider with this id (not an alias of it).
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<&BuiltinProvider> {
        self.providers.iter().find(|provider| provider.id == id)
    }

    /// The provider that serves on this host.
    #[must_use]
    pub fn find_by_host(&self, host: &str) -> Option<&BuiltinProvider> {
        self.providers.iter().find(|provider| provider.hosts.iter().any(|known| known == host))
    }
}
