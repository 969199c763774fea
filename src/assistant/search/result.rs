//! The result of a search, its failure, and its usage.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::assistant::outcome::parse_token_usage;
use crate::assistant::usage::{AnswerUsage, amount};
use crate::catalog::TokenPrices;
use crate::failure::{Failure, Reason};
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource};

/// An answer that is based on the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchResult {
    /// The query, trimmed.
    pub query: String,
    /// `provider/model` that answered; for an answer through a gateway the model alone.
    pub reference: String,
    /// The answer, as the model wrote it: Markdown, mostly. It comes from the web and is not to be trusted.
    pub content: String,
    /// Page addresses, http or https, in the order in which they were reported, without duplicates.
    pub citations: Vec<String>,
    /// The duration of this call.
    pub duration: Duration,
    /// The answer was cached; no request was sent.
    pub is_cached: bool,
    /// Usage; zero if the answer was cached.
    pub usage: SearchUsage,
}

impl SearchResult {
    /// The id of the model that answered.
    #[must_use]
    pub fn model(&self) -> &str {
        self.reference.split_once('/').map_or(&self.reference, |(_, model)| model)
    }

    /// Reads the JSON of [`Self::to_json`]; `None` for anything else.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let citations = value.get("citations")?.as_array()?.iter();
        Some(Self {
            query: text("query")?,
            reference: text("model")?,
            content: text("content")?,
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

/// The type of a failed search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFailureKind {
    /// No usable key exists.
    MissingKey,
    /// The query is empty or too long.
    InvalidQuery,
    /// The model answered, but from memory: it searched nothing.
    Ungrounded,
    /// It searched, and gave no answer.
    NoAnswer,
    /// The provider refused or failed, or a timeout expired.
    Upstream(Reason),
    /// The running gateway requires another token.
    GatewayAuth,
    /// The running gateway returned another error.
    Gateway,
}

impl SearchFailureKind {
    /// The `type` of an error body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::InvalidQuery => "invalid_query",
            Self::Ungrounded => "ungrounded",
            Self::NoAnswer => "no_answer",
            Self::Upstream(reason) => reason.as_str(),
            Self::GatewayAuth => "gateway_auth",
            Self::Gateway => "gateway_error",
        }
    }

    /// The type for a gateway's `error.code`.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        // Only the query can be wrong in a body that this program writes.
        if code == "bad_request" {
            return Some(Self::InvalidQuery);
        }
        let own = [Self::MissingKey, Self::InvalidQuery, Self::Ungrounded, Self::NoAnswer];
        let reasons = Reason::ALL.into_iter().map(Self::Upstream);
        own.into_iter().chain(reasons).find(|kind| kind.as_str() == code)
    }

    /// The nearest reason of a failed attempt.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::MissingKey | Self::GatewayAuth => Reason::Auth,
            Self::InvalidQuery => Reason::BadRequest,
            Self::Ungrounded | Self::NoAnswer | Self::Gateway => Reason::Server,
            Self::Upstream(reason) => reason,
        }
    }
}

/// A search without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SearchFailure {
    /// Its type.
    pub kind: SearchFailureKind,
    /// For people, with the fix; without keys and account identifiers.
    pub message: String,
    /// The provider's failure, if any.
    pub failure: Option<Box<Failure>>,
    /// `provider/model` of the last request; `None` if no request was sent.
    pub target: Option<String>,
}

impl SearchFailure {
    pub(super) fn new(kind: SearchFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), failure: None, target: None }
    }

    /// From the provider's failure, with a longer message.
    pub(super) fn from_failure(failure: Failure, message: String) -> Self {
        let kind = SearchFailureKind::Upstream(failure.reason);
        Self { failure: Some(Box::new(failure)), ..Self::new(kind, message) }
    }
}

/// Usage of all rounds of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchUsage {
    /// Tokens. The results of a search are part of the prompt of the next round.
    pub tokens: TokenUsage,
    /// Calls of `$web_search`, each of which has a price of its own.
    pub searches: u64,
    /// The cost; `None` if a price is unknown.
    pub costs: Option<SearchCosts>,
}

/// The cost of a search by its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchCosts {
    /// Uncached input.
    #[serde(with = "amount")]
    pub input: Amount,
    /// Output, including reasoning.
    #[serde(with = "amount")]
    pub output: Amount,
    /// Cached input.
    #[serde(with = "amount")]
    pub cache_read: Amount,
    /// Input written to the cache.
    #[serde(with = "amount")]
    pub cache_write: Amount,
    /// Calls of `$web_search`.
    #[serde(with = "amount")]
    pub searches: Amount,
    /// ISO 4217.
    pub currency: String,
}

