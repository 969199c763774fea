//! What a search used and cost.

use serde_json::{Value, json};

use crate::catalog::Cost;
use crate::record::{Bill, Pricing};
use crate::wire::amount::Amount;
use crate::wire::usage::Usage;

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
    pub price: Option<Price>,
}

/// Prices that hold for a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Of the model's tokens.
    pub tokens: Cost,
    /// Of one call of `$web_search`, in millionths of a unit.
    pub search: u64,
    /// ISO 4217.
    pub currency: String,
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

    /// What it costs, tokens and calls together; `None` where that is not known.
    #[must_use]
    pub fn bill(&self) -> Option<Bill> {
        let price = self.price.as_ref()?;
        let amount = price.tokens.of(&self.usage).plus(price.searches(self.searches));
        Some(Bill { amount, currency: price.currency.clone(), pricing: Pricing::Price })
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
            "cost": self.price.as_ref().map(|price| price.of(self)),
        })
    }
}

impl Price {
    const fn searches(&self, count: u64) -> Amount {
        Amount::from_picos(count.saturating_mul(self.search).saturating_mul(MILLION))
    }

    fn of(&self, spent: &Spent) -> Value {
        let usage = &spent.usage;
        let parts = [
            ("input", Amount::of(usage.input, self.tokens.input)),
            ("output", Amount::of(usage.output, self.tokens.output)),
            ("cacheRead", Amount::of(usage.cache_read, self.tokens.cache_read)),
            ("cacheWrite", Amount::of(usage.cache_write, self.tokens.cache_write)),
            ("searches", self.searches(spent.searches)),
        ];
        let total: Amount = parts.iter().map(|(_, amount)| *amount).sum();
        let mut cost: serde_json::Map<String, Value> =
            parts.iter().map(|(name, amount)| ((*name).to_owned(), amount.as_f64().into())).collect();
        cost.insert("total".to_owned(), total.as_f64().into());
        cost.insert("currency".to_owned(), self.currency.clone().into());
        cost.into()
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
        spent.price = Some(Price { tokens, search: 5_000, currency: "USD".to_owned() });
        let bill = spent.bill().unwrap();
        assert_eq!((bill.amount.to_string().as_str(), bill.currency.as_str()), ("0.011434", "USD"));
        let told = spent.to_json();
        assert_eq!((&told["totalTokens"], &told["searches"]), (&json!(1200), &json!(2)));
        assert_eq!((&told["cost"]["searches"], &told["cost"]["total"]), (&json!(0.01), &json!(0.011_434)));
    }
}
