//! The clocks of one request. Connecting has its own in the HTTP client; the others are here.

use tokio::time::{Duration, Instant, timeout};

use crate::failure::{Failure, Reason};

/// One of the clocks of `failover.timeouts`, cut by the deadline of the whole request.
pub(super) struct Clock {
    pub(super) started: Instant,
    pub(super) limit: Duration,
    pub(super) name: &'static str,
    pub(super) deadline: Option<Instant>,
}

impl Clock {
    /// Works until the clock runs out; the failure names the clock.
    pub(super) async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let left = self.limit.saturating_sub(self.started.elapsed());
        let all = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let out_of_time = all.is_some_and(|all| all < left);
        timeout(all.map_or(left, |all| all.min(left)), work).await.map_err(|_| {
            let seconds = self.started.elapsed().as_secs_f64();
            let message = if out_of_time {
                "the time for the whole request is over (failover.timeouts.totalSeconds)".to_owned()
            } else {
                format!("nothing within {seconds:.1} s ({})", self.name)
            };
            Failure { out_of_time, ..Failure::new(Reason::Timeout, message) }
        })
    }
}
