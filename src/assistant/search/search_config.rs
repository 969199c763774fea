//! Settings of a search, and its request.

use std::sync::Arc;
use std::time::Duration;

use crate::assistant::search::result::SearchPrice;
use crate::assistant::search::result::{SearchFailure, SearchFailureKind};
use crate::catalog::{ModelInfo, ThinkingControl, builtin_catalog};
use crate::config::settings::{Provider, ProviderKey, Settings, WebSearchSettings};
use crate::failure::Failure;
use crate::protocol::json::write_string;
use crate::secret::Redactor;

/// Of an account that no longer has the model of old; accounts of after October 2026 are said not to (wire facts 1.2,
/// third parties), and at the end of 2026 none.
const SUCCESSOR_MODEL: &str = "kimi-k3.1-pro";

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

    /// A whole search takes no longer than that: most have two rounds.
    pub(super) fn total_timeout(&self) -> Duration {
        self.settings.timeout.saturating_mul(2)
    }

    pub(super) fn reference(&self, model: &str) -> String {
        format!("{}/{model}", self.settings.provider)
    }

    /// What is known of a model.
    pub(super) fn model(&self, model: &str) -> ModelInfo {
        let configured = self.provider.as_ref().and_then(|provider| provider.models.get(model));
        if let Some(configured) = configured {
            return configured.model.clone();
        }
        let known =
            builtin_catalog().provider(&self.settings.provider).and_then(|provider| provider.model(model));
        known.cloned().unwrap_or_else(|| ModelInfo::unknown(model))
    }

    /// What is paid, where both prices are known.
    pub(super) fn price(&self, model: &str) -> Option<SearchPrice> {
        let known = builtin_catalog().provider(&self.settings.provider)?;
        let currency = self.provider.as_ref().map_or(&known.currency, |provider| &provider.currency);
        // The figure is in the catalog's currency.
        let search = known.search_price.filter(|_| *currency == known.currency)?;
        Some(SearchPrice { tokens: self.model(model).prices?, search, currency: currency.clone() })
    }

    /// The model to ask when this one is gone: none where the user chose it.
    pub(super) fn successor(&self, model: &str) -> Option<&'static str> {
        (!self.settings.is_model_configured && model != SUCCESSOR_MODEL).then_some(SUCCESSOR_MODEL)
    }

    /// The keys, or why there is none.
    ///
    /// # Errors
    /// Where no key could be good: with what to set.
    pub(super) fn keys(&self) -> Result<&[ProviderKey], SearchFailure> {
        if !self.settings.keys.is_empty() {
            return Ok(&self.settings.keys);
        }
        let why = self.settings.disabled_reason.as_deref().unwrap_or("no key is set");
        Err(SearchFailure::new(SearchFailureKind::MissingKey, format!("web search has no key: {why}")))
    }

    /// All keys were refused: which, and why that may be.
    pub(super) fn keys_rejected_failure(&self, keys: &[&ProviderKey], failure: Failure) -> SearchFailure {
        let shown: Vec<String> =
            keys.iter().map(|key| format!("{} ({})", key.secret.masked(), key.origin)).collect();
        let (noun, base) = (if keys.len() == 1 { "key" } else { "keys" }, &self.settings.base_url);
        let mut message = format!(
            "{base} refused the {noun} {}: {}.",
            shown.join(" and "),
            failure.message.trim_end_matches('.')
        );
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
        // Of a key of the other product the region says nothing.
        if !keys.iter().all(|key| key.is_kimi_code_key()) {
            message.push(' ');
            message.push_str(&self.region_hint());
        }
        SearchFailure::from_failure(failure, message)
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

    /// Removes the keys from what the provider says.
    pub(super) fn redactor(&self) -> Redactor {
        Redactor::new(self.settings.keys.iter().map(|key| &key.secret))
    }
}

/// The builtin that searches. Moonshot runs it; it has no parameters to declare.
pub(super) const WEB_SEARCH: &str = "$web_search";

/// Without it a model answers what it believes to know from memory, and names no pages: of `$web_search` itself the
/// caller sees an id and a number of tokens only.
const INSTRUCTION: &str = "Search the web with $web_search before you answer. Answer from what you find, briefly, and give the \
                           address (URL) of each page that the answer rests on. Say so when nothing fits was found.";

/// The maximum query length in bytes: a question, not a document.
pub(super) const MAX_QUERY_BYTES: usize = 8 * 1024;

/// The conversation as it begins, each message as JSON text.
pub(super) fn initial_messages(query: &str) -> Vec<Vec<u8>> {
    vec![render_message("system", INSTRUCTION), render_message("user", query)]
}

fn render_message(role: &str, content: &str) -> Vec<u8> {
    let mut out = format!("{{\"role\":\"{role}\",\"content\":").into_bytes();
    write_string(&mut out, content);
    out.push(b'}');
    out
}

/// The body of a request to this model.
///
/// `$web_search` and thinking exclude each other on models whose thinking can be switched off (Moonshot's guide
/// to web search, 2026-09), so thinking is switched off for them. Models that take an effort get the lowest
/// one; others get no setting.
pub(super) fn render_body(model: &str, thinking: ThinkingControl, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"{\"model\":".to_vec();
    write_string(&mut out, model);
    out.extend_from_slice(match thinking {
        ThinkingControl::Switch => b",\"thinking\":{\"type\":\"disabled\"}".as_slice(),
        ThinkingControl::Effort => b",\"reasoning_effort\":\"low\"",
        ThinkingControl::None | ThinkingControl::Always | ThinkingControl::Unknown => b"",
    });
    out.extend_from_slice(b",\"messages\":[");
    out.extend_from_slice(&messages.join(&b','));
    out.extend_from_slice(
        b"],\"tools\":[{\"type\":\"builtin_function\",\"function\":{\"name\":\"$web_search\"}}],\"stream\":false}",
    );
    out
}
