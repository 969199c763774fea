//! Formats durations, counts and money for people.

use std::time::Duration;

use crate::protocol::amount::Amount;

/// The last displayed digit of an amount, in picos: a millionth.
const DISPLAY_PRECISION: u64 = 1_000_000;

/// `420 ms`, `1.3 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `4 d 1 h`.
pub(super) fn format_duration(span: Duration) -> String {
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
pub(super) fn format_seconds(left: Duration) -> String {
    match left.as_millis().div_ceil(1000) {
        short @ 0..60 => format!("{short} s"),
        long => format_duration(Duration::from_secs(u64::try_from(long).unwrap_or(u64::MAX))),
    }
}

/// `1,234,567`.
pub(super) fn format_count(count: u64) -> String {
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
pub(super) fn format_axis_value(value: f64) -> String {
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
pub(super) fn format_money(amount: Amount, currency: &str) -> String {
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
pub(super) fn format_with_currency(figure: &str, currency: &str) -> String {
    match currency {
        "USD" => format!("${figure}"),
        "EUR" => format!("€{figure}"),
        "CNY" => format!("CN¥{figure}"),
        other => format!("{other} {figure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let of = |millis| format_duration(Duration::from_millis(millis));
        assert_eq!([0, 420, 1_340, 42_900].map(of), ["0 ms", "420 ms", "1.3 s", "42 s"]);
        assert_eq!([200_000, 7_500_000, 349_200_000].map(of), ["3 min 20 s", "2 h 5 min", "4 d 1 h"]);
        assert_eq!(format_seconds(Duration::from_millis(41_001)), "42 s");
        assert_eq!(format_seconds(Duration::ZERO), "0 s");
        assert_eq!(format_seconds(Duration::from_millis(59_001)), "1 min 0 s");
    }

    #[test]
    fn counts_have_groups_and_axes_have_units() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(format_count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 250.0, 1_500.0, 2e7, 0.02].map(format_axis_value),
            ["0", "250", "1.5 k", "20 M", "0.02"]
        );
    }

    #[test]
    fn money_is_rounded_to_a_millionth_and_never_to_nothing() {
        let shown = |literal, currency| format_money(Amount::parse(literal).unwrap(), currency);
        assert_eq!(shown("0.001434", "USD"), "$0.001434");
        assert_eq!(shown("12.5000004", "CNY"), "CN¥12.5");
        assert_eq!(shown("0.0000005", "USD"), "$0.000001");
        assert_eq!(shown("0.0000004", "CHF"), "<CHF 0.000001");
        assert_eq!(shown("0", "EUR"), "€0");
    }
}
