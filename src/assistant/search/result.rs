//! The result of a search, its failure, and its usage.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::catalog::TokenPrices;
use crate::failure::{Failure, Reason};
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource};

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

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFailureKind {
    /// No usable key exists.
    MissingKey,
    /// The question is empty or too long.
    InvalidQuery,
    /// The model answered, but from memory: it searched nothing.
    Ungrounded,
    /// It searched, and gave no answer.
    NoAnswer,
    /// The provider refused or failed, or a clock ran out.
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

    /// What a gateway's `error.code` means.
    pub(super) fn from_code(word: &str) -> Option<Self> {
        // What is wrong with a body that this program writes is its query.
        if word == "bad_request" {
            return Some(Self::InvalidQuery);
        }
        let own = [Self::MissingKey, Self::InvalidQuery, Self::Ungrounded, Self::NoAnswer];
        let reasons = Reason::ALL.into_iter().map(Self::Upstream);
        own.into_iter().chain(reasons).find(|kind| kind.as_str() == word)
    }

    /// The nearest of the reasons that requests fail of.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchFailure {
    /// Its type.
    pub kind: SearchFailureKind,
    /// For people, with what to do about it; without keys and account identifiers.
    pub message: String,
    /// The provider's failure, if it was the provider.
    pub failure: Option<Box<Failure>>,
    /// `provider/model` of the last request; `None` if no request was sent.
    pub target: Option<String>,
    /// The usage of the failed search, if a request was sent.
    pub usage: Option<Box<SearchUsage>>,
}

impl SearchFailure {
    pub(super) fn new(kind: SearchFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), failure: None, target: None, usage: None }
    }

    /// Of the provider's failure, with more words.
    pub(super) fn from_failure(failure: Failure, message: String) -> Self {
        let kind = SearchFailureKind::Upstream(failure.reason);
        Self { kind, message, failure: Some(Box::new(failure)), target: None, usage: None }
    }
}

impl fmt::Display for SearchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SearchFailure {}

/// Millionths of millionths in a millionth.
const PICOS_PER_MICRO: u64 = 1_000_000;

/// What the rounds of a search used together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchUsage {
    /// Tokens. What the search found is part of the prompt that follows it.
    pub tokens: TokenUsage,
    /// Calls of `$web_search`, each of which has a price of its own.
    pub searches: u64,
    /// What that costs; `None` where a price is not known.
    pub costs: Option<SearchCosts>,
}

/// What a search costs, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchCosts {
    /// Of uncached input.
    pub input: Amount,
    /// Of output.
    pub output: Amount,
    /// Of cached input.
    pub cache_read: Amount,
    /// Of input that was written to the cache.
    pub cache_write: Amount,
    /// Of the calls of `$web_search`.
    pub searches: Amount,
    /// ISO 4217.
    pub currency: String,
}

/// Prices that hold for a search.
pub(super) struct SearchPrice {
    /// Of the model's tokens.
    pub(super) tokens: TokenPrices,
    /// Of one call of `$web_search`, in millionths of a unit.
    pub(super) search: u64,
    /// ISO 4217.
    pub(super) currency: String,
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

    /// At this price, where one is known.
    pub(super) fn with_price(self, price: Option<SearchPrice>) -> Self {
        let costs = price.map(|price| price.costs_of(&self));
        Self { costs, ..self }
    }

    /// Nothing, in the same currency.
    pub(super) fn zero(&self) -> Self {
        let costs =
            |known: &SearchCosts| SearchCosts { currency: known.currency.clone(), ..SearchCosts::default() };
        Self { costs: self.costs.as_ref().map(costs), ..Self::default() }
    }

    /// What it costs, tokens and calls together; `None` where that is not known.
    #[must_use]
    pub fn bill(&self) -> Option<AttemptCost> {
        let costs = self.costs.as_ref()?;
        Some(AttemptCost {
            amount: costs.total(),
            currency: costs.currency.clone(),
            source: CostSource::PriceTable,
        })
    }

    /// The JSON in an answer: tokens, calls, and cost if the prices are known.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let TokenUsage { input, output, cache_read, cache_write, .. } = self.tokens;
        let total = self.tokens.prompt_tokens().saturating_add(output);
        json!({
            "input": input,
            "output": output,
            "cacheRead": cache_read,
            "cacheWrite": cache_write,
            "totalTokens": total,
            "searches": self.searches,
            "cost": self.costs.as_ref().map(SearchCosts::to_json),
        })
    }

    /// Reads what [`Self::to_json`] has written; what is missing is nothing.
    pub(super) fn from_json(value: &Value) -> Self {
        let count = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        let tokens = TokenUsage {
            input: count("input"),
            output: count("output"),
            cache_read: count("cacheRead"),
            cache_write: count("cacheWrite"),
            ..TokenUsage::default()
        };
        Self {
            tokens,
            searches: count("searches"),
            costs: value.get("cost").and_then(SearchCosts::from_json),
        }
    }
}

impl SearchCosts {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Amount {
        [self.input, self.output, self.cache_read, self.cache_write, self.searches].into_iter().sum()
    }

    fn to_json(&self) -> Value {
        json!({
            "input": self.input.as_f64(),
            "output": self.output.as_f64(),
            "cacheRead": self.cache_read.as_f64(),
            "cacheWrite": self.cache_write.as_f64(),
            "searches": self.searches.as_f64(),
            "total": self.total().as_f64(),
            "currency": self.currency,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let amount = |key: &str| Amount::parse(&value.get(key)?.to_string());
        Some(Self {
            input: amount("input")?,
            output: amount("output")?,
            cache_read: amount("cacheRead")?,
            cache_write: amount("cacheWrite")?,
            searches: amount("searches")?,
            currency: value.get("currency")?.as_str()?.to_owned(),
        })
    }
}

impl SearchPrice {
    fn costs_of(&self, spent: &SearchUsage) -> SearchCosts {
        let usage = &spent.tokens;
        SearchCosts {
            input: Amount::from_tokens(usage.input, self.tokens.input),
            output: Amount::from_tokens(usage.output, self.tokens.output),
            cache_read: Amount::from_tokens(usage.cache_read, self.tokens.cache_read),
            cache_write: Amount::from_tokens(usage.cache_write, self.tokens.cache_write),
            searches: Amount::from_picos(
                spent.searches.saturating_mul(self.search).saturating_mul(PICOS_PER_MICRO),
            ),
            currency: self.currency.clone(),
        }
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
        let tokens = TokenPrices { input: 950_000, output: 4_000_000, cache_read: 160_000, cache_write: 0 };
        let spent = spent.with_price(Some(SearchPrice { tokens, search: 5_000, currency: "USD".to_owned() }));
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
