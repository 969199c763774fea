//! Owns the wait before a retry of the same target.

use std::time::Duration;

/// Doubles from `initial` to `max`; a random half to whole of it is the wait, so that clients that failed
/// together do not retry together. `tries` counts the failed attempts (1 or more), `dice` is in 0..1.
#[must_use]
pub fn compute_delay(tries: u32, initial: Duration, max: Duration, dice: f64) -> Duration {
    let doubled = initial.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(max).mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::compute_delay;
    use std::time::Duration;

    #[test]
    fn wait_doubles_to_the_maximum_and_keeps_at_least_half() {
        let (initial, max) = (Duration::from_millis(250), Duration::from_secs(2));
        assert_eq!(compute_delay(1, initial, max, 1.0), initial);
        assert_eq!(compute_delay(1, initial, max, 0.0), initial / 2);
        assert_eq!(compute_delay(3, initial, max, 1.0), Duration::from_secs(1));
        assert_eq!(compute_delay(40, initial, max, 1.0), max);
    }
}
