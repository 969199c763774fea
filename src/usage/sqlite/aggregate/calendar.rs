//! The day or the hour of a moment, in some zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Names moments that come in the order of time; moments of one day or hour cost one look at the zone.
pub(super) struct PeriodNamer<'z> {
    zone: &'z TimeZone,
    /// In seconds.
    unit: i64,
    format: &'static str,
    /// The name holds from here to there, in microseconds since 1970.
    valid_for: std::ops::Range<i64>,
    name: String,
}

impl<'z> PeriodNamer<'z> {
    /// `2026-11-21`.
    pub(super) fn days(zone: &'z TimeZone) -> Self {
        Self { zone, unit: 86_400, format: "%Y-%m-%d", valid_for: 0..0, name: String::new() }
    }

    /// `2026-11-21T20`.
    pub(super) fn hours(zone: &'z TimeZone) -> Self {
        Self { zone, unit: 3_600, format: "%Y-%m-%dT%H", valid_for: 0..0, name: String::new() }
    }

    /// Of a moment in microseconds since 1970.
    pub(super) fn name_at(&mut self, at: i64) -> &str {
        if !self.valid_for.contains(&at) {
            self.advance_to(at);
        }
        &self.name
    }

    fn advance_to(&mut self, at: i64) {
        // What is beyond the calendar, behind the year 9999, counts for its last day.
        let moment = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX);
        let offset = i64::from(self.zone.to_offset(moment).seconds());
        let end = ((moment.as_second() + offset).div_euclid(self.unit) + 1) * self.unit - offset;
        // Where the clocks change, the next moment is looked at anew.
        let change = self.zone.following(moment).next().map(|change| change.timestamp().as_second());
        let end = change.map_or(end, |change| change.min(end));
        self.valid_for = at..end.saturating_mul(1_000_000);
        self.name = self.zone.to_datetime(moment).strftime(self.format).to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::{PeriodNamer, TimeZone, Timestamp};

    #[test]
    fn days_begin_at_midnight_also_where_clocks_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let (mut days, mut hours) = (PeriodNamer::days(&zone), PeriodNamer::hours(&zone));
        for (moment, hour) in [
            ("2026-03-28T22:59:59.999999Z", "2026-03-28T23"),
            ("2026-03-28T23:00:00Z", "2026-03-29T00"),
            ("2026-03-29T00:59:59Z", "2026-03-29T01"),
            ("2026-03-29T01:00:00Z", "2026-03-29T03"),
            ("2026-03-29T21:59:59.9Z", "2026-03-29T23"),
            ("2026-03-29T22:00:00Z", "2026-03-30T00"),
            ("2026-10-24T21:59:59Z", "2026-10-24T23"),
            ("2026-10-24T22:00:00Z", "2026-10-25T00"),
            ("2026-10-25T00:30:00Z", "2026-10-25T02"),
            ("2026-10-25T01:30:00Z", "2026-10-25T02"),
            ("2026-10-25T02:00:00Z", "2026-10-25T03"),
            ("2026-10-25T22:59:59Z", "2026-10-25T23"),
            ("2026-10-25T23:00:00Z", "2026-10-26T00"),
        ] {
            let at = moment.parse::<Timestamp>().unwrap().as_microsecond();
            assert_eq!(hours.name_at(at), hour, "{moment}");
            assert_eq!(days.name_at(at), &hour[..10], "{moment}");
        }
    }

    #[test]
    fn zones_off_the_hour_and_moments_off_the_calendar_have_names() {
        let zone = TimeZone::posix("<+0537>-5:37").unwrap();
        let mut hours = PeriodNamer::hours(&zone);
        assert_eq!(hours.name_at(0), "1970-01-01T05");
        assert_eq!(hours.name_at(23 * 60_000_000), "1970-01-01T06");
        assert!(PeriodNamer::days(&TimeZone::UTC).name_at(i64::MAX).starts_with("9999-12-3"));
    }
}
