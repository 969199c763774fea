//! What rests, until when, and who may look whether it has recovered.
//!
//! A thing that failed rests; at the end of its rest one request, the probe, is let through. When the probe succeeds
//! the thing is as new, so the primary is back with the next request; when it fails the rest is longer.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::failure::Reason;

/// No rest that a provider asks for is longer: nobody shall be stuck on a fallback for a wrong header.
pub const LONGEST: Duration = Duration::from_hours(1);
/// A usage window may really be a week.
const LONGEST_QUOTA: Duration = Duration::from_hours(7 * 24);

/// The lengths of rests.
#[derive(Clone, Debug)]
pub struct Steps {
    /// After the first, second, … failure in a row; the last one repeats.
    pub steps: Vec<Duration>,
    /// For a key without money or validity.
    pub billing: Duration,
}

impl Steps {
    /// How long a thing rests that failed `failures` times in a row (1 or more).
    #[must_use]
    pub fn rest(&self, reason: Reason, failures: u32, asked: Option<Duration>) -> Duration {
        let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.steps.last().copied().unwrap_or_default();
        let step = match reason {
            Reason::Billing | Reason::Auth => self.billing,
            Reason::Quota => last,
            _ => self.steps.get(index).copied().unwrap_or(last),
        };
        let longest = if reason == Reason::Quota { LONGEST_QUOTA } else { LONGEST };
        asked.map_or(step, |asked| asked.min(longest))
    }
}

/// One thing's rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Its end.
    pub until: Instant,
    /// The last failure's type.
    pub reason: Reason,
    /// Failures in a row.
    pub failures: u32,
    /// When it failed.
    since: Instant,
    stage: Stage,
}

/// How far a thing is on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It rests, or may be probed when the rest is over.
    Resting,
    /// One caller looks.
    Probing,
    /// It answers again; until an answer is complete its failures are remembered.
    Trial,
}

impl Rest {
    fn holds(&self, now: Instant) -> bool {
        match self.stage {
            Stage::Resting => self.until > now,
            Stage::Probing => true,
            Stage::Trial => false,
        }
    }
}

/// Whether a thing may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is well.
    Well,
    /// Its rest is over: this caller looks whether it has recovered, and must report what came of it.
    Probe,
    /// It rests, or somebody else is looking.
    Resting(Rest),
}

/// All rests.
#[derive(Debug)]
pub struct Cooldowns<K> {
    rests: HashMap<K, Rest>,
}

impl<K> Default for Cooldowns<K> {
    fn default() -> Self {
        Self { rests: HashMap::new() }
    }
}

impl<K: Eq + Hash + Clone> Cooldowns<K> {
    /// Looks without taking part.
    #[must_use]
    pub fn peek(&self, key: &K, now: Instant) -> Option<Rest> {
        self.rests.get(key).copied().filter(|rest| rest.holds(now))
    }

