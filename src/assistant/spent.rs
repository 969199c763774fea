//! What the requests of a turn used together, and what that costs.

use super::exchange::Used;
use super::transcript::currency::Currency;
use super::transcript::{Costs, Spent};
use crate::config::settings::{Reference, Settings};
use crate::protocol::amount::Amount;
use crate::protocol::usage::Usage;
use crate::record::Pricing;

/// Adds up.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    spent: Option<Spent>,
    currency: Option<String>,
}

impl Sum {
    /// The tries of one request. Such as were given up while they were silent count nothing: what they used is a guess.
    /// Amounts of two currencies are never added: the one of the last that answered counts.
    pub(super) fn add(&mut self, settings: &Settings, attempts: &[Used]) {
        let paid = attempts
            .iter()
            .rev()
            .filter(|used| used.tried.result == "ok")
            .find_map(|used| used.bill.as_ref());
        if let Some(bill) =
            paid.filter(|bill| self.currency.as_ref().is_some_and(|before| *before != bill.currency))
        {
            self.currency = Some(bill.currency.clone());
            self.spent.iter_mut().for_each(|spent| spent.cost = None);
        }
        for used in attempts.iter().filter(|used| used.tried.result != "cancelled") {
            let Some(usage) = used.usage else { continue };
            let spent = self.spent.get_or_insert_default();
            count(spent, &usage);
            let Some(bill) = &used.bill else { continue };
            let currency = paid.unwrap_or(bill).currency.clone();
            if *self.currency.get_or_insert(currency) != bill.currency {
                continue;
            }
            // What the transcript says of the currency is all that a session's total has to go by.
            let Some(currency) = Currency::read(&bill.currency) else { continue };
            let costs = spent.cost.get_or_insert(Costs { currency, ..Costs::default() });
            by_kind(costs, settings, &used.tried.target, &usage, bill.amount, bill.pricing);
        }
    }

    /// `None` where nothing is known.
    pub(super) const fn spent(&self) -> Option<Spent> {
        self.spent
    }

    /// ISO 4217, where a cost is known.
    pub(super) fn currency(&self) -> Option<String> {
        self.currency.clone().filter(|_| self.spent.is_some_and(|spent| spent.cost.is_some()))
    }
}

fn count(spent: &mut Spent, usage: &Usage) {
    let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
    add(&mut spent.input, usage.input);
    add(&mut spent.output, usage.output);
    add(&mut spent.cache_read, usage.cache_read);
    add(&mut spent.cache_write, usage.cache_write);
    spent.total_tokens = spent
        .input
        .saturating_add(spent.output)
        .saturating_add(spent.cache_read)
        .saturating_add(spent.cache_write);
}

/// By the price where one is known; the total is what the record says.
fn by_kind(
    costs: &mut Costs,
    settings: &Settings,
    target: &Reference,
    usage: &Usage,
    total: Amount,
    pricing: Pricing,
) {
    let model = settings.providers.get(&target.provider).and_then(|provider| provider.model(&target.model));
    if let Some(price) = model.and_then(|model| model.facts.cost).filter(|price| {
        // Another price than the record was made with would not add up.
        pricing == Pricing::Provider || price.of(usage) == total
    }) {
        costs.input = costs.input.plus(Amount::of(usage.input, price.input));
        costs.output = costs.output.plus(Amount::of(usage.output, price.output));
        costs.cache_read = costs.cache_read.plus(Amount::of(usage.cache_read, price.cache_read));
        costs.cache_write = costs.cache_write.plus(Amount::of(usage.cache_write, price.cache_write));
    }
    costs.total = costs.total.plus(total);
}
