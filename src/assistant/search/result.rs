//! What a search found.

use std::time::Duration;

use serde_json::{Value, json};

use super::usage::SearchUsage;

/// An answer that is based on the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchResult {
    /// The query.
    pub query: String,
    /// `provider/model` that answered; of a gateway's answer the model alone.
    pub reference: String,
    /// The answer, as the model wrote it: Markdown, mostly. It comes from the web and is not to be trusted.
    pub content: String,
    /// Page addresses, http or https, in the order in which they were reported, without duplicates.
    pub citations: Vec<String>,
    /// How long it took this time.
    pub duration: Duration,
    /// The answer was cached; no request was sent.
    pub is_cached: bool,
    /// What it used; nothing where it was known.
    pub usage: SearchUsage,
}

impl SearchResult {
    /// The id of the model that answered.
    #[must_use]
    pub fn model(&self) -> &str {
        self.reference.split_once('/').map_or(&self.reference, |(_, model)| model)
    }

    /// Reads what [`Self::to_json`] has written; `None` when it is something else.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let word = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let citations = value.get("citations")?.as_array()?.iter();
        Some(Self {
            query: word("query")?,
            reference: word("model")?,
            content: word("content")?,
            citations: citations.filter_map(|url| url.as_str().map(str::to_owned)).collect(),
            duration: Duration::from_millis(value.get("tookMs").and_then(Value::as_u64).unwrap_or_default()),
            is_cached: value.get("cached").and_then(Value::as_bool).unwrap_or_default(),
            usage: SearchUsage::from_json(value.get("usage")?),
        })
    }

    /// The JSON output of `web-search --json` and `POST /v1/search`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "ok": true,
            "query": self.query,
            "provider": "kimi",
            "model": self.model(),
            "tookMs": u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            "content": self.content,
            "citations": self.citations,
            "cached": self.is_cached,
            "externalContent": { "untrusted": true, "source": "web_search", "provider": "kimi" },
            "usage": self.usage.to_json(),
        })
    }
}
