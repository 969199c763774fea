//! Whether a failure is worth another try of the same target: an allow-list of causes, and short waits only.

use std::time::Duration;

use super::backoff;
use crate::failure::{Failure, Reason};

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same target after this wait.
    Again(Duration),
    /// The next target.
    Onward,
    /// No target can help: the request itself is wrong.
    Stop,
}

/// Limits of retries.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Tries of one target in all.
    pub tries: u32,
    /// First wait.
    pub initial: Duration,
    /// Longest wait; a Retry-After beyond it goes to the next target.
    pub max: Duration,
}

/// Decides after the `tries`-th failed try of a target.
#[must_use]
pub fn decide(failure: &Failure, tries: u32, limits: Limits, dice: f64) -> Next {
    if !failure.moves_on() {
        return Next::Stop;
    }
    // A time-out has used its clock up: trying again doubles a wait that is long already.
    let worth = failure.reason.is_transient() && failure.reason != Reason::Timeout;
    if !worth || tries >= limits.tries {
        return Next::Onward;
    }
    match failure.retry_after {
        Some(asked) if asked > limits.max => Next::Onward,
        Some(asked) => Next::Again(asked.max(limits.initial)),
        None => Next::Again(backoff::wait(tries, limits.initial, limits.max, dice)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { tries: 2, initial: Duration::from_millis(250), max: Duration::from_secs(2) };

    fn after(reason: Reason, seconds: Option<u64>) -> Failure {
        Failure { retry_after: seconds.map(Duration::from_secs), ..Failure::new(reason, "") }
    }

    #[test]
    fn tries_again_only_for_what_passes_soon() {
        assert_eq!(
            decide(&after(Reason::Server, None), 1, LIMITS, 1.0),
            Next::Again(Duration::from_millis(250))
        );
        assert_eq!(
            decide(&after(Reason::RateLimit, Some(1)), 1, LIMITS, 0.0),
            Next::Again(Duration::from_secs(1))
        );
        assert_eq!(decide(&after(Reason::RateLimit, Some(3)), 1, LIMITS, 0.0), Next::Onward);
        assert_eq!(decide(&after(Reason::Server, None), 2, LIMITS, 0.0), Next::Onward);
        for reason in [Reason::Timeout, Reason::Auth, Reason::Billing, Reason::Quota, Reason::ContentFilter] {
            assert_eq!(decide(&after(reason, None), 1, LIMITS, 0.0), Next::Onward);
        }
    }

    #[test]
    fn stops_at_a_request_that_is_simply_wrong() {
        let mut failure = after(Reason::BadRequest, None);
        assert_eq!(decide(&failure, 1, LIMITS, 0.0), Next::Stop);
        failure.provider_rule = true;
        assert_eq!(decide(&failure, 1, LIMITS, 0.0), Next::Onward);
    }
}
