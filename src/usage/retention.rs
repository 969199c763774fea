//! Removes requests that are older than the configured retention.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::database::{DatabaseError, UsageDatabase};
use super::entry::UsageEntry;
use super::queue::UsageQueue;

/// How often old requests are removed.
pub(super) const PRUNE_INTERVAL: Duration = Duration::from_secs(3_600);

/// How soon a failed removal is retried.
const RETRY_DELAY: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(86_400);

/// A clock that jumps further than this may be wrong.
pub(super) const MAX_CLOCK_JUMP: Duration = Duration::from_secs(7 * 86_400);

/// Removes old requests at once, when the database or the settings change, and every hour.
pub(super) async fn run(queue: &UsageQueue) {
    let (mut databases, mut usage) = (queue.database.subscribe(), queue.settings.subscribe());
    let mut clock = ClockCheck::new(SystemTime::now());
    let mut has_failed = false;
    loop {
        let database = databases.borrow_and_update().clone();
        let days = usage.borrow_and_update().retention_days;
        if let Some(database) = database {
            let done = prune_expired(&database, days, &mut clock).await;
            if let Err(why) = &done {
                queue.record_error(why);
            } else if has_failed {
                queue.clear_error();
            }
            has_failed = done.is_err();
        }
        tokio::select! {
            _ = databases.changed() => {}
            _ = usage.changed() => {}
            () = sleep(if has_failed { RETRY_DELAY } else { PRUNE_INTERVAL }) => {}
        }
    }
}

async fn prune_expired(
    database: &Arc<dyn UsageDatabase>,
    days: u32,
    clock: &mut ClockCheck,
) -> Result<(), DatabaseError> {
    let now = SystemTime::now();
    let newest = database.list_before(now + DAY * 36_500, 1).await?.first().map(UsageEntry::started_at);
    if !clock.is_plausible(now, newest) {
        return Ok(());
    }
    // The period may begin before 1970.
    let Some(before) = now.checked_sub(DAY * days) else { return Ok(()) };
    let removed = database.prune(before).await?;
    if removed > 0 {
        info!(removed, days, "removed old requests from the usage database");
    }
    Ok(())
}

/// The system clock, as far as it is plausible. A clock that is wrong for a while must not delete the whole
/// usage database.
struct ClockCheck {
    /// The last reading of the clock, and when it was read.
    last_time: SystemTime,
    checked_at: Instant,
    /// Whether it was near the newest entry at the start and has not jumped since. `None` before the first check.
    is_trusted: Option<bool>,
}

impl ClockCheck {
    fn new(now: SystemTime) -> Self {
        Self { last_time: now, checked_at: Instant::now(), is_trusted: None }
    }

    /// Whether it continues from the newest entry, or has run without a jump for [`PRUNE_INTERVAL`].
    fn is_plausible(&mut self, now: SystemTime, newest: Option<SystemTime>) -> bool {
        let expected = self.last_time + self.checked_at.elapsed();
        let jump = now.duration_since(expected).unwrap_or_else(|behind| behind.duration());
        if jump > MAX_CLOCK_JUMP {
            *self = Self::new(now);
            self.mark_doubtful();
        }
        if self.is_trusted.is_none() && newest.is_some_and(|newest| now >= newest + MAX_CLOCK_JUMP) {
            self.mark_doubtful();
        }
        *self.is_trusted.get_or_insert(true) || self.checked_at.elapsed() >= PRUNE_INTERVAL
    }

    /// Logged once: a database that is reopened often must not flood the log.
    fn mark_doubtful(&mut self) {
        self.is_trusted = Some(false);
        warn!(
            "the system clock jumped by days, or is days after the last recorded request: no old request is removed \
             for an hour"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockCheck, DAY, Duration, MAX_CLOCK_JUMP, PRUNE_INTERVAL, SystemTime};

    #[tokio::test(start_paused = true)]
    async fn clock_that_jumps_is_trusted_after_an_hour() {
        let start = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let mut clock = ClockCheck::new(start);
        assert!(clock.is_plausible(start, Some(start - DAY)), "it continues from the newest entry");
        tokio::time::advance(PRUNE_INTERVAL * 5).await;
        // Years ahead, with entries of that time.
        let wrong = start + PRUNE_INTERVAL * 5 + 2_000 * DAY;
        assert!(!clock.is_plausible(wrong, Some(wrong)));
        tokio::time::advance(PRUNE_INTERVAL - Duration::from_secs(1)).await;
        assert!(!clock.is_plausible(wrong + PRUNE_INTERVAL, Some(wrong)));
        // Right again, which is another jump.
        assert!(!clock.is_plausible(start + PRUNE_INTERVAL * 6, Some(wrong)));
        tokio::time::advance(PRUNE_INTERVAL).await;
        assert!(clock.is_plausible(start + PRUNE_INTERVAL * 7, Some(wrong)));
        // A night of suspend does not count as a clock jump.
        assert!(clock.is_plausible(start + PRUNE_INTERVAL * 7 + MAX_CLOCK_JUMP / 2, Some(wrong)));
    }

    #[tokio::test(start_paused = true)]
    async fn long_time_without_requests_defers_removal() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        assert!(ClockCheck::new(now).is_plausible(now, None), "there is nothing to lose");
        let mut clock = ClockCheck::new(now);
        assert!(!clock.is_plausible(now, Some(now - MAX_CLOCK_JUMP)));
        assert!(!clock.is_plausible(now, Some(now)), "the first check decides");
        tokio::time::advance(PRUNE_INTERVAL).await;
        assert!(clock.is_plausible(now + PRUNE_INTERVAL, Some(now)));
    }
}