    /// Whether nothing rests, and nothing is on its way back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rests.is_empty()
    }

    /// Every rest that is running.
    pub fn running(&self, now: Instant) -> impl Iterator<Item = (&K, Rest)> {
        self.rests.iter().filter(move |(_, rest)| rest.holds(now)).map(|(key, rest)| (key, *rest))
    }

    /// Asks to use the thing.
    pub fn admit(&mut self, key: &K, now: Instant) -> Admission {
        let Some(rest) = self.rests.get_mut(key) else {
            return Admission::Well;
        };
        if rest.holds(now) {
            return Admission::Resting(*rest);
        }
        if rest.stage == Stage::Trial {
            return Admission::Well;
        }
        rest.stage = Stage::Probing;
        Admission::Probe
    }

    /// The thing failed. Failures that were under way together count once: a rest that is running is only prolonged.
    pub fn failed(&mut self, key: K, reason: Reason, asked: Option<Duration>, steps: &Steps, now: Instant) {
        let before = self.rests.get(&key).copied();
        let failures = match before {
            Some(rest) if rest.until > now && rest.stage == Stage::Resting => rest.failures,
            Some(rest) => rest.failures.saturating_add(1),
            None => 1,
        };
        let until = now + steps.rest(reason, failures, asked);
        let until = before.map_or(until, |rest| rest.until.max(until));
        self.rests.insert(key, Rest { until, reason, failures, since: now, stage: Stage::Resting });
    }

    /// The thing began to answer a request that was admitted at `admitted`: others may use it again. What failed after
    /// that moment stays at rest, because an older request says nothing of it.
    pub fn answers(&mut self, key: &K, admitted: Instant) {
        if let Some(rest) = self.rests.get_mut(key).filter(|rest| rest.since <= admitted) {
            rest.stage = Stage::Trial;
        }
    }

    /// The answer to a request that was admitted at `admitted` is complete: the thing is as new.
    pub fn succeeded(&mut self, key: &K, admitted: Instant) {
        if self.rests.get(key).is_some_and(|rest| rest.since <= admitted) {
            self.rests.remove(key);
        }
    }

    /// A probe ended without a verdict (the client went away): the next request may look.
    pub fn released(&mut self, key: &K) {
        if let Some(rest) = self.rests.get_mut(key).filter(|rest| rest.stage == Stage::Probing) {
            rest.stage = Stage::Resting;
        }
    }

    /// Drops what no longer matters and keeps what `keep` says (after a reload).
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.rests.retain(|key, _| keep(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Steps {
        Steps {
            steps: [30, 60, 300].into_iter().map(Duration::from_secs).collect(),
            billing: Duration::from_secs(600),
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn lets_one_probe_through_at_the_end_and_is_as_new_when_it_succeeds() {
        let (mut rests, start) = (Cooldowns::default(), Instant::now());
        rests.failed("kimi", Reason::RateLimit, None, &steps(), start);
        assert!(matches!(rests.admit(&"kimi", start + seconds(29)), Admission::Resting(_)));
        assert_eq!(rests.admit(&"kimi", start + seconds(30)), Admission::Probe);
        assert!(matches!(rests.admit(&"kimi", start + seconds(30)), Admission::Resting(_)));
        rests.succeeded(&"kimi", start + seconds(30));
        assert_eq!(rests.admit(&"kimi", start + seconds(30)), Admission::Well);
    }

    #[test]
    fn is_open_while_it_answers_and_remembers_its_failures_until_the_answer_is_complete() {
        let (mut rests, start) = (Cooldowns::default(), Instant::now());
        rests.failed("kimi", Reason::Server, None, &steps(), start);
        let probe = start + seconds(30);
        assert_eq!(rests.admit(&"kimi", probe), Admission::Probe);
        rests.answers(&"kimi", probe);
        assert_eq!(rests.admit(&"kimi", probe + seconds(1)), Admission::Well);
        rests.failed("kimi", Reason::Truncated, None, &steps(), probe + seconds(2));
        let rest = rests.peek(&"kimi", probe + seconds(2)).unwrap();
        assert_eq!((rest.failures, rest.until - probe), (2, seconds(62)));
    }

    #[test]
    fn an_older_request_that_succeeds_ends_no_newer_rest() {
        let (mut rests, start) = (Cooldowns::default(), Instant::now());
        rests.failed("kimi", Reason::Billing, None, &steps(), start + seconds(1));
        rests.answers(&"kimi", start);
        rests.succeeded(&"kimi", start);
        assert!(rests.peek(&"kimi", start + seconds(2)).is_some());
    }

    #[test]
    fn rests_longer_after_each_failed_probe() {
        let (mut rests, mut now) = (Cooldowns::default(), Instant::now());
        for expected in [30, 60, 300, 300] {
            rests.failed("kimi", Reason::Server, None, &steps(), now);
            let rest = rests.peek(&"kimi", now).unwrap();
            assert_eq!(rest.until - now, seconds(expected));
            now = rest.until;
            assert_eq!(rests.admit(&"kimi", now), Admission::Probe);
        }
    }

    #[test]
    fn counts_failures_that_were_under_way_together_once() {
        let (mut rests, now) = (Cooldowns::default(), Instant::now());
        for _ in 0..5 {
            rests.failed("kimi", Reason::Server, None, &steps(), now);
        }
        assert_eq!(rests.peek(&"kimi", now).unwrap().until - now, seconds(30));
    }

    #[test]
    fn an_abandoned_probe_lets_the_next_one_look() {
        let (mut rests, start) = (Cooldowns::default(), Instant::now());
        rests.failed("kimi", Reason::Network, None, &steps(), start);
        let later = start + seconds(31);
        assert_eq!(rests.admit(&"kimi", later), Admission::Probe);
        rests.released(&"kimi");
        assert_eq!(rests.admit(&"kimi", later), Admission::Probe);
    }

    #[test]
    fn takes_the_wait_that_is_asked_for_up_to_an_hour() {
        assert_eq!(steps().rest(Reason::RateLimit, 1, Some(seconds(5))), seconds(5));
        assert_eq!(steps().rest(Reason::RateLimit, 1, Some(seconds(86_400))), LONGEST);
        assert_eq!(steps().rest(Reason::Quota, 1, Some(seconds(86_400))), seconds(86_400));
        assert_eq!(steps().rest(Reason::Billing, 1, None), seconds(600));
    }
}
