//! Total usage and cost of a turn's requests.

use super::backend::AttemptUsage;
use super::transcript::currency::Currency;
use super::transcript::{AnswerCosts, AnswerUsage};
use crate::config::settings::{Reference, Settings};
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;
use crate::record::CostSource;

/// Adds up.
#[derive(Clone, Debug, Default)]
pub(super) struct UsageTotals {
    total: Option<AnswerUsage>,
    currency: Option<String>,
}

impl UsageTotals {
    /// Adds the attempts of one request. Attempts abandoned before any output are not counted, because their
    /// usage is a guess. Amounts of two currencies are never added: the currency of the last answer counts.
    pub(super) fn add(&mut self, settings: &Settings, attempts: &[AttemptUsage]) {
        let paid = attempts
            .iter()
            .rev()
            .filter(|used| used.attempt.result == "ok")
            .find_map(|used| used.bill.as_ref());
        if let Some(bill) =
            paid.filter(|bill| self.currency.as_ref().is_some_and(|before| *before != bill.currency))
        {
            self.currency = Some(bill.currency.clone());
            self.total.iter_mut().for_each(|spent| spent.cost = None);
        }
        for used in attempts.iter().filter(|used| used.attempt.result != "cancelled") {
            let Some(usage) = used.usage else { continue };
            let spent = self.total.get_or_insert_default();
            add_tokens(spent, &usage);
            let Some(bill) = &used.bill else { continue };
            let currency = paid.unwrap_or(bill).currency.clone();
            if *self.currency.get_or_insert(currency) != bill.currency {
                continue;
            }
            // What the transcript says of the currency is all that a session's total has to go by.
            let Some(currency) = Currency::parse(&bill.currency) else { continue };
            let costs = spent.cost.get_or_insert(AnswerCosts { currency, ..AnswerCosts::default() });
            add_costs(costs, settings, &used.attempt.target, &usage, bill.amount, bill.source);
        }
    }

    /// `None` if the usage is unknown.
    pub(super) const fn total(&self) -> Option<AnswerUsage> {
        self.total
    }

    /// ISO 4217, if a cost is known.
    pub(super) fn currency(&self) -> Option<String> {
        self.currency.clone().filter(|_| self.total.is_some_and(|spent| spent.cost.is_some()))
    }
}

fn add_tokens(spent: &mut AnswerUsage, usage: &TokenUsage) {
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
fn add_costs(
    costs: &mut AnswerCosts,
    settings: &Settings,
    target: &Reference,
    usage: &TokenUsage,
    total: Amount,
    pricing: CostSource,
) {
    let model =
        settings.providers.get(&target.provider).and_then(|provider| provider.find_model(&target.model));
    if let Some(price) = model.and_then(|model| model.model.prices).filter(|price| {
        // Another price than the record was made with would not add up.
        pricing == CostSource::Provider || price.compute_cost(usage) == total
    }) {
        costs.input = costs.input.saturating_add(Amount::from_tokens(usage.input, price.input));
        costs.output = costs.output.saturating_add(Amount::from_tokens(usage.output, price.output));
        costs.cache_read =
            costs.cache_read.saturating_add(Amount::from_tokens(usage.cache_read, price.cache_read));
        costs.cache_write =
            costs.cache_write.saturating_add(Amount::from_tokens(usage.cache_write, price.cache_write));
    }
    costs.total = costs.total.saturating_add(total);
}
