//! Owns session affinity: the target of each conversation, for a bounded number of conversations.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The agents of one user hold tens of conversations; each costs about 100 bytes here.
const MAX_CONVERSATIONS: usize = 4096;
/// No prompt cache is warm after a day without requests.
const MAX_IDLE: Duration = Duration::from_hours(24);

/// The target of each conversation, by fingerprint.
#[derive(Debug)]
pub(super) struct AffinityMap<T> {
    entries: HashMap<u64, AffinityEntry<T>>,
}

#[derive(Debug)]
struct AffinityEntry<T> {
    target: T,
    /// The time of the last response.
    last_used: Instant,
}

impl<T> Default for AffinityMap<T> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<T> AffinityMap<T> {
    /// Returns the conversation's target.
    pub(super) fn get(&self, conversation: u64, now: Instant) -> Option<&T> {
        let entry = self.entries.get(&conversation)?;
        (now.saturating_duration_since(entry.last_used) < MAX_IDLE).then_some(&entry.target)
    }

    /// Records that a target answered a conversation. At the limit, the conversation that was idle for longest
    /// is removed.
    pub(super) fn insert(&mut self, conversation: u64, target: T, now: Instant) {
        if self.entries.len() >= MAX_CONVERSATIONS && !self.entries.contains_key(&conversation) {
            let oldest =
                self.entries.iter().min_by_key(|(_, entry)| entry.last_used).map(|(oldest, _)| *oldest);
            oldest.map(|oldest| self.entries.remove(&oldest));
        }
        self.entries.insert(conversation, AffinityEntry { target, last_used: now });
    }

    /// Removes a conversation.
    pub(super) fn remove(&mut self, conversation: u64) {
        self.entries.remove(&conversation);
    }

    /// Keeps the targets for which `keep` returns true (after a reload).
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.retain(|_, entry| keep(&entry.target));
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
        assert_eq!(map.entries.len(), MAX_CONVERSATIONS);
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
