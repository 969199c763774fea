//! What the answers of a session used together.

use std::collections::BTreeMap;

use crate::assistant::transcript::currency::Currency;
use crate::assistant::transcript::{AnswerCosts, AnswerUsage, TranscriptLine, TranscriptMessage};

/// Tokens, and what they cost: exact, each currency by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionUsage {
    /// The number of answers that reported their usage.
    pub answers: u64,
    /// Their tokens; `cost` is `None`, as there may be several currencies.
    pub tokens: AnswerUsage,
    /// One of each currency, by its code.
    pub costs: Vec<AnswerCosts>,
    /// How many of the answers have no price: a subscription, or a model without one.
    pub unpriced_answers: u64,
}

impl SessionUsage {
    /// Of these entries.
    pub fn from_entries<'l>(entries: impl IntoIterator<Item = &'l TranscriptLine>) -> Self {
        let used = entries.into_iter().filter_map(|entry| match entry {
            TranscriptLine::Message { message: TranscriptMessage::Assistant(said), .. } => {
                said.usage.as_ref()
            }
            _ => None,
        });
        used.copied().collect()
    }
}

impl FromIterator<AnswerUsage> for SessionUsage {
    fn from_iter<I: IntoIterator<Item = AnswerUsage>>(all: I) -> Self {
        let (mut total, mut costs) = (Self::default(), BTreeMap::<Currency, AnswerCosts>::new());
        for spent in all {
            total.answers += 1;
            let sum = &mut total.tokens;
            sum.input = sum.input.saturating_add(spent.input);
            sum.output = sum.output.saturating_add(spent.output);
            sum.cache_read = sum.cache_read.saturating_add(spent.cache_read);
            sum.cache_write = sum.cache_write.saturating_add(spent.cache_write);
            sum.total_tokens = sum.total_tokens.saturating_add(spent.total_tokens);
            match spent.cost {
                Some(cost) => add_costs(costs.entry(cost.currency).or_default(), cost),
                None => total.unpriced_answers += 1,
            }
        }
        total.costs = costs.into_values().collect();
        total
    }
}

fn add_costs(sum: &mut AnswerCosts, cost: AnswerCosts) {
    *sum = AnswerCosts {
        input: sum.input.saturating_add(cost.input),
        output: sum.output.saturating_add(cost.output),
        cache_read: sum.cache_read.saturating_add(cost.cache_read),
        cache_write: sum.cache_write.saturating_add(cost.cache_write),
        total: sum.total.saturating_add(cost.total),
        currency: cost.currency,
    };
}
