//! What was found lately, in memory: the same question within a quarter of an hour costs nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::found::Found;

/// So long an answer is given again; `OpenClaw`'s figure.
const GOOD_FOR: Duration = Duration::from_mins(15);
/// The oldest goes when there are more.
const MOST: usize = 100;
/// A longer answer, in bytes, is not kept: a hundred of them stay within a few megabytes.
const LARGEST: usize = 64 * 1024;

/// What decides whether an answer is to the same question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) query: String,
    pub(super) base_url: String,
    /// As configured; another one may have answered.
    pub(super) model: String,
}

/// Answers that rest on the web, and nothing else. The clock is given by whoever asks.
#[derive(Default)]
pub struct Cache(Mutex<VecDeque<(Question, Instant, Found)>>);

impl Cache {
    fn entries(&self) -> MutexGuard<'_, VecDeque<(Question, Instant, Found)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found for this question, if that is not too long ago. It costs nothing this time.
    pub(super) fn get(&self, question: &Question, now: Instant) -> Option<Found> {
        let mut entries = self.entries();
        entries.retain(|(_, at, _)| now.saturating_duration_since(*at) < GOOD_FOR);
        let (_, _, found) = entries.iter().find(|(known, _, _)| known == question)?;
        Some(Found { cached: true, spent: found.spent.nothing(), ..found.clone() })
    }

    /// Keeps it.
    pub(super) fn put(&self, question: Question, found: &Found, now: Instant) {
        let urls: usize = found.citations.iter().map(String::len).sum();
        if found.content.len() + urls > LARGEST {
            return;
        }
        let mut entries = self.entries();
        entries.retain(|(known, _, _)| *known != question);
        entries.push_back((question, now, found.clone()));
        if entries.len() > MOST {
            entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistant::search::Spent;

    fn question(query: &str) -> Question {
        Question { query: query.to_owned(), base_url: "b".to_owned(), model: "m".to_owned() }
    }

    fn found(query: &str, bytes: usize) -> Found {
        Found {
            query: query.to_owned(),
            reference: "moonshot/m".to_owned(),
            content: "x".repeat(bytes),
            citations: Vec::new(),
            took: Duration::ZERO,
            cached: false,
            spent: Spent { searches: 1, ..Spent::default() },
        }
    }

    #[test]
    fn an_answer_is_good_for_a_quarter_of_an_hour() {
        let (cache, now) = (Cache::default(), Instant::now());
        cache.put(question("q"), &found("q", 1), now);
        let again = cache.get(&question("q"), now + GOOD_FOR - Duration::from_millis(1)).unwrap();
        assert!(again.cached && again.spent.searches == 0, "it costs nothing");
        assert!(cache.get(&Question { model: "n".to_owned(), ..question("q") }, now).is_none());
        assert!(cache.get(&Question { base_url: "c".to_owned(), ..question("q") }, now).is_none());
        assert!(cache.get(&question("q"), now + GOOD_FOR).is_none());
        assert!(cache.get(&question("q"), now).is_none(), "it is gone");
    }

    #[test]
    fn a_hundred_are_kept_and_none_that_is_large() {
        let (cache, now) = (Cache::default(), Instant::now());
        cache.put(question("large"), &found("large", LARGEST + 1), now);
        assert!(cache.get(&question("large"), now).is_none());
        for count in 0..=MOST {
            cache.put(question(&count.to_string()), &found("", 1), now);
        }
        // Again, so that it is the youngest.
        cache.put(question("1"), &found("", 2), now);
        cache.put(question("new"), &found("", 1), now);
        let known = |query: &str| cache.get(&question(query), now).map(|found| found.content.len());
        assert_eq!([known("0"), known("1"), known("2"), known("3")], [None, Some(2), None, Some(1)]);
    }
}
