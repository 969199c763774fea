//! Forgetting what is older than the settings ask for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::usage::database::{DatabaseError, UsageDatabase};
use crate::usage::entry::UsageEntry;
use crate::usage::queue::UsageQueue;

/// How often it is looked for.
pub(super) const PRUNE_INTERVAL: Duration = Duration::from_secs(3_600);

/// How soon it is tried again where the store refused it.
const RETRY_DELAY: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(86_400);

/// A clock that is further from where it should be may be wrong.
pub(super) const MAX_CLOCK_JUMP: Duration = Duration::from_secs(7 * 86_400);

/// At once, whenever the store or the settings change, and every hour.
pub(super) async fn run(queue: &UsageQueue) {
    let (mut stores, mut usage) = (queue.database.subscribe(), queue.settings.subscribe());
    let mut clock = ClockCheck::new(SystemTime::now());
    let mut has_failed = false;
    loop {
        let store = stores.borrow_and_update().clone();
        let days = usage.borrow_and_update().retention_days;
        if let Some(store) = store {
            let done = prune_expired(&store, days, &mut clock).await;
            if let Err(why) = &done {
                queue.record_error(why);
            } else if has_failed {
                queue.clear_error();
            }
            has_failed = done.is_err();
        }
        tokio::select! {
            _ = stores.changed() => {}
            _ = usage.changed() => {}
            () = sleep(if has_failed { RETRY_DELAY } else { PRUNE_INTERVAL }) => {}
        }
    }
}

async fn prune_expired(
    store: &Arc<dyn UsageDatabase>,
    days: u32,
    clock: &mut ClockCheck,
) -> Result<(), DatabaseError> {
    let now = SystemTime::now();
    let newest = store.list_before(now + DAY * 36_500, 1).await?.first().map(UsageEntry::started_at);
    if !clock.is_plausible(now, newest) {
        return Ok(());
    }
    // So many days may be more than there were since 1970.
    let Some(before) = now.checked_sub(DAY * days) else { return Ok(()) };
    let removed = store.prune(before).await?;
    if removed > 0 {
        info!(removed, days, "the ledger forgot what is too old");
    }
    Ok(())
}

/// The system clock, as far as it is plausible. A clock that is wrong for a while must not delete the whole
/// usage database.
struct ClockCheck {
    /// The last reading of the clock, and when it was read.
    last_time: SystemTime,
    checked_at: Instant,
    /// It was near the newest entry at the start, and has not leapt since.
    is_trusted: Option<bool>,
}

impl ClockCheck {
    fn new(now: SystemTime) -> Self {
        Self { last_time: now, checked_at: Instant::now(), is_trusted: None }
    }

    /// Whether it goes on from the newest entry, or has gone as time does for [`EVERY`].
    fn is_plausible(&mut self, now: SystemTime, newest: Option<SystemTime>) -> bool {
        let expected = self.last_time + self.checked_at.elapsed();
        let leap = now.duration_since(expected).unwrap_or_else(|behind| behind.duration());
        if leap > MAX_CLOCK_JUMP {
            *self = Self::new(now);
            self.mark_doubtful();
        }
        if self.is_trusted.is_none() && newest.is_some_and(|newest| now >= newest + MAX_CLOCK_JUMP) {
            self.mark_doubtful();
        }
        *self.is_trusted.get_or_insert(true) || self.checked_at.elapsed() >= PRUNE_INTERVAL
    }

    /// Logged once: a store that is opened every second must not flood the log.
    fn mark_doubtful(&mut self) {
        self.is_trusted = Some(false);
        warn!(
            "the clock is days from where the ledger's last request, or the time since, would have it: nothing is \
             forgotten for an hour"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockCheck, DAY, Duration, MAX_CLOCK_JUMP, PRUNE_INTERVAL, SystemTime};

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_leaps_is_believed_when_it_has_gone_on_for_a_while() {
        let start = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let mut clock = ClockCheck::new(start);
        assert!(clock.is_plausible(start, Some(start - DAY)), "it goes on from what there is");
        tokio::time::advance(PRUNE_INTERVAL * 5).await;
        // Years ahead, and what is written then is, too.
        let wrong = start + PRUNE_INTERVAL * 5 + 2_000 * DAY;
        assert!(!clock.is_plausible(wrong, Some(wrong)));
        tokio::time::advance(PRUNE_INTERVAL - Duration::from_secs(1)).await;
        assert!(!clock.is_plausible(wrong + PRUNE_INTERVAL, Some(wrong)));
        // Right again: what it said before does not count for it.
        assert!(!clock.is_plausible(start + PRUNE_INTERVAL * 6, Some(wrong)));
        tokio::time::advance(PRUNE_INTERVAL).await;
        assert!(clock.is_plausible(start + PRUNE_INTERVAL * 7, Some(wrong)));
        // A night of suspend does not count as a clock jump.
        assert!(clock.is_plausible(start + PRUNE_INTERVAL * 7 + MAX_CLOCK_JUMP / 2, Some(wrong)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_time_without_requests_defers_it() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        assert!(ClockCheck::new(now).is_plausible(now, None), "there is nothing to lose");
        let mut clock = ClockCheck::new(now);
        assert!(!clock.is_plausible(now, Some(now - MAX_CLOCK_JUMP)));
        assert!(!clock.is_plausible(now, Some(now)), "the first look counts");
        tokio::time::advance(PRUNE_INTERVAL).await;
        assert!(clock.is_plausible(now + PRUNE_INTERVAL, Some(now)));
    }
}
