//! Sums from the usage database, sorted into the charts' bars and models.

use std::collections::{BTreeMap, BTreeSet};

use super::time_range::Bar;
use crate::protocol::amount::Amount;
use crate::usage::{TokenTotals, UsageRow, UsageTotals};

/// The usage of one model in the time of one bar, or of all bars.
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

    /// The cost in one currency.
    pub(super) fn cost(&self, currency: &str) -> Amount {
        self.cost.get(currency).copied().unwrap_or_default()
    }
}

/// Counts every token once.
const fn sum_tokens(tokens: &TokenTotals) -> u64 {
    tokens
        .input
        .saturating_add(tokens.output)
        .saturating_add(tokens.cache_read)
        .saturating_add(tokens.cache_write)
}

/// The data of the charts.
#[derive(Clone, Debug, Default)]
pub(super) struct ChartData {
    /// Sorted by usage, the highest first.
    pub(super) models: Vec<String>,
    /// For each bar the usage of each model, in the order of `models`.
    pub(super) bars: Vec<(Bar, Vec<ModelUsage>)>,
    /// Every currency with a cost.
    pub(super) currencies: BTreeSet<String>,
    /// The usage of attempts that answered.
    pub(super) answered: TokenTotals,
    /// The usage of attempts that did not answer.
    pub(super) unanswered: u64,
    /// Attempts without a known price.
    pub(super) unpriced: u64,
    /// Attempts whose tokens the gateway counted itself.
    pub(super) estimated: u64,
}

impl ChartData {
    /// Builds the data from sums by bar and model.
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

    /// All tokens in the charts' time range.
    pub(super) fn total_tokens(&self) -> u64 {
        sum_tokens(&self.answered).saturating_add(self.unanswered)
    }

    /// The total cost in one currency.
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
