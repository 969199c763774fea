//! Owns assistant turns with sealed reasoning, for clients that do not return it: in memory, bounded in bytes and time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::protocol::model::seal::SealedTurn;

/// About a thousand turns with long thinking.
const MAX_BYTES: usize = 64 << 20;
/// An agent runs a tool for minutes; the thinking of an older turn is not needed.
const MAX_AGE: Duration = Duration::from_hours(1);

/// A client, by the name of its token, and the ids of the turn's calls. Ids of one client are unknown to another.
pub(super) type TurnKey = (Option<String>, Vec<String>);

/// The turns, the oldest first.
#[derive(Debug, Default)]
pub(super) struct SealedTurns {
    turns: HashMap<TurnKey, (Arc<SealedTurn>, Instant)>,
    /// In the order in which they were stored. A replaced turn is in it twice.
    order: VecDeque<(TurnKey, Instant)>,
    bytes: usize,
}

impl SealedTurns {
    pub(super) fn insert(&mut self, key: TurnKey, turn: SealedTurn, now: Instant) {
        self.bytes += turn.size();
        self.order.push_back((key.clone(), now));
        if let Some((replaced, _)) = self.turns.insert(key, (Arc::new(turn), now)) {
            self.bytes -= replaced.size();
        }
        while let Some((_, stored)) = self.order.front()
            && (self.bytes > MAX_BYTES || now.saturating_duration_since(*stored) >= MAX_AGE)
        {
            self.remove_oldest();
        }
    }

    pub(super) fn get(&self, key: &TurnKey, now: Instant) -> Option<Arc<SealedTurn>> {
        let (turn, stored) = self.turns.get(key)?;
        (now.saturating_duration_since(*stored) < MAX_AGE).then(|| turn.clone())
    }

    fn remove_oldest(&mut self) {
        let Some((key, stored)) = self.order.pop_front() else { return };
        if self.turns.get(&key).is_some_and(|(_, latest)| *latest == stored)
            && let Some((turn, _)) = self.turns.remove(&key)
        {
            self.bytes -= turn.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::model::answer::ResponseEvent;

    fn turn(bytes: usize) -> SealedTurn {
        let mut turn = SealedTurn::default();
        turn.push(&ResponseEvent::ReasoningSignature("s".repeat(bytes)));
        turn
    }

    fn key(id: &str) -> TurnKey {
        (None, vec![id.to_owned()])
    }

    #[test]
    fn turns_are_bounded_in_bytes_and_time() {
        let (mut turns, start) = (SealedTurns::default(), Instant::now());
        for number in 0..70 {
            turns.insert(key(&number.to_string()), turn(1 << 20), start);
        }
        assert!(turns.bytes <= MAX_BYTES && turns.get(&key("69"), start).is_some());
        assert!(turns.get(&key("0"), start).is_none());
        assert!(turns.get(&key("69"), start + MAX_AGE).is_none());
        turns.insert(key("new"), turn(1), start + MAX_AGE);
        assert_eq!((turns.turns.len(), turns.order.len()), (1, 1));
    }

    #[test]
    fn replaced_turn_is_counted_once() {
        let (mut turns, start) = (SealedTurns::default(), Instant::now());
        for second in 0..5 {
            turns.insert(key("a"), turn(9), start + Duration::from_secs(second));
        }
        assert_eq!(turns.bytes, turn(9).size());
        let other = (Some("other".to_owned()), vec!["a".to_owned()]);
        assert!(turns.get(&other, start).is_none(), "another client's turn is not found");
    }
}
