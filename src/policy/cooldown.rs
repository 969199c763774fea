//! What rests, until when, and who may look whether it has recovered.
//!
//! A thing that failed rests; at the end of its rest one request, the probe, is let through. When the probe succeeds
//! the thing is as new, so the primary is back with the next request; when it fails the rest is longer.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::failure::Reason;

/// No rest that a provider asks for is longer: nobody shall be stuck on a fallback for a wrong header.
pub const MAX_COOLDOWN: Duration = Duration::from_hours(1);
/// A usage window may really be a week.
const MAX_QUOTA_COOLDOWN: Duration = Duration::from_hours(7 * 24);

/// The lengths of rests.
#[derive(Clone, Debug)]
pub struct CooldownDurations {
    /// After the first, second, … failure in a row; the last one repeats.
    pub steps: Vec<Duration>,
    /// For a key without money or validity.
    pub billing: Duration,
}

impl CooldownDurations {
    /// How long a thing rests that failed `failures` times in a row (1 or more).
    #[must_use]
    pub fn duration_for(&self, reason: Reason, failures: u32, asked: Option<Duration>) -> Duration {
        let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.steps.last().copied().unwrap_or_default();
        let step = match reason {
            Reason::Billing | Reason::Auth => self.billing,
            Reason::Quota => last,
            _ => self.steps.get(index).copied().unwrap_or(last),
        };
        let longest = if reason == Reason::Quota { MAX_QUOTA_COOLDOWN } else { MAX_COOLDOWN };
        asked.map_or(step, |asked| asked.min(longest))
    }
}

/// One thing's rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Its end.
    pub until: Instant,
    /// The last failure's type.
    pub reason: Reason,
    /// Failures in a row.
    pub failures: u32,
    /// When it failed.
    failed_at: Instant,
    phase: CooldownPhase,
}

/// How far a thing is on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CooldownPhase {
    /// It rests, or may be probed when the rest is over.
    Waiting,
    /// One caller looks.
    Probing,
    /// It answers again; until an answer is complete its failures are remembered.
    Recovering,
}

impl Cooldown {
    fn is_active(&self, now: Instant) -> bool {
        match self.phase {
            CooldownPhase::Waiting => self.until > now,
            CooldownPhase::Probing => true,
            CooldownPhase::Recovering => false,
        }
    }
}

/// Whether a thing may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is well.
    Allowed,
    /// Its rest is over: this caller looks whether it has recovered, and must report what came of it.
    Probe,
    /// It rests, or somebody else is looking.
    InCooldown(Cooldown),
}

/// All rests.
#[derive(Debug)]
pub struct Cooldowns<K> {
    entries: HashMap<K, Cooldown>,
}

impl<K> Default for Cooldowns<K> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<K: Eq + Hash + Clone> Cooldowns<K> {
    /// Looks without taking part.
    #[must_use]
    pub fn get_active(&self, key: &K, now: Instant) -> Option<Cooldown> {
        self.entries.get(key).copied().filter(|rest| rest.is_active(now))
    }

    /// Whether nothing rests, and nothing is on its way back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every rest that is running.
    pub fn iter_active(&self, now: Instant) -> impl Iterator<Item = (&K, Cooldown)> {
        self.entries.iter().filter(move |(_, rest)| rest.is_active(now)).map(|(key, rest)| (key, *rest))
    }

    /// Asks to use the thing.
    pub fn admit(&mut self, key: &K, now: Instant) -> Admission {
        let Some(rest) = self.entries.get_mut(key) else {
            return Admission::Allowed;
        };
        if rest.is_active(now) {
            return Admission::InCooldown(*rest);
        }
        if rest.phase == CooldownPhase::Recovering {
            return Admission::Allowed;
        }
        rest.phase = CooldownPhase::Probing;
        Admission::Probe
    }

    /// The thing failed. Failures that were under way together count once: a rest that is running is only prolonged.
    pub fn record_failure(
        &mut self,
        key: K,
        reason: Reason,
        asked: Option<Duration>,
        steps: &CooldownDurations,
        now: Instant,
    ) {
        let before = self.entries.get(&key).copied();
        let failures = match before {
            Some(rest) if rest.until > now && rest.phase == CooldownPhase::Waiting => rest.failures,
            Some(rest) => rest.failures.saturating_add(1),
            None => 1,
        };
        let until = now + steps.duration_for(reason, failures, asked);
        let until = before.map_or(until, |rest| rest.until.max(until));
        self.entries
            .insert(key, Cooldown { until, reason, failures, failed_at: now, phase: CooldownPhase::Waiting });
    }

