//! Owns session affinity: the target of each conversation, for a bounded number of conversations.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The agents of one user hold tens of conversations; each costs about 100 bytes here.
const MAX_CONVERSATIONS: usize = 4096;
/// No prompt cache is warm after a day without requests.
const MAX_IDLE: Duration = Duration::from_hours(24);

/// The target of each conversation, by fingerprint, and the time of its last response.
#[derive(Debug)]
pub(super) struct AffinityMap<T>(HashMap<u64, (T, Instant)>);

impl<T> Default for AffinityMap<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> AffinityMap<T> {
    /// Returns the conversation's target.
    pub(super) fn get(&self, conversation: u64, now: Instant) -> Option<&T> {
        let (target, last_used) = self.0.get(&conversation)?;
        (now.saturating_duration_since(*last_used) < MAX_IDLE).then_some(target)
    }

    /// Records that a target answered a conversation. At the limit, the conversation that was idle for longest
    /// is removed.
    pub(super) fn insert(&mut self, conversation: u64, target: T, now: Instant) {
        if self.0.len() >= MAX_CONVERSATIONS && !self.0.contains_key(&conversation) {
            let oldest = self.0.iter().min_by_key(|(_, (_, last_used))| *last_used);
            oldest.map(|(oldest, _)| *oldest).map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(conversation, (target, now));
    }

    /// Removes a conversation.
    pub(super) fn remove(&mut self, conversation: u64) {
        self.0.remove(&conversation);
    }

    /// Keeps the targets for which `keep` returns true (after a reload).
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.0.retain(|_, (target, _)| keep(target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversation_keeps_target_until_removed_or_idle_for_a_day() {
        let (mut map, start) = (AffinityMap::default(), Instant::now());
        map.insert(1, "openrouter", start);
        map.insert(2, "moonshot", start);
        map.insert(1, "kimi", start);
        assert_eq!((map.get(1, start), map.get(2, start)), (Some(&"kimi"), Some(&"moonshot")));
        map.remove(2);
        assert_eq!(map.get(2, start), None);
        assert_eq!(map.get(1, start + MAX_IDLE), None);
    }

    #[test]
    fn longest_idle_conversation_is_removed_at_the_limit() {
        let (mut map, start) = (AffinityMap::default(), Instant::now());
        let second = Duration::from_secs(1);
        for conversation in 0..MAX_CONVERSATIONS as u64 {
            map.insert(conversation, (), start + second);
        }
        map.insert(7, (), start);
        map.insert(u64::MAX, (), start + second);
        assert_eq!(map.0.len(), MAX_CONVERSATIONS);
        assert_eq!((map.get(7, start), map.get(u64::MAX, start)), (None, Some(&())));
    }

    #[test]
    fn reload_keeps_existing_targets() {
        let (mut map, start) = (AffinityMap::default(), Instant::now());
        map.insert(1, "openrouter", start);
        map.insert(2, "moonshot", start);
        map.retain(|target| *target == "moonshot");
        assert_eq!((map.get(1, start), map.get(2, start)), (None, Some(&"moonshot")));
    }
}
