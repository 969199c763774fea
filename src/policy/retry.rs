//! Owns the decision whether a failure is retried on the same target: an allow-list of causes, and short waits
//! only.

use std::time::Duration;

use super::backoff;
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

/// Decides after the `tries`-th failed attempt of a target.
#[must_use]
pub fn decide_retry(failure: &Failure, tries: u32, limits: RetryLimits, dice: f64) -> RetryDecision {
    if !failure.allows_failover() {
        return RetryDecision::Stop;
    }
    // After a timeout, a retry would double a wait that is already long.
    let worth = failure.reason.is_transient() && failure.reason != Reason::Timeout;
    if !worth || tries >= limits.attempts {
        return RetryDecision::Failover;
    }
    match failure.retry_after {
        Some(asked) if asked > limits.max_delay => RetryDecision::Failover,
        Some(asked) => RetryDecision::Retry(asked.max(limits.initial_delay)),
        None => {
            RetryDecision::Retry(backoff::compute_delay(tries, limits.initial_delay, limits.max_delay, dice))
        }
    }
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
}