    /// The thing began to answer a request that was admitted at `admitted`: others may use it again. What failed after
    /// that moment stays at rest, because an older request says nothing of it.
    pub fn record_answer_start(&mut self, key: &K, admitted: Instant) {
        if let Some(rest) = self.entries.get_mut(key).filter(|rest| rest.failed_at <= admitted) {
            rest.phase = CooldownPhase::Recovering;
        }
    }

    /// The answer to a request that was admitted at `admitted` is complete: the thing is as new.
    pub fn record_success(&mut self, key: &K, admitted: Instant) {
        if self.entries.get(key).is_some_and(|rest| rest.failed_at <= admitted) {
            self.entries.remove(key);
        }
    }

    /// A probe ended without a verdict (the client went away): the next request may look.
    pub fn release_probe(&mut self, key: &K) {
        if let Some(rest) = self.entries.get_mut(key).filter(|rest| rest.phase == CooldownPhase::Probing) {
            rest.phase = CooldownPhase::Waiting;
        }
    }

    /// Drops what no longer matters and keeps what `keep` says (after a reload).
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.entries.retain(|key, _| keep(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> CooldownDurations {
        CooldownDurations {
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
        rests.record_failure("kimi", Reason::RateLimit, None, &steps(), start);
        assert!(matches!(rests.admit(&"kimi", start + seconds(29)), Admission::InCooldown(_)));
        assert_eq!(rests.admit(&"kimi", start + seconds(30)), Admission::Probe);
        assert!(matches!(rests.admit(&"kimi", start + seconds(30)), Admission::InCooldown(_)));
        rests.record_success(&"kimi", start + seconds(30));
        assert_eq!(rests.admit(&"kimi", start + seconds(30)), Admission::Allowed);
    }

    #[test]
    fn is_open_while_it_answers_and_remembers_its_failures_until_the_answer_is_complete() {
        let (mut rests, start) = (Cooldowns::default(), Instant::now());
        rests.record_failure("kimi", Reason::Server, None, &steps(), start);
        let probe = start + seconds(30);
        assert_eq!(rests.admit(&"kimi", probe), Admission::Probe);
        rests.record_answer_start(&"kimi", probe);
        assert_eq!(rests.admit(&"kimi", probe + seconds(1)), Admission::Allowed);
        rests.record_failure("kimi", Reason::Truncated, None, &steps(), probe + seconds(2));
        let rest = rests.get_active(&"kimi", probe + seconds(2)).unwrap();
        assert_eq!((rest.failures, rest.until - probe), (2, seconds(62)));
    }

    #[test]
    fn an_older_request_that_succeeds_ends_no_newer_rest() {
        let (mut rests, start) = (Cooldowns::default(), Instant::now());
        rests.record_failure("kimi", Reason::Billing, None, &steps(), start + seconds(1));
        rests.record_answer_start(&"kimi", start);
        rests.record_success(&"kimi", start);
        assert!(rests.get_active(&"kimi", start + seconds(2)).is_some());
    }

    #[test]
    fn rests_longer_after_each_failed_probe() {
        let (mut rests, mut now) = (Cooldowns::default(), Instant::now());
        for expected in [30, 60, 300, 300] {
            rests.record_failure("kimi", Reason::Server, None, &steps(), now);
            let rest = rests.get_active(&"kimi", now).unwrap();
            assert_eq!(rest.until - now, seconds(expected));
            now = rest.until;
            assert_eq!(rests.admit(&"kimi", now), Admission::Probe);
        }
    }

    #[test]
    fn counts_failures_that_were_under_way_together_once() {
        let (mut rests, now) = (Cooldowns::default(), Instant::now());
        for _ in 0..5 {
            rests.record_failure("kimi", Reason::Server, None, &steps(), now);
        }
        assert_eq!(rests.get_active(&"kimi", now).unwrap().until - now, seconds(30));
    }

    #[test]
    fn an_abandoned_probe_lets_the_next_one_look() {
        let (mut rests, start) = (Cooldowns::default(), Instant::now());
        rests.record_failure("kimi", Reason::Network, None, &steps(), start);
        let later = start + seconds(31);
        assert_eq!(rests.admit(&"kimi", later), Admission::Probe);
        rests.release_probe(&"kimi");
        assert_eq!(rests.admit(&"kimi", later), Admission::Probe);
    }

    #[test]
    fn takes_the_wait_that_is_asked_for_up_to_an_hour() {
        assert_eq!(steps().duration_for(Reason::RateLimit, 1, Some(seconds(5))), seconds(5));
        assert_eq!(steps().duration_for(Reason::RateLimit, 1, Some(seconds(86_400))), MAX_COOLDOWN);
        assert_eq!(steps().duration_for(Reason::Quota, 1, Some(seconds(86_400))), seconds(86_400));
        assert_eq!(steps().duration_for(Reason::Billing, 1, None), seconds(600));
    }
}
