//! Which days are looked at.

use jiff::civil::Date;
use jiff::{ToSpan, Zoned};

use crate::cli::exit::CommandError;

/// Whole days up to now, in the local time zone.
pub(in crate::cli) struct DateRange {
    /// Midnight of the first.
    pub(in crate::cli) since: Zoned,
    /// Now.
    pub(in crate::cli) now: Zoned,
    /// How many, today included.
    pub(super) days: u32,
}

impl DateRange {
    /// The last so many days, today included.
    ///
    /// # Errors
    /// When the calendar does not reach back that far.
    pub(in crate::cli) fn last_days(days: u32, now: Zoned) -> Result<Self, CommandError> {
        let back = jiff::Span::new().try_days(days.saturating_sub(1));
        let first = back.and_then(|back| now.date().checked_sub(back)?.to_zoned(now.time_zone().clone()));
        let since =
            first.map_err(|_| CommandError::usage(format!("--days {days} is before all calendars")))?;
        Ok(Self { since, now, days })
    }

    /// Each day, as named in the usage database.
    pub(super) fn dates(&self) -> Vec<String> {
        let series = self.since.date().series(1.day());
        series.take_while(|date| *date <= self.now.date()).map(|date| date.to_string()).collect()
    }

    /// The first.
    pub(super) fn first_date(&self) -> Date {
        self.since.date()
    }

    /// `Europe/Berlin`; where it has no name `+01`.
    pub(super) fn zone_name(&self) -> String {
        let zone = self.now.time_zone();
        match zone.iana_name() {
            // Days are those of UTC where nothing says where this is.
            None if self.now.offset().is_zero() => "UTC".to_owned(),
            _ if zone.is_unknown() => "UTC".to_owned(),
            Some(name) => name.to_owned(),
            None => self.now.offset().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::DateRange;

    #[test]
    fn days_begin_at_local_midnight_also_where_the_clocks_change() {
        // Central Europe, where summer ended on 2026-10-25.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now = jiff::civil::date(2026, 10, 26).at(9, 0, 0, 0).to_zoned(zone).unwrap();
        let span = DateRange::last_days(3, now.clone()).unwrap();
        assert_eq!(span.since.timestamp().to_string(), "2026-10-23T22:00:00Z");
        assert_eq!(span.dates(), ["2026-10-24", "2026-10-25", "2026-10-26"]);
        assert_eq!(span.zone_name(), "+01");
        assert_eq!(DateRange::last_days(1, now.clone()).unwrap().dates(), ["2026-10-26"]);
        assert!(DateRange::last_days(u32::MAX, now).is_err());
        let nowhere = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::unknown());
        assert_eq!(DateRange::last_days(1, nowhere).unwrap().zone_name(), "UTC");
    }
}
