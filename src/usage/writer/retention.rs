//! Forgetting what is older than the settings ask for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::usage::entry::Entry;
use crate::usage::queue::Queue;
use crate::usage::store::{Store, StoreError};

/// How often it is looked for.
pub(super) const EVERY: Duration = Duration::from_secs(3_600);

/// How soon it is tried again where the store refused it.
const AGAIN: Duration = Duration::from_secs(60);

const DAY: Duration = Duration::from_secs(86_400);

/// A clock that is further from where it should be may be wrong.
pub(super) const LEAP: Duration = Duration::from_secs(7 * 86_400);

/// At once, whenever the store or the settings change, and every hour.
pub(super) async fn keep(queue: &Queue) {
    let (mut stores, mut usage) = (queue.store.subscribe(), queue.usage.subscribe());
    let mut clock = Clock::at(SystemTime::now());
    let mut has_failed = false;
    loop {
        let store = stores.borrow_and_update().clone();
        let days = usage.borrow_and_update().retention_days;
        if let Some(store) = store {
            let done = forget(&store, days, &mut clock).await;
            if let Err(why) = &done {
                queue.troubled(why);
            } else if has_failed {
                queue.calm();
            }
            has_failed = done.is_err();
        }
        tokio::select! {
            _ = stores.changed() => {}
            _ = usage.changed() => {}
            () = sleep(if has_failed { AGAIN } else { EVERY }) => {}
        }
    }
}

async fn forget(store: &Arc<dyn Store>, days: u32, clock: &mut Clock) -> Result<(), StoreError> {
    let now = SystemTime::now();
    let newest = store.before(now + DAY * 36_500, 1).await?.first().map(Entry::at);
    if !clock.is_believed(now, newest) {
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

/// The system's clock, as far as it can be believed. One that is set wrong for a while shall not cost the whole ledger.
struct Clock {
    /// What it told, and when that was.
    told: SystemTime,
    at: Instant,
    /// It was near the newest entry at the start, and has not leapt since.
    is_near: Option<bool>,
}

impl Clock {
    fn at(now: SystemTime) -> Self {
        Self { told: now, at: Instant::now(), is_near: None }
    }

    /// Whether it goes on from the newest entry, or has gone as time does for [`EVERY`].
    fn is_believed(&mut self, now: SystemTime, newest: Option<SystemTime>) -> bool {
        let expected = self.told + self.at.elapsed();
        let leap = now.duration_since(expected).unwrap_or_else(|behind| behind.duration());
        if leap > LEAP {
            *self = Self::at(now);
            self.doubted();
        }
        if self.is_near.is_none() && newest.is_some_and(|newest| now >= newest + LEAP) {
            self.doubted();
        }
        *self.is_near.get_or_insert(true) || self.at.elapsed() >= EVERY
    }

    /// Told once: a store that is opened every second shall not drown the log.
    fn doubted(&mut self) {
        self.is_near = Some(false);
        warn!(
            "the clock is days from where the ledger's last request, or the time since, would have it: nothing is \
             forgotten for an hour"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, DAY, Duration, EVERY, LEAP, SystemTime};

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_leaps_is_believed_when_it_has_gone_on_for_a_while() {
        let start = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let mut clock = Clock::at(start);
        assert!(clock.is_believed(start, Some(start - DAY)), "it goes on from what there is");
        tokio::time::advance(EVERY * 5).await;
        // Years ahead, and what is written then is, too.
        let wrong = start + EVERY * 5 + 2_000 * DAY;
        assert!(!clock.is_believed(wrong, Some(wrong)));
        tokio::time::advance(EVERY - Duration::from_secs(1)).await;
        assert!(!clock.is_believed(wrong + EVERY, Some(wrong)));
        // Right again: what it said before does not count for it.
        assert!(!clock.is_believed(start + EVERY * 6, Some(wrong)));
        tokio::time::advance(EVERY).await;
        assert!(clock.is_believed(start + EVERY * 7, Some(wrong)));
        // A night of sleep is no leap.
        assert!(clock.is_believed(start + EVERY * 7 + LEAP / 2, Some(wrong)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_time_without_requests_defers_it() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        assert!(Clock::at(now).is_believed(now, None), "there is nothing to lose");
        let mut clock = Clock::at(now);
        assert!(!clock.is_believed(now, Some(now - LEAP)));
        assert!(!clock.is_believed(now, Some(now)), "the first look counts");
        tokio::time::advance(EVERY).await;
        assert!(clock.is_believed(now + EVERY, Some(now)));
    }
}
