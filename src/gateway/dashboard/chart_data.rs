//! Sums of the ledger, sorted into the charts' bars and models.

use std::collections::{BTreeMap, BTreeSet};

use super::time_range::Bar;
use crate::protocol::amount::Amount;
use crate::usage::{TokenTotals, UsageRow, UsageTotals};

/// What one model used in the time of one bar, or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelUsage {
    pub(super) tokens: u64,
    pub(super) cost: BTreeMap<String, Amount>,
}

impl ModelUsage {
    fn add_totals(&mut self, total: &UsageTotals) {
        self.tokens = self.tokens.saturating_add(sum_tokens(&total.tokens));
        for (currency, amount) in &total.cost {
            let sum = self.cost.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    /// What it cost in one currency.
    pub(super) fn cost(&self, currency: &str) -> Amount {
        self.cost.get(currency).copied().unwrap_or_default()
    }
}

/// Every token once.
const fn sum_tokens(tokens: &TokenTotals) -> u64 {
    tokens
        .input
        .saturating_add(tokens.output)
        .saturating_add(tokens.cache_read)
        .saturating_add(tokens.cache_write)
}

/// What the charts show.
#[derive(Clone, Debug, Default)]
pub(super) struct ChartData {
    /// From the one that used the most.
    pub(super) models: Vec<String>,
    /// Of each bar what each model used, in the order of `models`.
    pub(super) bars: Vec<(Bar, Vec<ModelUsage>)>,
    /// Every currency that something was paid in.
    pub(super) currencies: BTreeSet<String>,
    /// What attempts used that answered.
    pub(super) answered: TokenTotals,
    /// What attempts used that did not.
    pub(super) unanswered: u64,
    /// Attempts without a known price.
    pub(super) unpriced: u64,
    /// Attempts whose tokens we counted ourselves.
    pub(super) estimated: u64,
}

impl ChartData {
    /// From sums by bar and model.
    pub(super) fn from_rows(bars: Vec<Bar>, sums: &[UsageRow]) -> Self {
        let mut spent = Self::default();
        let mut cells: BTreeMap<(&str, &str), ModelUsage> = BTreeMap::new();
        let mut weights: BTreeMap<&str, u64> = BTreeMap::new();
        for sum in sums {
            let [bar, model] = &sum.keys[..] else { continue };
            for total in [&sum.answered, &sum.lost] {
                cells.entry((bar, model)).or_default().add_totals(total);
                let weight = weights.entry(model).or_default();
                *weight = weight.saturating_add(sum_tokens(&total.tokens));
                spent.currencies.extend(total.cost.keys().cloned());
                spent.unpriced += total.unpriced;
                spent.estimated += total.estimated;
            }
            add_tokens(&mut spent.answered, &sum.answered.tokens);
            spent.unanswered = spent.unanswered.saturating_add(sum_tokens(&sum.lost.tokens));
        }
        // A model that only failed used nothing.
        let mut models: Vec<(&str, u64)> = weights.into_iter().filter(|(_, weight)| *weight > 0).collect();
        models.sort_by_key(|(model, weight)| (std::cmp::Reverse(*weight), *model));
        let cell =
            |bar: &Bar, model: &str| cells.get(&(bar.key.as_str(), model)).cloned().unwrap_or_default();
        let used = |bar: &Bar| models.iter().map(|(model, _)| cell(bar, model)).collect();
        spent.bars = bars.into_iter().map(|bar| (bar.clone(), used(&bar))).collect();
        spent.models = models.iter().map(|(model, _)| (*model).to_owned()).collect();
        spent
    }

    /// All tokens of the charts' time.
    pub(super) fn total_tokens(&self) -> u64 {
        sum_tokens(&self.answered).saturating_add(self.unanswered)
    }

    /// What all of it cost in one currency.
    pub(super) fn total_cost(&self, currency: &str) -> Amount {
        self.bars.iter().flat_map(|(_, used)| used).map(|used| used.cost(currency)).sum()
    }
}

fn add_tokens(sum: &mut TokenTotals, more: &TokenTotals) {
    sum.input = sum.input.saturating_add(more.input);
    sum.output = sum.output.saturating_add(more.output);
    sum.cache_read = sum.cache_read.saturating_add(more.cache_read);
    sum.cache_write = sum.cache_write.saturating_add(more.cache_write);
    sum.reasoning = sum.reasoning.saturating_add(more.reasoning);
}
