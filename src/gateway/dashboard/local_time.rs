//! Formats points in time for people, in the time zone of the machine.

use std::time::{Duration, SystemTime};

use jiff::Zoned;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::format::format_seconds;
use crate::gateway::response::to_unix_millis;

/// Now, and where.
#[derive(Clone, Debug)]
pub(super) struct LocalTime {
    pub(super) now: SystemTime,
    pub(super) zone: TimeZone,
}

impl LocalTime {
    /// This machine's.
    pub(super) fn now() -> Self {
        Self { now: SystemTime::now(), zone: TimeZone::system() }
    }

    /// `None` beyond the calendar's range.
    pub(super) fn to_zoned(&self, at: SystemTime) -> Option<Zoned> {
        Some(jiff::Timestamp::try_from(at).ok()?.to_zoned(self.zone.clone()))
    }

    /// The time of day. For another day, the date too, without seconds.
    pub(super) fn render_time(&self, at: SystemTime) -> Markup {
        let Some(zoned) = self.to_zoned(at) else { return html! { "?" } };
        let today = self.to_zoned(self.now).is_some_and(|now| now.date() == zoned.date());
        let shown = zoned.strftime(if today { "%H:%M:%S" } else { "%b %-d, %H:%M" }).to_string();
        let full = zoned.strftime("%F %T %Z").to_string();
        let exact = zoned.timestamp().strftime("%FT%TZ").to_string();
        html! { time datetime=(exact) title=(full) { (shown) } }
    }

    /// The remaining time; a script counts it down.
    pub(super) fn render_countdown(&self, until: SystemTime) -> Markup {
        let left = until.duration_since(self.now).unwrap_or_default();
        html! { span data-until=(to_unix_millis(until)) { (format_seconds(left)) } }
    }

    /// The elapsed time; a script counts it up.
    pub(super) fn render_elapsed(&self, then: SystemTime) -> Markup {
        let passed = self.now.duration_since(then).unwrap_or_default();
        let passed = Duration::from_secs(passed.as_secs());
        html! { span data-since=(to_unix_millis(then)) { (format_seconds(passed)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_moment_of_another_day_says_which() {
        let clock = LocalTime { now: at(86_400 + 60), zone: TimeZone::UTC };
        let today = clock.render_time(at(86_400 + 5)).into_string();
        assert!(today.contains(">00:00:05</time>"), "{today}");
        let before = clock.render_time(at(86_399)).into_string();
        assert!(before.contains(">Jan 1, 23:59</time>"), "{before}");
        assert!(before.contains("datetime=\"1970-01-01T23:59:59Z\""), "{before}");
    }

    #[test]
    fn what_is_left_is_right_without_a_script() {
        let clock = LocalTime { now: at(100), zone: TimeZone::UTC };
        assert_eq!(clock.render_countdown(at(142)).into_string(), "<span data-until=\"142000\">42 s</span>");
        assert_eq!(clock.render_countdown(at(99)).into_string(), "<span data-until=\"99000\">0 s</span>");
        assert_eq!(clock.render_elapsed(at(35)).into_string(), "<span data-since=\"35000\">1 min 5 s</span>");
    }
}
