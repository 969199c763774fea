//! The time range of the charts, by hour or by day.

use std::time::SystemTime;

use jiff::civil::Date;
use jiff::{ToSpan, Unit, Zoned};

use super::local_time::LocalTime;
use crate::usage::GroupBy;

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TimeRange {
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
pub(super) struct Bar {
    /// The key in the store.
    pub(super) key: String,
    /// The label under the bar.
    pub(super) label: String,
}

impl TimeRange {
    /// All ranges.
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The value of `?days=`.
    pub(super) const fn days(self) -> u32 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    /// Parses `?days=`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.days().to_string() == text)
    }

    /// The label for people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
        }
    }

    /// The period of one bar.
    pub(super) const fn group_by(self) -> GroupBy {
        match self {
            Self::Day => GroupBy::Hour,
            Self::Week | Self::Month => GroupBy::Day,
        }
    }

    /// The bars from the oldest to the current one, and the start of the oldest. `None` at the ends of the
    /// calendar.
    pub(super) fn build_bars(self, clock: &LocalTime) -> Option<(SystemTime, Vec<Bar>)> {
        let now = clock.to_zoned(clock.now)?;
        match self {
            Self::Day => build_hourly_bars(&now),
            Self::Week | Self::Month => build_daily_bars(&now, i64::from(self.days())),
        }
    }
}

fn build_hourly_bars(now: &Zoned) -> Option<(SystemTime, Vec<Bar>)> {
    let last = now.round(jiff::ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc)).ok()?;
    let hour = |back: i64| last.checked_sub(back.hours()).ok();
    let bar =
        |at: &Zoned| Bar { key: at.strftime("%FT%H").to_string(), label: at.strftime("%H:%M").to_string() };
    let all: Option<Vec<Zoned>> = (0..24).rev().map(hour).collect();
    let all = all?;
    Some((all.first()?.timestamp().into(), all.iter().map(bar).collect()))
}

fn build_daily_bars(now: &Zoned, days: i64) -> Option<(SystemTime, Vec<Bar>)> {
    let day = |back: i64| now.date().checked_sub(back.days()).ok();
    let bar =
        |at: &Date| Bar { key: at.strftime("%F").to_string(), label: at.strftime("%b %-d").to_string() };
    let all: Option<Vec<Date>> = (0..days).rev().map(day).collect();
    let all = all?;
    let first = all.first()?.to_zoned(now.time_zone().clone()).ok()?;
    Some((first.timestamp().into(), all.iter().map(bar).collect()))
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
    fn days_begin_at_midnight_where_the_machine_is() {
        let (since, bars) = TimeRange::Week.build_bars(&clock(60, "2026-11-21T23:30:00Z")).unwrap();
        let keys: Vec<_> = bars.iter().map(|bar| bar.key.as_str()).collect();
        assert_eq!((keys.len(), keys[0], keys[6]), (7, "2026-11-16", "2026-11-22"));
        assert_eq!(bars[6].label, "Nov 22");
        let since = jiff::Timestamp::try_from(since).unwrap().to_string();
        assert_eq!(since, "2026-11-15T23:00:00Z");
        assert_eq!(TimeRange::Month.build_bars(&clock(0, "2026-11-21T00:00:00Z")).unwrap().1.len(), 30);
    }

    #[test]
    fn a_day_has_the_24_hours_until_now() {
        let (since, bars) = TimeRange::Day.build_bars(&clock(330, "2026-11-21T10:40:00Z")).unwrap();
        assert_eq!(
            (bars.len(), bars[23].key.as_str(), bars[23].label.as_str()),
            (24, "2026-11-21T16", "16:00")
        );
        assert_eq!(bars[0].key, "2026-11-20T17");
        assert_eq!(jiff::Timestamp::try_from(since).unwrap().to_string(), "2026-11-20T11:30:00Z");
    }

    #[test]
    fn only_three_ranges_can_be_asked_for() {
        assert_eq!(["1", "7", "30"].map(TimeRange::parse), TimeRange::ALL.map(Some));
        for wrong in ["", "0", "2", "07", "7 ", "x"] {
            assert_eq!(TimeRange::parse(wrong), None, "{wrong}");
        }
    }
}
