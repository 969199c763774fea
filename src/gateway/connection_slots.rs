//! Connection limit and idle timeout. When every slot is taken, the connection that has been idle longest is
//! closed, so that idle clients cannot block others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use super::phase::Phase;

/// Personal use has tens of connections, a large group of agents thousands. Each costs memory, and during a
/// request a second file descriptor for the provider.
const CONNECTIONS: usize = 8192;
/// With this many descriptors there are as many connection slots as are useful.
pub const WANTED_DESCRIPTORS: usize = 2 * CONNECTIONS + OTHER_DESCRIPTORS;
/// Descriptors for everything else: listeners, files, idle provider connections and rejected clients.
const OTHER_DESCRIPTORS: usize = 160;
/// The default of macOS, used where the system does not report a limit.
const DESCRIPTORS: usize = 256;

/// The connection slots of all listeners.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<SlotState>>,
}

#[derive(Debug, Default)]
struct SlotState {
    phase: Arc<Phase>,
    leave: Notify,
}

/// One connection's slot; released on drop.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    number: u64,
    seat: Arc<SlotState>,
    places: Arc<ConnectionSlots>,
}

impl ConnectionSlots {
    /// As many slots as the process' descriptors allow, and no more than are useful.
    pub(super) fn new() -> Arc<Self> {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self::of(fitting(descriptors(&limits).unwrap_or(DESCRIPTORS)))
    }

    fn of(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default() })
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot; `None` when every other connection is active.
    pub(super) fn take(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let mut taken = self.taken();
        // More than one if a connection kept a slot that was given away.
        while taken.seats.len() >= self.limit {
            let idle = |(number, seat): (&u64, &Arc<SlotState>)| Some((seat.phase.idle_since()?, *number));
            let (_, longest) = taken.seats.iter().filter_map(idle).min()?;
            if let Some(seat) = taken.seats.remove(&longest) {
                seat.leave.notify_one();
            }
        }
        let number = taken.next;
        taken.next += 1;
        let seat = Arc::new(SlotState::default());
        taken.seats.insert(number, seat.clone());
        Some(ConnectionSlot { number, seat, places: self.clone() })
    }

    /// Closes connections that exceed the idle timeout.
    pub(super) fn sweep(&self, longest: Duration) {
        let now = Instant::now();
        self.taken().seats.retain(|_, seat| {
            let stays = seat.phase.idle_since().is_none_or(|since| now.duration_since(since) < longest);
            if !stays {
                seat.leave.notify_one();
            }
            stays
        });
    }
}

impl ConnectionSlot {
    /// The phase that the connection reports.
    pub(super) fn phase(&self) -> Arc<Phase> {
        self.seat.phase.clone()
    }

    /// Resolves when another connection needs the slot, or this one has been idle for too long. A request that
    /// arrives at the same moment keeps the slot.
    pub(super) async fn wait_until_closed(&self) {
        loop {
            self.seat.leave.notified().await;
            if self.seat.phase.is_idle() {
                return;
            }
            self.places.taken().seats.insert(self.number, self.seat.clone());
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.places.taken().seats.remove(&self.number);
    }
}

fn fitting(descriptors: usize) -> usize {
    (descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2).clamp(16, CONNECTIONS)
}

/// The soft limit, which is the first of the two (proc(5)), or the word `unlimited`.
fn descriptors(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    soft.parse().ok().or_else(|| (soft == "unlimited").then_some(usize::MAX))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_makes_room_and_who_is_at_work_stays() {
        let places = ConnectionSlots::of(3);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(places.take().unwrap());
            advance(Duration::from_secs(1)).await;
        }
        held[0].phase().head_is_complete();
        let fourth = places.take().unwrap();
        assert!(held[1].wait_until_closed().now_or_never().is_some(), "the second has been idle the longest");
        assert!(
            held[0].wait_until_closed().now_or_never().is_none()
                && held[2].wait_until_closed().now_or_never().is_none()
        );
        drop(held.remove(1));
        for place in [&held[1], &fourth] {
            place.phase().head_is_complete();
        }
        assert!(places.take().is_none(), "every place is at work");
        held[0].phase().answer_is_out();
        assert!(places.take().is_none(), "its answer is not in the socket yet");
        held[0].phase().flushed();
        assert!(places.take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_in_the_moment_of_leaving_stays_and_leaves_later() {
        let places = ConnectionSlots::of(1);
        let first = places.take().unwrap();
        let second = places.take().unwrap();
        first.phase().head_is_complete();
        assert!(first.wait_until_closed().now_or_never().is_none(), "its request is answered yet");
        first.phase().answer_is_out();
        first.phase().flushed();
        let _third = places.take().unwrap();
        for place in [&first, &second] {
            assert!(
                place.wait_until_closed().now_or_never().is_some(),
                "there is one place, and a third one has it"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_idle_for_long_is_sent_away_and_who_is_at_work_is_not() {
        let places = ConnectionSlots::of(9);
        let [idle, fresh, busy] = [(); 3].map(|()| places.take().unwrap());
        busy.phase().head_is_complete();
        advance(Duration::from_secs(10)).await;
        fresh.phase().head_is_complete();
        fresh.phase().answer_is_out();
        fresh.phase().flushed();
        advance(Duration::from_secs(1)).await;
        places.sweep(Duration::from_secs(11));
        assert!(idle.wait_until_closed().now_or_never().is_some());
        assert!(
            fresh.wait_until_closed().now_or_never().is_none()
                && busy.wait_until_closed().now_or_never().is_none()
        );
    }

    #[test]
    fn dropped_slot_is_free_again() {
        let places = ConnectionSlots::of(1);
        let only = places.take().unwrap();
        only.phase().head_is_complete();
        assert!(places.take().is_none());
        drop(only);
        assert!(places.take().is_some());
    }

    #[test]
    fn places_fit_the_descriptors() {
        let limits = "Limit            Soft Limit  Hard Limit  Units\nMax open files   1024        524288      files\n";
        assert_eq!(descriptors(limits), Some(1024));
        assert_eq!(descriptors("Max open files unlimited unlimited files"), Some(usize::MAX));
        assert_eq!(descriptors(""), None);
        assert_eq!([256, 1024, 4096, usize::MAX].map(fitting), [48, 432, 1968, CONNECTIONS]);
        assert_eq!([WANTED_DESCRIPTORS - 2, WANTED_DESCRIPTORS].map(fitting), [CONNECTIONS - 1, CONNECTIONS]);
    }
}
