//! Owns the decision whether a failure is retried on the same target, and the wait: an allow-list of causes, and
//! short waits only. Pure: time and random numbers are parameters.

use std::time::Duration;

use crate::failure::{Failure, Reason};

/// The action after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Retry the same target after this wait.
    Retry(Duration),
    /// Fail over to the next target.
    Failover,
    /// Stop: the request itself is invalid, so no target can help.
    Stop,
}

/// Limits of retries.
#[derive(Clone, Copy, Debug)]
pub struct RetryLimits {
    /// Maximum attempts of one target, the first included.
    pub attempts: u32,
    /// The first wait.
    pub initial_delay: Duration,
    /// The longest wait; a longer `Retry-After` causes failover.
    pub max_delay: Duration,
}

/// Decides after the `attempts`-th failed attempt of a target.
pub fn decide_retry(failure: &Failure, attempts: u32, limits: RetryLimits, random: f64) -> RetryDecision {
    if !failure.allows_failover() {
        return RetryDecision::Stop;
    }
    // After a timeout, a retry would double a wait that is already long.
    let is_transient = failure.reason.is_transient() && failure.reason != Reason::Timeout;
    let is_retryable = is_transient || failure.is_intermittent && attempts == 1;
    if !is_retryable || attempts >= limits.attempts {
        return RetryDecision::Failover;
    }
    match failure.retry_after {
        Some(wait) if wait > limits.max_delay => RetryDecision::Failover,
        Some(wait) => RetryDecision::Retry(wait.max(limits.initial_delay)),
        None => RetryDecision::Retry(compute_delay(attempts, limits.initial_delay, limits.max_delay, random)),
    }
}

/// The wait before a retry: doubles from `initial` to `max`. A random half to whole of that is returned, so that
/// clients that failed together do not retry together. `attempts` counts the failed ones (1 or more), `random` is in
/// 0..1.
pub fn compute_delay(attempts: u32, initial: Duration, max: Duration, random: f64) -> Duration {
    let doubled = initial.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(max).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RetryLimits = RetryLimits {
        attempts: 2,
        initial_delay: Duration::from_millis(250),
        max_delay: Duration::from_secs(2),
    };

    fn after(reason: Reason, seconds: Option<u64>) -> Failure {
        Failure { retry_after: seconds.map(Duration::from_secs), ..Failure::new(reason, "") }
    }

    #[test]
    fn only_transient_failures_are_retried() {
        assert_eq!(
            decide_retry(&after(Reason::Server, None), 1, LIMITS, 1.0),
            RetryDecision::Retry(Duration::from_millis(250))
        );
        assert_eq!(
            decide_retry(&after(Reason::RateLimit, Some(1)), 1, LIMITS, 0.0),
            RetryDecision::Retry(Duration::from_secs(1))
        );
        assert_eq!(decide_retry(&after(Reason::RateLimit, Some(3)), 1, LIMITS, 0.0), RetryDecision::Failover);
        assert_eq!(decide_retry(&after(Reason::Server, None), 2, LIMITS, 0.0), RetryDecision::Failover);
        for reason in [Reason::Timeout, Reason::Auth, Reason::Billing, Reason::Quota, Reason::ContentFilter] {
            assert_eq!(decide_retry(&after(reason, None), 1, LIMITS, 0.0), RetryDecision::Failover);
        }
    }

    #[test]
    fn invalid_request_stops() {
        let mut failure = after(Reason::BadRequest, None);
        assert_eq!(decide_retry(&failure, 1, LIMITS, 0.0), RetryDecision::Stop);
        failure.is_provider_rule = true;
        assert_eq!(decide_retry(&failure, 1, LIMITS, 0.0), RetryDecision::Failover);
    }

    #[test]
    fn intermittent_refusal_is_retried_once() {
        let limits = RetryLimits { attempts: 5, ..LIMITS };
        let failure =
            Failure { is_provider_rule: true, is_intermittent: true, ..after(Reason::BadRequest, None) };
        assert!(matches!(decide_retry(&failure, 1, limits, 1.0), RetryDecision::Retry(_)));
        assert_eq!(decide_retry(&failure, 2, limits, 1.0), RetryDecision::Failover);
    }

    #[test]
    fn wait_doubles_to_the_maximum_and_keeps_at_least_half() {
        let (initial, max) = (Duration::from_millis(250), Duration::from_secs(2));
        assert_eq!(compute_delay(1, initial, max, 1.0), initial);
        assert_eq!(compute_delay(1, initial, max, 0.0), initial / 2);
        assert_eq!(compute_delay(3, initial, max, 1.0), Duration::from_secs(1));
        assert_eq!(compute_delay(40, initial, max, 1.0), max);
    }
}
