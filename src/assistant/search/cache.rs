//! Recent answers in memory, so that the same question costs nothing for a while.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::result::SearchResult;

/// As in OpenClaw.
const MAX_AGE: Duration = Duration::from_mins(15);
const MAX_ENTRIES: usize = 100;
/// Longer answers are not cached, so that a hundred of them stay within a few megabytes.
const MAX_CONTENT_BYTES: usize = 64 * 1024;

/// Searches with equal keys have the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CacheKey {
    pub(super) query: String,
    pub(super) base_url: String,
    /// As configured; another model may have answered.
    pub(super) model: String,
}

/// Caches only answers that are based on the web. The oldest is removed if there are too many.
#[derive(Default)]
pub struct SearchCache(Mutex<VecDeque<(CacheKey, Instant, SearchResult)>>);

impl SearchCache {
    fn lock_entries(&self) -> MutexGuard<'_, VecDeque<(CacheKey, Instant, SearchResult)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cached answer, without usage.
    pub(super) fn get(&self, key: &CacheKey, now: Instant) -> Option<SearchResult> {
        let mut entries = self.lock_entries();
        entries.retain(|(_, at, _)| now.saturating_duration_since(*at) < MAX_AGE);
        let (_, _, found) = entries.iter().find(|(known, _, _)| known == key)?;
        Some(SearchResult { is_cached: true, usage: found.usage.zero(), ..found.clone() })
    }

    pub(super) fn insert(&self, key: CacheKey, found: &SearchResult, now: Instant) {
        let urls: usize = found.citations.iter().map(String::len).sum();
        if found.content.len() + urls > MAX_CONTENT_BYTES {
            return;
        }
        let mut entries = self.lock_entries();
        entries.retain(|(known, _, _)| *known != key);
        entries.push_back((key, now, found.clone()));
        if entries.len() > MAX_ENTRIES {
            entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assistant::search::SearchUsage;

    fn question(query: &str) -> CacheKey {
        CacheKey { query: query.to_owned(), base_url: "b".to_owned(), model: "m".to_owned() }
    }

    fn found(query: &str, bytes: usize) -> SearchResult {
        SearchResult {
            query: query.to_owned(),
            reference: "moonshot/m".to_owned(),
            content: "x".repeat(bytes),
            citations: Vec::new(),
            duration: Duration::ZERO,
            is_cached: false,
            usage: SearchUsage { searches: 1, ..SearchUsage::default() },
        }
    }

    #[test]
    fn cached_answer_expires_after_15_minutes() {
        let (cache, now) = (SearchCache::default(), Instant::now());
        cache.insert(question("q"), &found("q", 1), now);
        let again = cache.get(&question("q"), now + MAX_AGE - Duration::from_millis(1)).unwrap();
        assert!(again.is_cached && again.usage.searches == 0, "it costs nothing");
        assert!(cache.get(&CacheKey { model: "n".to_owned(), ..question("q") }, now).is_none());
        assert!(cache.get(&CacheKey { base_url: "c".to_owned(), ..question("q") }, now).is_none());
        assert!(cache.get(&question("q"), now + MAX_AGE).is_none());
        assert!(cache.get(&question("q"), now).is_none(), "it is gone");
    }

    #[test]
    fn cache_keeps_a_hundred_small_answers() {
        let (cache, now) = (SearchCache::default(), Instant::now());
        cache.insert(question("large"), &found("large", MAX_CONTENT_BYTES + 1), now);
        assert!(cache.get(&question("large"), now).is_none());
        for count in 0..=MAX_ENTRIES {
            cache.insert(question(&count.to_string()), &found("", 1), now);
        }
        // Again, so that it is the youngest.
        cache.insert(question("1"), &found("", 2), now);
        cache.insert(question("new"), &found("", 1), now);
        let known = |query: &str| cache.get(&question(query), now).map(|found| found.content.len());
        assert_eq!([known("0"), known("1"), known("2"), known("3")], [None, Some(2), None, Some(1)]);
    }
}
