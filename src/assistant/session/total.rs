//! What the answers of a session used together.

use std::collections::BTreeMap;

use crate::assistant::transcript::currency::Currency;
use crate::assistant::transcript::{Costs, Line, Message, Spent};

/// Tokens, and what they cost: exact, each currency by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many answers told what they used.
    pub answers: u64,
    /// Their tokens; `cost` is `None`, as there may be several currencies.
    pub tokens: Spent,
    /// One of each currency, by its code.
    pub costs: Vec<Costs>,
    /// How many of the answers have no price: a subscription, or a model without one.
    pub unpriced: u64,
}

impl Total {
    /// Of these entries.
    pub fn of<'l>(entries: impl IntoIterator<Item = &'l Line>) -> Self {
        let used = entries.into_iter().filter_map(|entry| match entry {
            Line::Message { message: Message::Assistant(said), .. } => said.usage.as_ref(),
            _ => None,
        });
        used.copied().collect()
    }
}

impl FromIterator<Spent> for Total {
    fn from_iter<I: IntoIterator<Item = Spent>>(all: I) -> Self {
        let (mut total, mut costs) = (Self::default(), BTreeMap::<Currency, Costs>::new());
        for spent in all {
            total.answers += 1;
            let sum = &mut total.tokens;
            sum.input = sum.input.saturating_add(spent.input);
            sum.output = sum.output.saturating_add(spent.output);
            sum.cache_read = sum.cache_read.saturating_add(spent.cache_read);
            sum.cache_write = sum.cache_write.saturating_add(spent.cache_write);
            sum.total_tokens = sum.total_tokens.saturating_add(spent.total_tokens);
            match spent.cost {
                Some(cost) => add(costs.entry(cost.currency).or_default(), cost),
                None => total.unpriced += 1,
            }
        }
        total.costs = costs.into_values().collect();
        total
    }
}

fn add(sum: &mut Costs, cost: Costs) {
    *sum = Costs {
        input: sum.input.plus(cost.input),
        output: sum.output.plus(cost.output),
        cache_read: sum.cache_read.plus(cost.cache_read),
        cache_write: sum.cache_write.plus(cost.cache_write),
        total: sum.total.plus(cost.total),
        currency: cost.currency,
    };
}
