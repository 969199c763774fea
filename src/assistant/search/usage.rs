//! What a search used and cost.

use serde_json::{Value, json};

use crate::catalog::TokenPrices;
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::{AttemptCost, CostSource};

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
    fn tokens_and_calls_cost_each_their_own() {
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
        let told = spent.to_json();
        assert_eq!((&told["totalTokens"], &told["searches"]), (&json!(1200), &json!(2)));
        assert_eq!((&told["cost"]["searches"], &told["cost"]["total"]), (&json!(0.01), &json!(0.011_434)));
    }
}
