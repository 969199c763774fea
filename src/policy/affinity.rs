//! Owns session affinity: the target of each conversation, for a bounded number of conversations.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The agents of one user hold tens of conversations; each costs about 100 bytes here.
const MAX_CONVERSATIONS: usize = 4096;
/// No prompt cache is warm after a day without requests.
const MAX_IDLE: Duration = Duration::from_hours(24);

/// The target of each conversation, by fingerprint.
#[derive(Debug)]
pub struct AffinityMap<T> {
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
    #[must_use]
    pub fn get(&self, conversation: u64, now: Instant) -> Option<&T> {
        let home = self.entries.get(&conversation)?;
        (now.saturating_duration_since(home.last_used) < MAX_IDLE).then_some(&home.target)
    }

    /// Records that a target answered a conversation. At the limit, the conversation that was idle for longest
    /// is removed.
    pub fn insert(&mut self, conversation: u64, at: T, now: Instant) {
        if self.entries.len() >= MAX_CONVERSATIONS && !self.entries.contains_key(&conversation) {
            let oldest =
                self.entries.iter().min_by_key(|(_, home)| home.last_used).map(|(oldest, _)| *oldest);
            oldest.map(|oldest| self.entries.remove(&oldest));
        }
        self.entries.insert(conversation, AffinityEntry { target: at, last_used: now });
    }

    /// Removes a conversation.
    pub fn remove(&mut self, conversation: u64) {
        self.entries.remove(&conversation);
    }

    /// Keeps the targets for which `keep` returns true (after a reload).
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.retain(|_, home| keep(&home.target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversation_keeps_target_until_removed_or_idle_for_a_day() {
        let (mut homes, start) = (AffinityMap::default(), Instant::now());
        homes.insert(1, "openrouter", start);
        homes.insert(2, "moonshot", start);
        homes.insert(1, "kimi", start);
        assert_eq!((homes.get(1, start), homes.get(2, start)), (Some(&"kimi"), Some(&"moonshot")));
        homes.remove(2);
        assert_eq!(homes.get(2, start), None);
        assert_eq!(homes.get(1, start + MAX_IDLE), None);
    }

    #[test]
    fn longest_idle_conversation_is_removed_at_the_limit() {
        let (mut homes, start) = (AffinityMap::default(), Instant::now());
        let second = Duration::from_secs(1);
        for conversation in 0..MAX_CONVERSATIONS as u64 {
            homes.insert(conversation, (), start + second);
        }
        homes.insert(7, (), start);
        homes.insert(u64::MAX, (), start + second);
        assert_eq!(homes.entries.len(), MAX_CONVERSATIONS);
        assert_eq!((homes.get(7, start), homes.get(u64::MAX, start)), (None, Some(&())));
    }

    #[test]
    fn reload_keeps_existing_targets() {
        let (mut homes, start) = (AffinityMap::default(), Instant::now());
        homes.insert(1, "openrouter", start);
        homes.insert(2, "moonshot", start);
        homes.retain(|at| *at == "moonshot");
        assert_eq!((homes.get(1, start), homes.get(2, start)), (None, Some(&"moonshot")));
    }
}
