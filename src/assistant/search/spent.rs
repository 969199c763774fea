//! What a search used and cost.

use serde_json::{Value, json};

use crate::catalog::Cost;
use crate::protocol::amount::Amount;
use crate::protocol::usage::Usage;
use crate::record::{Bill, Pricing};

/// Millionths of millionths in a millionth.
const MILLION: u64 = 1_000_000;

/// What the rounds of a search used together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens. What the search found is part of the prompt that follows it.
    pub usage: Usage,
    /// Calls of `$web_search`, each of which has a price of its own.
    pub searches: u64,
    /// What that costs; `None` where a price is not known.
    pub costs: Option<Costs>,
}

/// What a search costs, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
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
pub(super) struct Price {
    /// Of the model's tokens.
    pub(super) tokens: Cost,
    /// Of one call of `$web_search`, in millionths of a unit.
    pub(super) search: u64,
    /// ISO 4217.
    pub(super) currency: String,
}

impl Spent {
    /// With what another round used. Moonshot tells the figures of each request for itself.
    pub(super) fn add(&mut self, usage: Option<Usage>, searches: u64) {
        self.searches = self.searches.saturating_add(searches);
        let Some(more) = usage else { return };
        let sum = &mut self.usage;
        sum.input = sum.input.saturating_add(more.input);
        sum.output = sum.output.saturating_add(more.output);
        sum.cache_read = sum.cache_read.saturating_add(more.cache_read);
        sum.cache_write = sum.cache_write.saturating_add(more.cache_write);
        sum.reasoning = sum.reasoning.saturating_add(more.reasoning);
    }

    /// At this price, where one is known.
    pub(super) fn at(self, price: Option<Price>) -> Self {
        let costs = price.map(|price| price.of(&self));
        Self { costs, ..self }
    }

    /// Nothing, in the same currency.
    pub(super) fn nothing(&self) -> Self {
        let costs = |known: &Costs| Costs { currency: known.currency.clone(), ..Costs::default() };
        Self { costs: self.costs.as_ref().map(costs), ..Self::default() }
    }

    /// What it costs, tokens and calls together; `None` where that is not known.
    #[must_use]
    pub fn bill(&self) -> Option<Bill> {
        let costs = self.costs.as_ref()?;
        Some(Bill { amount: costs.total(), currency: costs.currency.clone(), pricing: Pricing::Price })
    }

    /// As the JSON of an answer tells it: tokens, calls, and money where its prices are known.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Usage { input, output, cache_read, cache_write, .. } = self.usage;
        let total = self.usage.prompt().saturating_add(output);
        json!({
            "input": input,
            "output": output,
            "cacheRead": cache_read,
            "cacheWrite": cache_write,
            "totalTokens": total,
            "searches": self.searches,
            "cost": self.costs.as_ref().map(Costs::to_json),
        })
    }

    /// Reads what [`Self::to_json`] has written; what is missing is nothing.
    pub(super) fn from_json(value: &Value) -> Self {
        let count = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
        let usage = Usage {
            input: count("input"),
            output: count("output"),
            cache_read: count("cacheRead"),
            cache_write: count("cacheWrite"),
            ..Usage::default()
        };
        Self { usage, searches: count("searches"), costs: value.get("cost").and_then(Costs::from_json) }
    }
}

impl Costs {
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
        let amount = |key: &str| Amount::read(&value.get(key)?.to_string());
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

impl Price {
    fn of(&self, spent: &Spent) -> Costs {
        let usage = &spent.usage;
        Costs {
            input: Amount::of(usage.input, self.tokens.input),
            output: Amount::of(usage.output, self.tokens.output),
            cache_read: Amount::of(usage.cache_read, self.tokens.cache_read),
            cache_write: Amount::of(usage.cache_write, self.tokens.cache_write),
            searches: Amount::from_picos(spent.searches.saturating_mul(self.search).saturating_mul(MILLION)),
            currency: self.currency.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_calls_cost_each_their_own() {
        let mut spent = Spent::default();
        assert_eq!((spent.bill(), spent.to_json()["cost"].is_null()), (None, true), "no price is known");
        let usage = Usage { input: 600, output: 200, cache_read: 400, ..Usage::default() };
        spent.add(Some(usage), 1);
        spent.add(None, 1);
        let tokens = Cost { input: 950_000, output: 4_000_000, cache_read: 160_000, cache_write: 0 };
        let spent = spent.at(Some(Price { tokens, search: 5_000, currency: "USD".to_owned() }));
        assert_eq!(Spent::from_json(&spent.to_json()), spent, "a gateway's figures are read as they were");
        assert_eq!((spent.nothing().bill().unwrap().amount, spent.nothing().searches), (Amount::ZERO, 0));
        let bill = spent.bill().unwrap();
        assert_eq!((bill.amount.to_string().as_str(), bill.currency.as_str()), ("0.011434", "USD"));
        let told = spent.to_json();
        assert_eq!((&told["totalTokens"], &told["searches"]), (&json!(1200), &json!(2)));
        assert_eq!((&told["cost"]["searches"], &told["cost"]["total"]), (&json!(0.01), &json!(0.011_434)));
    }
}
