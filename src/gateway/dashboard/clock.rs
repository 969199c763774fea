//! Moments as people read them, in the time zone of the machine.

use std::time::{Duration, SystemTime};

use jiff::Zoned;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::figures::seconds;
use crate::gateway::answer::millis;

/// Now, and where.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) now: SystemTime,
    pub(super) zone: TimeZone,
}

impl Clock {
    /// This machine's.
    pub(super) fn system() -> Self {
        Self { now: SystemTime::now(), zone: TimeZone::system() }
    }

    /// `None` beyond what a calendar has.
    pub(super) fn zoned(&self, at: SystemTime) -> Option<Zoned> {
        Some(jiff::Timestamp::try_from(at).ok()?.to_zoned(self.zone.clone()))
    }

    /// The time of day; of another day its date too, and no seconds.
    pub(super) fn moment(&self, at: SystemTime) -> Markup {
        let Some(zoned) = self.zoned(at) else { return html! { "?" } };
        let today = self.zoned(self.now).is_some_and(|now| now.date() == zoned.date());
        let shown = zoned.strftime(if today { "%H:%M:%S" } else { "%b %-d, %H:%M" }).to_string();
        let full = zoned.strftime("%F %T %Z").to_string();
        let exact = zoned.timestamp().strftime("%FT%TZ").to_string();
        html! { time datetime=(exact) title=(full) { (shown) } }
    }

    /// What is left until then; a script counts it down.
    pub(super) fn left(&self, until: SystemTime) -> Markup {
        let left = until.duration_since(self.now).unwrap_or_default();
        html! { span data-until=(millis(until)) { (seconds(left)) } }
    }

    /// What has passed since then; a script counts it up.
    pub(super) fn since(&self, then: SystemTime) -> Markup {
        let passed = self.now.duration_since(then).unwrap_or_default();
        let passed = Duration::from_secs(passed.as_secs());
        html! { span data-since=(millis(then)) { (seconds(passed)) } }
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
        let clock = Clock { now: at(86_400 + 60), zone: TimeZone::UTC };
        let today = clock.moment(at(86_400 + 5)).into_string();
        assert!(today.contains(">00:00:05</time>"), "{today}");
        let before = clock.moment(at(86_399)).into_string();
        assert!(before.contains(">Jan 1, 23:59</time>"), "{before}");
        assert!(before.contains("datetime=\"1970-01-01T23:59:59Z\""), "{before}");
    }

    #[test]
    fn what_is_left_is_right_without_a_script() {
        let clock = Clock { now: at(100), zone: TimeZone::UTC };
        assert_eq!(clock.left(at(142)).into_string(), "<span data-until=\"142000\">42 s</span>");
        assert_eq!(clock.left(at(99)).into_string(), "<span data-until=\"99000\">0 s</span>");
        assert_eq!(clock.since(at(35)).into_string(), "<span data-since=\"35000\">1 min 5 s</span>");
    }
}
