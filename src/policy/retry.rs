//! Whether a failure is worth another try of the same target: an allow-list of causes, and short waits only.

use std::time::Duration;

use super::backoff;
use crate::failure::{Failure, Reason};

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// The same target after this wait.
    Retry(Duration),
    /// The next target.
    Failover,
    /// No target can help: the request itself is wrong.
    Stop,
}

/// Limits of retries.
#[derive(Clone, Copy, Debug)]
pub struct RetryLimits {
    /// Tries of one target in all.
    pub attempts: u32,
    /// First wait.
    pub initial_delay: Duration,
    /// Longest wait; a Retry-After beyond it goes to the next target.
    pub max_delay: Duration,
}

/// Decides after the `tries`-th failed try of a target.
#[must_use]
pub fn decide_retry(failure: &Failure, tries: u32, limits: RetryLimits, dice: f64) -> RetryDecision {
    if !failure.allows_failover() {
        return RetryDecision::Stop;
    }
    // A time-out has used its clock up: trying again doubles a wait that is long already.
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
    fn tries_again_only_for_what_passes_soon() {
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
    fn stops_at_a_request_that_is_simply_wrong() {
        let mut failure = after(Reason::BadRequest, None);
        assert_eq!(decide_retry(&failure, 1, LIMITS, 0.0), RetryDecision::Stop);
        failure.is_provider_rule = true;
        assert_eq!(decide_retry(&failure, 1, LIMITS, 0.0), RetryDecision::Failover);
    }
}
