//! Figures as people read them.

use std::time::Duration;

use crate::protocol::amount::Amount;

/// Of an [`Amount`], behind the point.
const AMOUNT_DECIMALS: u32 = 12;

/// `1,234,567`.
pub(in crate::cli) fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three digits and a unit: `999`, `1.23k`, `12.3M`.
pub(in crate::cli) fn format_compact(number: u64) -> String {
    let (mut value, mut unit) = (number as f64, "");
    for larger in ["k", "M", "G", "T"] {
        // What would be rounded to a thousand is one of the next.
        if value < if unit.is_empty() { 1000.0 } else { 999.5 } {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    match value {
        _ if unit.is_empty() => number.to_string(),
        ..9.995 => format!("{value:.2}{unit}"),
        ..99.95 => format!("{value:.1}{unit}"),
        _ => format!("{value:.0}{unit}"),
    }
}

/// How many digits behind the point are worth showing beside an amount like this.
pub(in crate::cli) fn cost_digits(largest: Amount) -> u32 {
    match largest.as_f64() {
        100.0.. => 2,
        1.0.. => 4,
        _ => 6,
    }
}

/// Rounded to so many digits behind the point; `<0.01` where something would become nothing.
pub(in crate::cli) fn format_money(amount: Amount, digits: u32) -> String {
    let scale = 10_u64.pow(AMOUNT_DECIMALS.saturating_sub(digits));
    let rounded = amount.as_picos() / scale + u64::from(amount.as_picos() % scale >= scale.div_ceil(2));
    let (mark, rounded) = if rounded == 0 && amount > Amount::ZERO { ("<", 1) } else { ("", rounded) };
    let unit = 10_u64.pow(digits);
    let width = digits as usize;
    format!("{mark}{}.{:0width$}", group_digits(rounded / unit), rounded % unit)
}

/// `6 d 11 h`, `2 h 59 min`, `40 min`; what is under a minute is `1 min`.
pub(in crate::cli) fn format_wait(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60).max(1);
    let (days, hours) = (minutes / 1440, minutes / 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// `1 attempt`, `2 attempts`.
pub(in crate::cli) fn format_count(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", group_digits(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_or_grouped() {
        for (number, expected, short) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1_000, "1,000", "1.00k"),
            (9_995, "9,995", "10.0k"),
            (12_345, "12,345", "12.3k"),
            (999_499, "999,499", "999k"),
            (999_500, "999,500", "1.00M"),
            (1_234_567, "1,234,567", "1.23M"),
            (u64::MAX, "18,446,744,073,709,551,615", "18446744T"),
        ] {
            assert_eq!((group_digits(number).as_str(), format_compact(number).as_str()), (expected, short));
        }
    }

    #[test]
    fn money_is_rounded_but_never_to_nothing() {
        let shown = |literal, digits| format_money(Amount::parse(literal).unwrap(), digits);
        assert_eq!(shown("0.001434", 6), "0.001434");
        assert_eq!(shown("0.0014345", 6), "0.001435");
        assert_eq!(shown("1234.5", 2), "1,234.50");
        assert_eq!(shown("0.999999999999", 6), "1.000000");
        assert_eq!(shown("0.004", 2), "<0.01");
        assert_eq!(shown("0", 2), "0.00");
        let digits = |literal| cost_digits(Amount::parse(literal).unwrap());
        assert_eq!([digits("0.9"), digits("1"), digits("99.9"), digits("100")], [6, 4, 4, 2]);
    }

    #[test]
    fn waits_are_told_in_two_units() {
        let told = |seconds| format_wait(Duration::from_secs(seconds));
        assert_eq!(
            [told(0), told(61), told(3_600), told(10_799), told(561_600)],
            ["1 min", "2 min", "1 h 0 min", "3 h 0 min", "6 d 12 h"]
        );
    }
}
