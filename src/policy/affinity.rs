//! Which target a conversation stays with, for as many conversations as memory is worth.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A person's agents hold tens of conversations; each costs about 100 bytes here.
const MOST: usize = 4096;
/// No prompt cache is warm after a day of silence.
const LONGEST_SILENCE: Duration = Duration::from_hours(24);

/// Conversations, by fingerprint, and where they are at home.
#[derive(Debug)]
pub struct Homes<T> {
    homes: HashMap<u64, Home<T>>,
}

#[derive(Debug)]
struct Home<T> {
    at: T,
    /// The last answer.
    since: Instant,
}

impl<T> Default for Homes<T> {
    fn default() -> Self {
        Self { homes: HashMap::new() }
    }
}

impl<T> Homes<T> {
    /// Where a conversation is at home.
    #[must_use]
    pub fn of(&self, conversation: u64, now: Instant) -> Option<&T> {
        let home = self.homes.get(&conversation)?;
        (now.saturating_duration_since(home.since) < LONGEST_SILENCE).then_some(&home.at)
    }

    /// A conversation was answered there. The one that was silent for longest makes room where there is none.
    pub fn settle(&mut self, conversation: u64, at: T, now: Instant) {
        if self.homes.len() >= MOST && !self.homes.contains_key(&conversation) {
            let oldest = self.homes.iter().min_by_key(|(_, home)| home.since).map(|(oldest, _)| *oldest);
            oldest.map(|oldest| self.homes.remove(&oldest));
        }
        self.homes.insert(conversation, Home { at, since: now });
    }

    /// A conversation is where it would be without us.
    pub fn leave(&mut self, conversation: u64) {
        self.homes.remove(&conversation);
    }

    /// Keeps the homes of which `keep` says so (after a reload).
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.homes.retain(|_, home| keep(&home.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_has_one_home_until_it_leaves_or_is_silent_for_a_day() {
        let (mut homes, start) = (Homes::default(), Instant::now());
        homes.settle(1, "openrouter", start);
        homes.settle(2, "moonshot", start);
        homes.settle(1, "kimi", start);
        assert_eq!((homes.of(1, start), homes.of(2, start)), (Some(&"kimi"), Some(&"moonshot")));
        homes.leave(2);
        assert_eq!(homes.of(2, start), None);
        assert_eq!(homes.of(1, start + LONGEST_SILENCE), None);
    }

    #[test]
    fn memory_is_bounded_and_the_one_that_was_silent_for_longest_goes() {
        let (mut homes, start) = (Homes::default(), Instant::now());
        let second = Duration::from_secs(1);
        for conversation in 0..MOST as u64 {
            homes.settle(conversation, (), start + second);
        }
        homes.settle(7, (), start);
        homes.settle(u64::MAX, (), start + second);
        assert_eq!(homes.homes.len(), MOST);
        assert_eq!((homes.of(7, start), homes.of(u64::MAX, start)), (None, Some(&())));
    }

    #[test]
    fn a_reload_keeps_what_is_still_there() {
        let (mut homes, start) = (Homes::default(), Instant::now());
        homes.settle(1, "openrouter", start);
        homes.settle(2, "moonshot", start);
        homes.retain(|at| *at == "moonshot");
        assert_eq!((homes.of(1, start), homes.of(2, start)), (None, Some(&"moonshot")));
    }
}
