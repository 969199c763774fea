//! Formats durations, points in time, counts, money and outcomes for people, in the time zone of the machine.

use std::time::{Duration, SystemTime};

use jiff::Zoned;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::protocol::amount::Amount;
use crate::record::to_unix_millis;

/// The last displayed digit of an amount, in picos: a millionth.
const DISPLAY_PRECISION: u64 = 1_000_000;

/// `420 ms`, `1.3 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `4 d 1 h`.
pub(crate) fn format_duration(span: Duration) -> String {
    let (whole, millis) = (span.as_secs(), span.as_millis());
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    match whole {
        0 => format!("{millis} ms"),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{minutes} min {} s", whole % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A duration that is counted down or up, in whole seconds rounded up.
pub(crate) fn format_seconds(left: Duration) -> String {
    match left.as_millis().div_ceil(1000) {
        short @ 0..60 => format!("{short} s"),
        long => format_duration(Duration::from_secs(u64::try_from(long).unwrap_or(u64::MAX))),
    }
}

/// `1,234,567`.
pub(crate) fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A figure of an axis: `0`, `250`, `1.5 k`, `20 M`, `0.02`.
pub(crate) fn format_axis_value(value: f64) -> String {
    let (value, unit) = match value {
        big if big >= 1e9 => (big / 1e9, " G"),
        big if big >= 1e6 => (big / 1e6, " M"),
        big if big >= 1e3 => (big / 1e3, " k"),
        small => (small, ""),
    };
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

/// An amount with its currency to a millionth, rounded: `$0.001434`, `CN¥12.5`, `CHF 3`.
pub(crate) fn format_money(amount: Amount, currency: &str) -> String {
    let picos = amount.as_picos();
    let rounded = picos.saturating_add(DISPLAY_PRECISION / 2) / DISPLAY_PRECISION * DISPLAY_PRECISION;
    if rounded == 0 && picos > 0 {
        return format!(
            "<{}",
            format_with_currency(&Amount::from_picos(DISPLAY_PRECISION).to_string(), currency)
        );
    }
    format_with_currency(&Amount::from_picos(rounded).to_string(), currency)
}

/// A figure with its currency.
pub(crate) fn format_with_currency(figure: &str, currency: &str) -> String {
    match currency {
        "USD" => format!("${figure}"),
        "EUR" => format!("€{figure}"),
        "CNY" => format!("CN¥{figure}"),
        other => format!("{other} {figure}"),
    }
}

/// What an outcome means. An outcome of another version is returned unchanged.
pub(crate) fn describe_outcome(outcome: &str) -> &str {
    match outcome {
        "ok" => "answered",
        "abandoned" => "the client disconnected",
        "cancelled" => "another target answered first, or the client disconnected",
        "rate_limit" => "rate limit reached",
        "overloaded" => "the provider is overloaded",
        "quota" => "the quota is used up",
        "billing" => "no balance or no subscription",
        "auth" => "the key was rejected",
        "forbidden_client" => "the provider does not accept this client program",
        "model_not_found" => "the model is not available for this key",
        "context_overflow" => "the prompt is too long",
        "content_filter" => "rejected by the provider's content filter",
        "bad_request" => "the request is invalid or breaks a rule of the provider",
        "timeout" => "no response in time",
        "network" => "the connection failed",
        "truncated" => "the response was cut off",
        "server" => "the provider reported an error",
        "no_key" => "no key",
        "face_not_spoken" => "the provider does not support the API",
        "cooling_down" => "in cooldown",
        "media_not_accepted" => "images or files of this kind are not accepted",
        "window_too_small" => "the request exceeds the context window",
        "messages_too_large" => "the messages exceed the size limit",
        "provider_restricted" => "cannot promise the request's provider restrictions",
        other => other,
    }
}

/// Chooses how an outcome is shown: success, skipped without a call, or any other.
pub(crate) fn choose_tone(outcome: &str) -> &'static str {
    match outcome {
        "ok" => "good",
        "no_key"
        | "face_not_spoken"
        | "cooling_down"
        | "media_not_accepted"
        | "window_too_small"
        | "messages_too_large"
        | "provider_restricted"
        | "cancelled"
        | "abandoned" => "quiet",
        _ => "bad",
    }
}

/// Now, and where.
#[derive(Clone, Debug)]
pub(crate) struct LocalTime {
    pub(crate) now: SystemTime,
    pub(crate) zone: TimeZone,
}

impl LocalTime {
    /// This machine's.
    pub(crate) fn now() -> Self {
        Self { now: SystemTime::now(), zone: TimeZone::system() }
    }

    /// `None` beyond the calendar's range.
    pub(crate) fn to_zoned(&self, at: SystemTime) -> Option<Zoned> {
        Some(jiff::Timestamp::try_from(at).ok()?.to_zoned(self.zone.clone()))
    }

    /// The time of day. For another day, the date too, without seconds.
    pub(crate) fn render_time(&self, at: SystemTime) -> Markup {
        let Some(zoned) = self.to_zoned(at) else { return html! { "?" } };
        let today = self.to_zoned(self.now).is_some_and(|now| now.date() == zoned.date());
        let shown = zoned.strftime(if today { "%H:%M:%S" } else { "%b %-d, %H:%M" }).to_string();
        let full = zoned.strftime("%F %T %Z").to_string();
        let exact = zoned.timestamp().strftime("%FT%TZ").to_string();
        html! { time datetime=(exact) title=(full) { (shown) } }
    }

    /// The remaining time; a script counts it down.
    pub(crate) fn render_countdown(&self, until: SystemTime) -> Markup {
        let left = until.duration_since(self.now).unwrap_or_default();
        html! { span data-until=(to_unix_millis(until)) { (format_seconds(left)) } }
    }

    /// The elapsed time; a script counts it up.
    pub(crate) fn render_elapsed(&self, then: SystemTime) -> Markup {
        let passed = self.now.duration_since(then).unwrap_or_default();
        let passed = Duration::from_secs(passed.as_secs());
        html! { span data-since=(to_unix_millis(then)) { (format_seconds(passed)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_has_at_most_two_units() {
        let of = |millis| format_duration(Duration::from_millis(millis));
        assert_eq!([0, 420, 1_340, 42_900].map(of), ["0 ms", "420 ms", "1.3 s", "42 s"]);
        assert_eq!([200_000, 7_500_000, 349_200_000].map(of), ["3 min 20 s", "2 h 5 min", "4 d 1 h"]);
        assert_eq!(format_seconds(Duration::from_millis(41_001)), "42 s");
        assert_eq!(format_seconds(Duration::ZERO), "0 s");
        assert_eq!(format_seconds(Duration::from_millis(59_001)), "1 min 0 s");
    }

    #[test]
    fn counts_are_grouped_and_axis_values_have_units() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(format_count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 250.0, 1_500.0, 2e7, 0.02].map(format_axis_value),
            ["0", "250", "1.5 k", "20 M", "0.02"]
        );
    }

    #[test]
    fn money_is_rounded_to_a_millionth_and_never_to_zero() {
        let shown = |literal, currency| format_money(Amount::parse(literal).unwrap(), currency);
        assert_eq!(shown("0.001434", "USD"), "$0.001434");
        assert_eq!(shown("12.5000004", "CNY"), "CN¥12.5");
        assert_eq!(shown("0.0000005", "USD"), "$0.000001");
        assert_eq!(shown("0.0000004", "CHF"), "<CHF 0.000001");
        assert_eq!(shown("0", "EUR"), "€0");
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn time_of_another_day_has_the_date() {
        let clock = LocalTime { now: at(86_400 + 60), zone: TimeZone::UTC };
        let today = clock.render_time(at(86_400 + 5)).into_string();
        assert!(today.contains(">00:00:05</time>"), "{today}");
        let before = clock.render_time(at(86_399)).into_string();
        assert!(before.contains(">Jan 1, 23:59</time>"), "{before}");
        assert!(before.contains("datetime=\"1970-01-01T23:59:59Z\""), "{before}");
    }

    #[test]
    fn remaining_time_is_right_without_a_script() {
        let clock = LocalTime { now: at(100), zone: TimeZone::UTC };
        assert_eq!(clock.render_countdown(at(142)).into_string(), "<span data-until=\"142000\">42 s</span>");
        assert_eq!(clock.render_countdown(at(99)).into_string(), "<span data-until=\"99000\">0 s</span>");
        assert_eq!(clock.render_elapsed(at(35)).into_string(), "<span data-since=\"35000\">1 min 5 s</span>");
    }
}
