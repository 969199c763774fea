//! How work behind the requests shares a processor with them.

use std::thread::yield_now;
use std::time::{Duration, Instant};

/// How long such work holds a processor that somebody else wants.
const TURN: Duration = Duration::from_micros(30);

/// It gives way for so long; then the rest is done at once. On a busy machine each turn of the others takes milliseconds.
const PATIENCE: Duration = Duration::from_millis(25);

/// How a batch is worked off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Requests that share the processor have their turn in between: one would wait for the whole batch.
    GivesWay,
    /// As fast as it goes: another batch waits already, and who gives way falls behind until entries find no room.
    InHaste,
}

impl Pace {
    /// From now on.
    #[must_use]
    pub fn begin(self) -> Turns {
        let now = Instant::now();
        Turns { until: (self == Self::GivesWay).then(|| now + PATIENCE), next: now + TURN }
    }
}

/// A batch that is worked off.
#[derive(Debug)]
pub struct Turns {
    /// It gives way until then.
    until: Option<Instant>,
    next: Instant,
}

impl Turns {
    /// To be called between two pieces of the batch. It takes a fraction of a microsecond where nobody wants the processor.
    pub fn give_way(&mut self) {
        if self.until.is_some() && self.is_over(Instant::now()) {
            yield_now();
            self.next = Instant::now() + TURN;
        }
    }

    fn is_over(&mut self, now: Instant) -> bool {
        self.until = self.until.filter(|until| now < *until);
        self.until.is_some() && now >= self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_have_their_turn_for_a_while_and_not_in_haste() {
        let mut turns = Pace::GivesWay.begin();
        let began = turns.next.checked_sub(TURN).unwrap();
        let at = |micros| began + Duration::from_micros(micros);
        let over = |micros| turns.is_over(at(micros));
        assert_eq!([0, 29, 30, 24_999, 25_000, 24_999].map(over), [false, false, true, true, false, false]);
        assert!(!Pace::InHaste.begin().is_over(at(1_000_000)));
    }
}
