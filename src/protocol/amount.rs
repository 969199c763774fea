//! Money as an integer, so that sums are exact and independent of the order of addition.

use std::fmt;
use std::iter::Sum;

use serde::{Serialize, Serializer};

/// Decimal digits.
const DECIMAL_PLACES: u32 = 12;
/// Picos of one unit.
const PICOS_PER_UNIT: u64 = 10_u64.pow(DECIMAL_PLACES);

/// An amount of some currency, in millionths of millionths of its unit: a price in millionths per million tokens times
/// a count of tokens is a whole number of them. The largest is 18 million units; sums stop there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// So many millionths of millionths.
    #[must_use]
    pub const fn from_picos(picos: u64) -> Self {
        Self(picos)
    }

    /// In millionths of millionths.
    #[must_use]
    pub const fn as_picos(self) -> u64 {
        self.0
    }

    /// Tokens at a price in millionths of a unit per million of them.
    #[must_use]
    pub const fn from_tokens(tokens: u64, price: u64) -> Self {
        Self(tokens.saturating_mul(price))
    }

    /// With another one of the same currency.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Reads a JSON number digit by digit, so that 0.1 is exactly a tenth. Digits below a pico are rounded.
    /// `None` for text that is not a number, and for negative numbers.
    #[must_use]
    pub fn parse(literal: &str) -> Option<Self> {
        let is_number = literal.parse::<f64>().is_ok_and(f64::is_finite);
        let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if !is_number || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = format!("{whole}{part}");
        let digits = digits.trim_start_matches('0');
        let behind = i64::try_from(part.len()).ok()?;
        let shift =
            exponent.parse::<i64>().ok()?.saturating_sub(behind).saturating_add(i64::from(DECIMAL_PLACES));
        Some(Self(scale_digits(digits, shift)))
    }

    /// For charts and JSON; an amount under nine thousand units is exact to the pico.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / PICOS_PER_UNIT as f64
    }
}

/// The number that the digits are, times ten to the power of `shift`, rounded; too large a one becomes the largest.
fn scale_digits(digits: &str, shift: i64) -> u64 {
    let Ok(places) = usize::try_from(shift.unsigned_abs()) else { return 0 };
    if digits.is_empty() {
        return 0;
    }
    if shift >= 0 {
        // Eighteen zeros after any digit overflow, or nearly do.
        let zeros = "0".repeat(places.min(20));
        return format!("{digits}{zeros}").parse().unwrap_or(u64::MAX);
    }
    let Some(kept) = digits.len().checked_sub(places) else { return 0 };
    let (kept, rest) = digits.split_at(kept);
    let number: u64 = if kept.is_empty() { 0 } else { kept.parse().unwrap_or(u64::MAX) };
    number.saturating_add(u64::from(rest.as_bytes().first().is_some_and(|digit| *digit >= b'5')))
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// All significant digits: `0.001434`, `12`.
/// Exact, as text.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, rest) = (self.0 / PICOS_PER_UNIT, self.0 % PICOS_PER_UNIT);
        if rest == 0 {
            return write!(f, "{units}");
        }
        let digits = format!("{rest:012}");
        write!(f, "{units}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn decimal_numbers_are_parsed_exactly() {
        let picos = |literal: &str| Amount::parse(literal).map(Amount::as_picos);
        assert_eq!(picos("0.1"), Some(100_000_000_000));
        assert_eq!(picos("1.4e-05"), Some(14_000_000));
        assert_eq!(picos("25E-1"), Some(2_500_000_000_000));
        assert_eq!(picos("12"), Some(12_000_000_000_000));
        assert_eq!(picos("0.0000000000005"), Some(1), "rounded");
        assert_eq!(picos("0.00000000000049"), Some(0));
        assert_eq!(picos("3e-400"), Some(0));
        assert_eq!(picos("0e9"), Some(0));
        assert_eq!(picos("1e300"), Some(u64::MAX));
        assert_eq!(picos("123456789"), Some(u64::MAX), "more than there is");
        for no in ["-1", "", "null", "\"1\"", "1e999", "inf", "nan", "+1", "1.2.3"] {
            assert_eq!(picos(no), None, "{no}");
        }
    }

    #[test]
    fn all_significant_digits_are_shown() {
        let shown = |literal| Amount::parse(literal).unwrap().to_string();
        assert_eq!(shown("0.001434"), "0.001434");
        assert_eq!(shown("12.50"), "12.5");
        assert_eq!(shown("3"), "3");
        assert_eq!(Amount::from_picos(1).to_string(), "0.000000000001");
    }

    #[test]
    fn sums_saturate() {
        let most = Amount::from_picos(u64::MAX);
        assert_eq!([most, Amount::from_picos(1)].into_iter().sum::<Amount>(), most);
        assert_eq!(Amount::from_tokens(u64::MAX, 2), most);
    }
}
