//! Percentiles and medians.

/// The value at or below which this percentage of the samples is (nearest rank); NaN of none. Sorts them.
#[must_use]
pub fn percentile(samples: &mut [u64], percent: f64) -> f64 {
    samples.sort_unstable();
    let rank = (samples.len() as f64 * percent / 100.0).ceil() as usize;
    samples.get(rank.clamp(1, samples.len().max(1)) - 1).map_or(f64::NAN, |value| *value as f64)
}

/// The middle of the values that are numbers; NaN of none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_observed_values() {
        let mut samples: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut samples, 50.0), 50.0);
        assert_eq!(percentile(&mut samples, 99.0), 99.0);
        assert_eq!(percentile(&mut samples, 100.0), 100.0);
        assert_eq!(percentile(&mut [7], 99.0), 7.0);
        assert!(percentile(&mut [], 50.0).is_nan());
    }

    #[test]
    fn median_ignores_missing_values() {
        assert_eq!(median(&[3.0, f64::NAN, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert!(median(&[f64::NAN]).is_nan());
    }
}
