//! How work behind the requests shares a processor with them.

use std::thread::yield_now;
use std::time::{Duration, Instant};

/// The longest time that such work holds a processor that another task needs.
const TURN: Duration = Duration::from_micros(30);

/// The writer yields for at most this long, then finishes at once. On a busy machine each turn of other tasks
/// takes milliseconds.
const PATIENCE: Duration = Duration::from_millis(25);

/// How a batch is worked off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePriority {
    /// Requests that share the processor have their turn in between: one would wait for the whole batch.
    Background,
    /// Writes without yielding: another batch is waiting, and a writer that yields falls behind until the queue
    /// is full.
    Urgent,
}

impl WritePriority {
    /// From now on.
    #[must_use]
    pub fn start(self) -> Yielder {
        let now = Instant::now();
        Yielder { until: (self == Self::Background).then(|| now + PATIENCE), next: now + TURN }
    }
}

/// A batch that is worked off.
#[derive(Debug)]
pub struct Yielder {
    /// The writer yields until this time.
    until: Option<Instant>,
    next: Instant,
}

impl Yielder {
    /// Call this between two pieces of the batch. It takes a fraction of a microsecond if no other task needs
    /// the processor.
    pub fn yield_if_due(&mut self) {
        if self.until.is_some() {
            self.give_way_at(Instant::now(), || {
                yield_now();
                Instant::now()
            });
        }
    }

    /// `others` have their turn where this one is over; it says when that was.
    fn give_way_at(&mut self, now: Instant, others: impl FnOnce() -> Instant) {
        self.until = self.until.filter(|until| now < *until);
        if self.until.is_some() && now >= self.next {
            self.next = others() + TURN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of pieces that end so many microseconds after a batch began: those behind which others had their turn, of 100 µs.
    fn behind(pace: WritePriority, ends: &[u64]) -> Vec<u64> {
        let mut turns = pace.start();
        let began = turns.next.checked_sub(TURN).unwrap();
        let at = |micros| began + Duration::from_micros(micros);
        let mut gave_way = |end| {
            let mut has = false;
            turns.give_way_at(at(end), || {
                has = true;
                at(end + 100)
            });
            has
        };
        ends.iter().copied().filter(|end| gave_way(*end)).collect()
    }

    #[test]
    fn others_have_their_turn_each_thirty_microseconds_for_a_while_and_not_in_haste() {
        assert_eq!(behind(WritePriority::Background, &[0, 29, 30, 130, 159, 160, 24_999]), [30, 160, 24_999]);
        assert_eq!(behind(WritePriority::Background, &[25_000, 24_999]), [0; 0]);
        assert_eq!(behind(WritePriority::Urgent, &[30, 1_000]), [0; 0]);
    }
}
