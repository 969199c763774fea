//! The time range of the charts, and sums from the usage database sorted into its bars and models.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use jiff::civil::Date;
use jiff::{RoundMode, ToSpan, Unit, Zoned, ZonedRound};

use super::format::LocalTime;
use crate::protocol::amount::Amount;
use crate::usage::{GroupBy, TokenTotals, UsageRow, UsageTotals};

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeRange {
    /// 24 hours.
    Day,
    /// 7 days.
    #[default]
    Week,
    /// 30 days.
    Month,
}

/// One bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// The key in the store.
    pub(crate) key: String,
    /// The label under the bar.
    pub(crate) label: String,
}

impl TimeRange {
    /// All ranges.
    pub(crate) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The value of `?days=`.
    pub(crate) const fn days(self) -> u32 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    /// Parses `?days=`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.days().to_string() == text)
    }

    /// The label for people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }

    /// The period of one bar.
    pub(crate) const fn group_by(self) -> GroupBy {
        match self {
            Self::Day => GroupBy::Hour,
            Self::Week | Self::Month => GroupBy::Day,
        }
    }

    /// The bars from the oldest to the current one, and the start of the oldest. `None` at the ends of the
    /// calendar.
    pub(crate) fn build_bars(self, clock: &LocalTime) -> Option<(SystemTime, Vec<Bar>)> {
        let now = clock.to_zoned(clock.now)?;
        let starts: Vec<Zoned> = match self {
            Self::Day => {
                let this_hour = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
                let last = now.round(this_hour).ok()?;
                (0..24).rev().map(|back: i64| last.checked_sub(back.hours()).ok()).collect::<Option<_>>()?
            }
            Self::Week | Self::Month => {
                let day = |back: i64| now.date().checked_sub(back.days()).ok();
                let midnight = |date: Date| date.to_zoned(now.time_zone().clone()).ok();
                (0..i64::from(self.days())).rev().map(|back| midnight(day(back)?)).collect::<Option<_>>()?
            }
        };
        let (key, label) = match self {
            Self::Day => ("%FT%H", "%H:%M"),
            Self::Week | Self::Month => ("%F", "%b %-d"),
        };
        let bar =
            |at: &Zoned| Bar { key: at.strftime(key).to_string(), label: at.strftime(label).to_string() };
        Some((starts.first()?.timestamp().into(), starts.iter().map(bar).collect()))
    }
}

/// The usage of one model in the time of one bar, or of all bars.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelUsage {
    pub(crate) tokens: u64,
    pub(crate) cost: BTreeMap<String, Amount>,
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
    pub(crate) fn cost(&self, currency: &str) -> Amount {
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
pub(crate) struct ChartData {
    /// Sorted by usage, the highest first.
    pub(crate) models: Vec<String>,
    /// For each bar the usage of each model, in the order of `models`.
    pub(crate) bars: Vec<(Bar, Vec<ModelUsage>)>,
    /// Every currency with a cost.
    pub(crate) currencies: BTreeSet<String>,
    /// The usage of attempts that answered.
    pub(crate) answered: TokenTotals,
    /// The usage of attempts that did not answer.
    pub(crate) unanswered: u64,
    /// Attempts without a known price.
    pub(crate) unpriced: u64,
    /// Attempts whose tokens the gateway counted itself.
    pub(crate) estimated: u64,
}

impl ChartData {
    /// Builds the data from sums by bar and model.
    pub(crate) fn from_rows(bars: Vec<Bar>, sums: &[UsageRow]) -> Self {
        let mut data = Self::default();
        let mut cells: BTreeMap<(&str, &str), ModelUsage> = BTreeMap::new();
        let mut weights: BTreeMap<&str, u64> = BTreeMap::new();
        for sum in sums {
            let [bar, model] = &sum.keys[..] else { continue };
            for total in [&sum.answered, &sum.lost] {
                cells.entry((bar, model)).or_default().add_totals(total);
                let weight = weights.entry(model).or_default();
                *weight = weight.saturating_add(sum_tokens(&total.tokens));
                data.currencies.extend(total.cost.keys().cloned());
                data.unpriced += total.unpriced;
                data.estimated += total.estimated;
            }
            add_tokens(&mut data.answered, &sum.answered.tokens);
            data.unanswered = data.unanswered.saturating_add(sum_tokens(&sum.lost.tokens));
        }
        // A model that only failed used nothing.
        let mut models: Vec<(&str, u64)> = weights.into_iter().filter(|(_, weight)| *weight > 0).collect();
        models.sort_by_key(|(model, weight)| (std::cmp::Reverse(*weight), *model));
        let cell =
            |bar: &Bar, model: &str| cells.get(&(bar.key.as_str(), model)).cloned().unwrap_or_default();
        let used = |bar: &Bar| models.iter().map(|(model, _)| cell(bar, model)).collect();
        data.bars = bars.into_iter().map(|bar| (bar.clone(), used(&bar))).collect();
        data.models = models.iter().map(|(model, _)| (*model).to_owned()).collect();
        data
    }

    /// All tokens in the charts' time range.
    pub(crate) fn total_tokens(&self) -> u64 {
        sum_tokens(&self.answered).saturating_add(self.unanswered)
    }

    /// The total cost in one currency.
    pub(crate) fn total_cost(&self, currency: &str) -> Amount {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// So many minutes ahead of UTC.
    fn clock(ahead: i32, at: &str) -> LocalTime {
        let at: jiff::Timestamp = at.parse().unwrap();
        let offset = jiff::tz::Offset::from_seconds(ahead * 60).unwrap();
        LocalTime { now: at.into(), zone: jiff::tz::TimeZone::fixed(offset) }
    }

    #[test]
    fn days_begin_at_local_midnight() {
        let (since, bars) = TimeRange::Week.build_bars(&clock(60, "2026-11-21T23:30:00Z")).unwrap();
        let keys: Vec<_> = bars.iter().map(|bar| bar.key.as_str()).collect();
        assert_eq!((keys.len(), keys[0], keys[6]), (7, "2026-11-16", "2026-11-22"));
        assert_eq!(bars[6].label, "Nov 22");
        let since = jiff::Timestamp::try_from(since).unwrap().to_string();
        assert_eq!(since, "2026-11-15T23:00:00Z");
        assert_eq!(TimeRange::Month.build_bars(&clock(0, "2026-11-21T00:00:00Z")).unwrap().1.len(), 30);
    }

    #[test]
    fn day_range_has_the_last_24_hours() {
        let (since, bars) = TimeRange::Day.build_bars(&clock(330, "2026-11-21T10:40:00Z")).unwrap();
        assert_eq!(
            (bars.len(), bars[23].key.as_str(), bars[23].label.as_str()),
            (24, "2026-11-21T16", "16:00")
        );
        assert_eq!(bars[0].key, "2026-11-20T17");
        assert_eq!(jiff::Timestamp::try_from(since).unwrap().to_string(), "2026-11-20T11:30:00Z");
    }

    #[test]
    fn only_three_ranges_are_valid() {
        assert_eq!(["1", "7", "30"].map(TimeRange::parse), TimeRange::ALL.map(Some));
        for wrong in ["", "0", "2", "07", "7 ", "x"] {
            assert_eq!(TimeRange::parse(wrong), None, "{wrong}");
        }
    }
}
