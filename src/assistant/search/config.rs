//! Settings of a search, its prices, and the messages for wrong settings.

use std::sync::Arc;
use std::time::Duration;

use super::result::{SearchCosts, SearchFailure, SearchFailureKind, SearchUsage};
use crate::catalog::{ModelInfo, builtin_catalog};
use crate::config::settings::{Provider, ProviderKey, Settings, WebSearchSettings};
use crate::secret::Redactor;

/// The setting that decides the region.
const BASE_URL_KEY: &str = "plugins.entries.moonshot.config.webSearch.baseUrl";

/// Settings of the search, and of the provider whose account is used.
#[derive(Clone)]
pub(super) struct SearchConfig {
    pub(super) settings: WebSearchSettings,
    provider: Option<Arc<Provider>>,
}

impl SearchConfig {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let web_search = settings.web_search.clone();
        let provider = settings.providers.get(&web_search.provider).cloned();
        Self { settings: web_search, provider }
    }

    /// The timeout of a whole search: most have two rounds.
    pub(super) fn total_timeout(&self) -> Duration {
        self.settings.timeout.saturating_mul(2)
    }

    pub(super) fn reference(&self, model: &str) -> String {
        format!("{}/{model}", self.settings.provider)
    }

    /// The facts about a model, from the configuration, else from the catalog.
    pub(super) fn model(&self, model: &str) -> ModelInfo {
        let configured = self.provider.as_ref().and_then(|provider| provider.models.get(model));
        if let Some(configured) = configured {
            return configured.model.clone();
        }
        let known =
            builtin_catalog().provider(&self.settings.provider).and_then(|provider| provider.model(model));
        known.cloned().unwrap_or_else(|| ModelInfo::unknown(model))
    }

    /// The usage with its cost, if both prices are known.
    pub(super) fn price(&self, model: &str, usage: &SearchUsage) -> SearchUsage {
        let costs = builtin_catalog().provider(&self.settings.provider).and_then(|known| {
            let currency = self.provider.as_ref().map_or(&known.currency, |provider| &provider.currency);
            // The price of a search is in the catalog's currency.
            let search_price = known.search_price.filter(|_| *currency == known.currency)?;
            Some(SearchCosts::new(usage, &self.model(model).prices?, search_price, currency))
        });
        SearchUsage { costs, ..usage.clone() }
    }

    /// The keys in the order in which they are tried.
    ///
    /// # Errors
    /// There is no usable key; with the fix.
    pub(super) fn keys(&self) -> Result<&[ProviderKey], SearchFailure> {
        if !self.settings.keys.is_empty() {
            return Ok(&self.settings.keys);
        }
        let why = self.settings.disabled_reason.as_deref().unwrap_or("no key is set");
        Err(SearchFailure::new(SearchFailureKind::MissingKey, format!("web search has no key: {why}")))
    }

    /// All keys were rejected: lists them with the likely reasons. `last` is the failure with the last key.
    pub(super) fn keys_rejected_failure(&self, last: SearchFailure) -> SearchFailure {
        let (keys, base) = (&self.settings.keys, &self.settings.base_url);
        let shown: Vec<String> =
            keys.iter().map(|key| format!("{} ({})", key.secret.masked(), key.origin)).collect();
        let noun = if keys.len() == 1 { "key" } else { "keys" };
        let reported = last.failure.as_ref().map_or(last.message.as_str(), |failure| &failure.message);
        let reported = reported.trim_end_matches('.');
        let mut message = format!("{base} refused the {noun} {}: {reported}.", shown.join(" and "));
        for key in keys {
            if key.is_kimi_code_key() {
                message.push_str(&format!(
                    " The one from {} begins with sk-kimi-, so it is a key of Kimi Code; web search needs one of Moonshot's \
                     platform (platform.kimi.ai, China: platform.kimi.com).",
                    key.origin
                ));
            } else if key.origin.name() == Some("KIMI_API_KEY") {
                message.push_str(
                    " KIMI_API_KEY often is a key of Kimi Code, which Moonshot's platform rejects.",
                );
            }
        }
        // The region does not matter for a key of the other product.
        if !keys.iter().all(ProviderKey::is_kimi_code_key) {
            message.push(' ');
            message.push_str(&self.region_hint());
        }
        SearchFailure { message, ..last }
    }

    /// Keys belong to a region (wire facts 1.1).
    fn region_hint(&self) -> String {
        let at = |host: &str| self.settings.base_url.starts_with(&format!("https://{host}/"));
        let [international, china] = ["https://api.moonshot.ai/v1", "https://api.moonshot.cn/v1"];
        if at("api.moonshot.cn") {
            format!(
                "Keys work in their own region only, and this is China's (platform.kimi.com): for one of the international \
                 site (platform.kimi.ai) set {BASE_URL_KEY} to \"{international}\"."
            )
        } else if at("api.moonshot.ai") {
            format!(
                "Keys work in their own region only, and this is the international one (platform.kimi.ai): for one of \
                 China's site (platform.kimi.com) set {BASE_URL_KEY} to \"{china}\"."
            )
        } else {
            format!(
                "Moonshot's own bases are \"{international}\" for keys of the international site and \"{china}\" for those of \
                 China's; {BASE_URL_KEY} selects one of them."
            )
        }
    }

    /// Removes the keys from the provider's texts.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::new(self.settings.keys.iter().map(|key| &key.secret))
    }
}
