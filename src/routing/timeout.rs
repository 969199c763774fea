//! The clocks of one request. Connecting has its own in the HTTP client; the others are here.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};

use futures_util::FutureExt;
use tokio::task::coop::unconstrained;
use tokio::time::{Duration, Instant, Sleep, sleep_until};

use crate::failure::{Failure, TimeoutKind};
use crate::future::PollOnWake;

/// One of the clocks of `failover.timeouts`, cut by the deadline of the whole request.
pub(super) struct Timeout {
    started: Instant,
    limit: Duration,
    kind: TimeoutKind,
    deadline: Option<Instant>,
    /// Set when something is waited for, once for all that is.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Timeout {
    pub(super) const fn new(
        started: Instant,
        limit: Duration,
        kind: TimeoutKind,
        deadline: Option<Instant>,
    ) -> Self {
        Self { started, limit, kind, deadline, timer: None }
    }

    pub(super) const fn limit(&self) -> Duration {
        self.limit
    }

    /// Works until the clock runs out; the failure names the clock.
    pub(super) async fn run<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let (mut work, end) = (pin!(work), self.end());
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            let alarm = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            // Work that takes the task's whole turn each time would never let the clock ring.
            ready!(pin!(unconstrained(alarm)).poll(context));
            Poll::Ready(Err(self.failure()))
        })
        .await
    }

    fn end(&self) -> Instant {
        let own = self.started + self.limit;
        self.deadline.map_or(own, |deadline| deadline.min(own))
    }

    fn failure(&self) -> Failure {
        let out_of_time = self.deadline.is_some_and(|deadline| deadline < self.started + self.limit);
        let kind = if out_of_time { TimeoutKind::Total } else { self.kind };
        Failure { is_gateway_limit: out_of_time, ..Failure::timed_out(kind, self.started.elapsed()) }
    }
}

/// A clock that starts again with each piece of a stream. Its timer is set when a piece is waited for, and again only when
/// it has rung though one had come: a timer for each piece would cost more than reading it.
pub(super) struct IdleTimeout {
    timeout: Timeout,
    timer: Option<PollOnWake<Sleep>>,
}

impl IdleTimeout {
    pub(super) fn new(limit: Duration, kind: TimeoutKind, deadline: Option<Instant>) -> Self {
        Self { timeout: Timeout::new(Instant::now(), limit, kind, deadline), timer: None }
    }

    /// As [`Clock::run`], from now on.
    pub(super) async fn run<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        self.timeout.started = Instant::now();
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            let alarm = self.timer.get_or_insert_with(|| PollOnWake::new(sleep_until(self.timeout.end())));
            while alarm.poll_unpin(context).is_ready() {
                let end = self.timeout.end();
                if Instant::now() >= end {
                    // A caller that continues anyway gets the same result again.
                    alarm.update(|_| ());
                    return Poll::Ready(Err(self.timeout.failure()));
                }
                alarm.update(|alarm| alarm.reset(end));
            }
            Poll::Pending
        })
        .await
    }
}
