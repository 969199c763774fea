//! Which target a conversation stays with, for as many conversations as memory is worth.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A person's agents hold tens of conversations; each costs about 100 bytes here.
const MAX_CONVERSATIONS: usize = 4096;
/// No prompt cache is warm after a day of silence.
const MAX_IDLE: Duration = Duration::from_hours(24);

/// Conversations, by fingerprint, and where they are at home.
#[derive(Debug)]
pub struct AffinityMap<T> {
    entries: HashMap<u64, AffinityEntry<T>>,
}

#[derive(Debug)]
struct AffinityEntry<T> {
    target: T,
    /// The last answer.
    last_used: Instant,
}

impl<T> Default for AffinityMap<T> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<T> AffinityMap<T> {
    /// Where a conversation is at home.
    #[must_use]
    pub fn get(&self, conversation: u64, now: Instant) -> Option<&T> {
        let home = self.entries.get(&conversation)?;
        (now.saturating_duration_since(home.last_used) < MAX_IDLE).then_some(&home.target)
    }

    /// A conversation was answered there. The one that was silent for longest makes room where there is none.
    pub fn insert(&mut self, conversation: u64, at: T, now: Instant) {
        if self.entries.len() >= MAX_CONVERSATIONS && !self.entries.contains_key(&conversation) {
            let oldest =
                self.entries.iter().min_by_key(|(_, home)| home.last_used).map(|(oldest, _)| *oldest);
            oldest.map(|oldest| self.entries.remove(&oldest));
        }
        self.entries.insert(conversation, AffinityEntry { target: at, last_used: now });
    }

    /// A conversation is where it would be without us.
    pub fn remove(&mut self, conversation: u64) {
        self.entries.remove(&conversation);
    }

    /// Keeps the homes of which `keep` says so (after a reload).
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.retain(|_, home| keep(&home.target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_has_one_home_until_it_leaves_or_is_silent_for_a_day() {
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
    fn memory_is_bounded_and_the_one_that_was_silent_for_longest_goes() {
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
    fn a_reload_keeps_what_is_still_there() {
        let (mut homes, start) = (AffinityMap::default(), Instant::now());
        homes.insert(1, "openrouter", start);
        homes.insert(2, "moonshot", start);
        homes.retain(|at| *at == "moonshot");
        assert_eq!((homes.get(1, start), homes.get(2, start)), (None, Some(&"moonshot")));
    }
}