impl SearchUsage {
    /// Adds the usage of another round. Moonshot reports the figures of each request separately.
    pub(super) fn add(&mut self, usage: Option<TokenUsage>, searches: u64) {
        self.searches = self.searches.saturating_add(searches);
        let Some(more) = usage else { return };
        let sum = &mut self.tokens;
        sum.input = sum.input.saturating_add(more.input);
        sum.output = sum.output.saturating_add(more.output);
        sum.cache_read = sum.cache_read.saturating_add(more.cache_read);
        sum.cache_write = sum.cache_write.saturating_add(more.cache_write);
        sum.reasoning = sum.reasoning.saturating_add(more.reasoning);
    }

    /// Zero, in the same currency.
    pub(super) fn zero(&self) -> Self {
        let costs = self.costs.as_ref();
        let costs =
            costs.map(|costs| SearchCosts { currency: costs.currency.clone(), ..SearchCosts::default() });
        Self { costs, ..Self::default() }
    }

    /// The cost of tokens and calls together; `None` if it is unknown.
    #[must_use]
    pub fn bill(&self) -> Option<AttemptCost> {
        let costs = self.costs.as_ref()?;
        let (amount, currency) = (costs.total(), costs.currency.clone());
        Some(AttemptCost { amount, currency, source: CostSource::PriceTable })
    }

    /// The JSON in an answer: tokens, calls, and cost if the prices are known.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut value = json!(AnswerUsage::from(&self.tokens));
        value["searches"] = self.searches.into();
        value["cost"] = json!(self.costs);
        if let Some(costs) = &self.costs {
            value["cost"]["total"] = costs.total().as_f64().into();
        }
        value
    }

    /// Reads the JSON of [`Self::to_json`]; absent values are zero.
    pub(super) fn from_json(value: &Value) -> Self {
        Self {
            tokens: parse_token_usage(value),
            searches: value["searches"].as_u64().unwrap_or_default(),
            costs: SearchCosts::deserialize(&value["cost"]).ok(),
        }
    }
}

impl SearchCosts {
    /// The cost at these prices. `search_price` is that of one call of `$web_search`, in millionths of a unit.
    pub(super) fn new(usage: &SearchUsage, prices: &TokenPrices, search_price: u64, currency: &str) -> Self {
        const PICOS_PER_MILLIONTH: u64 = 1_000_000;
        let tokens = &usage.tokens;
        let searches = usage.searches.saturating_mul(search_price).saturating_mul(PICOS_PER_MILLIONTH);
        Self {
            input: Amount::from_tokens(tokens.input, prices.input),
            output: Amount::from_tokens(tokens.output, prices.output),
            cache_read: Amount::from_tokens(tokens.cache_read, prices.cache_read),
            cache_write: prices.cache_write_cost(tokens),
            searches: Amount::from_picos(searches),
            currency: currency.to_owned(),
        }
    }

    /// The sum of the parts.
    #[must_use]
    pub fn total(&self) -> Amount {
        [self.input, self.output, self.cache_read, self.cache_write, self.searches].into_iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_that_of_tokens_and_calls() {
        let mut spent = SearchUsage::default();
        assert_eq!((spent.bill(), spent.to_json()["cost"].is_null()), (None, true), "no price is known");
        let usage = TokenUsage { input: 600, output: 200, cache_read: 400, ..TokenUsage::default() };
        spent.add(Some(usage), 1);
        spent.add(None, 1);
        let prices =
            TokenPrices { input: 950_000, output: 4_000_000, cache_read: 160_000, ..TokenPrices::default() };
        let costs = SearchCosts::new(&spent, &prices, 5_000, "USD");
        let spent = SearchUsage { costs: Some(costs), ..spent };
        assert_eq!(
            SearchUsage::from_json(&spent.to_json()),
            spent,
            "a gateway's figures are read as they were"
        );
        assert_eq!((spent.zero().bill().unwrap().amount, spent.zero().searches), (Amount::ZERO, 0));
        let bill = spent.bill().unwrap();
        assert_eq!((bill.amount.to_string().as_str(), bill.currency.as_str()), ("0.011434", "USD"));
        let json_form = spent.to_json();
        assert_eq!((&json_form["totalTokens"], &json_form["searches"]), (&json!(1200), &json!(2)));
        assert_eq!(
            (&json_form["cost"]["searches"], &json_form["cost"]["total"]),
            (&json!(0.01), &json!(0.011_434))
        );
    }
}
