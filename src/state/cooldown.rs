//! Owns cooldowns: what must not be tried, until when, and which request may probe it.
//!
//! At the end of a cooldown one request, the half-open probe, is allowed. When the probe succeeds, the cooldown
//! is removed, so the primary is used again from the next request. When it fails, the next cooldown is longer.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::failure::Reason;

/// The longest cooldown that a provider's header can set, so that a wrong header cannot keep clients on a
/// fallback.
pub const MAX_COOLDOWN: Duration = Duration::from_hours(1);
/// A usage window can really last a week.
const MAX_QUOTA_COOLDOWN: Duration = Duration::from_hours(7 * 24);

/// The lengths of cooldowns.
#[derive(Clone, Debug)]
pub struct CooldownDurations {
    /// After the first, second, … consecutive failure; the last one repeats.
    pub steps: Vec<Duration>,
    /// For a key without balance, or one that is invalid.
    pub billing: Duration,
}

impl CooldownDurations {
    /// The cooldown after `failures` consecutive failures (1 or more).
    #[must_use]
    pub fn duration_for(&self, reason: Reason, failures: u32, retry_after: Option<Duration>) -> Duration {
        let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.steps.last().copied().unwrap_or_default();
        let step = match reason {
            Reason::Billing | Reason::Auth => self.billing,
            Reason::Quota => last,
            _ => self.steps.get(index).copied().unwrap_or(last),
        };
        let longest = if reason == Reason::Quota { MAX_QUOTA_COOLDOWN } else { MAX_COOLDOWN };
        retry_after.map_or(step, |wait| wait.min(longest))
    }
}

/// One cooldown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// The time at which it ends.
    pub until: Instant,
    /// The reason of the last failure.
    pub reason: Reason,
    /// Consecutive failures.
    pub failures: u32,
    /// The time of the last failure.
    failed_at: Instant,
    phase: CooldownPhase,
}

/// The state of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CooldownPhase {
    /// In cooldown, or ready for a probe after its end.
    Waiting,
    /// One request probes it.
    Probing,
    /// It responds again; failures are remembered until a response is complete.
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

/// Whether a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has no cooldown.
    Allowed,
    /// Its cooldown is over: this caller probes it, and must report the result.
    Probe,
    /// It is in cooldown, or another request probes it.
    InCooldown(Cooldown),
}

/// All cooldowns.
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
    /// Reads the state without starting a probe.
    #[must_use]
    pub fn get_active(&self, key: &K, now: Instant) -> Option<Cooldown> {
        self.entries.get(key).copied().filter(|cooldown| cooldown.is_active(now))
    }

    /// Whether there is no cooldown and no recovery in progress.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every running cooldown.
    pub fn iter_active(&self, now: Instant) -> impl Iterator<Item = (&K, Cooldown)> {
        self.entries
            .iter()
            .filter(move |(_, cooldown)| cooldown.is_active(now))
            .map(|(key, cooldown)| (key, *cooldown))
    }

    /// Requests admission.
    pub fn admit(&mut self, key: &K, now: Instant) -> Admission {
        let Some(cooldown) = self.entries.get_mut(key) else {
            return Admission::Allowed;
        };
        if cooldown.is_active(now) {
            return Admission::InCooldown(*cooldown);
        }
        if cooldown.phase == CooldownPhase::Recovering {
            return Admission::Allowed;
        }
        cooldown.phase = CooldownPhase::Probing;
        Admission::Probe
    }

    /// Records a failure. Concurrent failures count once: a running cooldown is only extended.
    pub fn record_failure(
        &mut self,
        key: K,
        reason: Reason,
        retry_after: Option<Duration>,
        steps: &CooldownDurations,
        now: Instant,
    ) {
        let before = self.entries.get(&key).copied();
        let failures = match before {
            Some(cooldown) if cooldown.until > now && cooldown.phase == CooldownPhase::Waiting => {
                cooldown.failures
            }
            Some(cooldown) => cooldown.failures.saturating_add(1),
            None => 1,
        };
        let until = now + steps.duration_for(reason, failures, retry_after);
        let until = before.map_or(until, |cooldown| cooldown.until.max(until));
        self.entries
            .insert(key, Cooldown { until, reason, failures, failed_at: now, phase: CooldownPhase::Waiting });
    }

    /// Records that a request that was admitted at `admitted` got the beginning of a response: other requests
    /// are admitted again. A failure after `admitted` keeps its cooldown, because an older request proves
    /// nothing about it.
    pub fn record_answer_start(&mut self, key: &K, admitted: Instant) {
        if let Some(cooldown) = self.entries.get_mut(key).filter(|cooldown| cooldown.failed_at <= admitted) {
            cooldown.phase = CooldownPhase::Recovering;
        }
    }

    /// Records that the response to a request that was admitted at `admitted` is complete: its cooldown and
    /// failures are removed.
    pub fn record_success(&mut self, key: &K, admitted: Instant) {
        if self.entries.get(key).is_some_and(|cooldown| cooldown.failed_at <= admitted) {
            self.entries.remove(key);
        }
    }

    /// A probe ended without a result (the client disconnected): the next request may probe.
    pub fn release_probe(&mut self, key: &K) {
        if let Some(cooldown) =
            self.entries.get_mut(key).filter(|cooldown| cooldown.phase == CooldownPhase::Probing)
        {
            cooldown.phase = CooldownPhase::Waiting;
        }
    }

    /// Drops expired entries and those for which `keep` returns false (after a reload).
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
    fn expired_cooldown_admits_one_probe_and_success_removes_it() {
        let (mut cooldowns, start) = (Cooldowns::default(), Instant::now());
        cooldowns.record_failure("kimi", Reason::RateLimit, None, &steps(), start);
        assert!(matches!(cooldowns.admit(&"kimi", start + seconds(29)), Admission::InCooldown(_)));
        assert_eq!(cooldowns.admit(&"kimi", start + seconds(30)), Admission::Probe);
        assert!(matches!(cooldowns.admit(&"kimi", start + seconds(30)), Admission::InCooldown(_)));
        cooldowns.record_success(&"kimi", start + seconds(30));
        assert_eq!(cooldowns.admit(&"kimi", start + seconds(30)), Admission::Allowed);
    }

    #[test]
    fn failures_are_remembered_until_the_response_is_complete() {
        let (mut cooldowns, start) = (Cooldowns::default(), Instant::now());
        cooldowns.record_failure("kimi", Reason::Server, None, &steps(), start);
        let probe = start + seconds(30);
        assert_eq!(cooldowns.admit(&"kimi", probe), Admission::Probe);
        cooldowns.record_answer_start(&"kimi", probe);
        assert_eq!(cooldowns.admit(&"kimi", probe + seconds(1)), Admission::Allowed);
        cooldowns.record_failure("kimi", Reason::Truncated, None, &steps(), probe + seconds(2));
        let cooldown = cooldowns.get_active(&"kimi", probe + seconds(2)).unwrap();
        assert_eq!((cooldown.failures, cooldown.until - probe), (2, seconds(62)));
    }

    #[test]
    fn success_of_an_older_request_keeps_a_newer_cooldown() {
        let (mut cooldowns, start) = (Cooldowns::default(), Instant::now());
        cooldowns.record_failure("kimi", Reason::Billing, None, &steps(), start + seconds(1));
        cooldowns.record_answer_start(&"kimi", start);
        cooldowns.record_success(&"kimi", start);
        assert!(cooldowns.get_active(&"kimi", start + seconds(2)).is_some());
    }

    #[test]
    fn failed_probe_extends_the_cooldown() {
        let (mut cooldowns, mut now) = (Cooldowns::default(), Instant::now());
        for expected in [30, 60, 300, 300] {
            cooldowns.record_failure("kimi", Reason::Server, None, &steps(), now);
            let cooldown = cooldowns.get_active(&"kimi", now).unwrap();
            assert_eq!(cooldown.until - now, seconds(expected));
            now = cooldown.until;
            assert_eq!(cooldowns.admit(&"kimi", now), Admission::Probe);
        }
    }

    #[test]
    fn concurrent_failures_count_once() {
        let (mut cooldowns, now) = (Cooldowns::default(), Instant::now());
        for _ in 0..5 {
            cooldowns.record_failure("kimi", Reason::Server, None, &steps(), now);
        }
        assert_eq!(cooldowns.get_active(&"kimi", now).unwrap().until - now, seconds(30));
    }

    #[test]
    fn abandoned_probe_admits_the_next_one() {
        let (mut cooldowns, start) = (Cooldowns::default(), Instant::now());
        cooldowns.record_failure("kimi", Reason::Network, None, &steps(), start);
        let later = start + seconds(31);
        assert_eq!(cooldowns.admit(&"kimi", later), Admission::Probe);
        cooldowns.release_probe(&"kimi");
        assert_eq!(cooldowns.admit(&"kimi", later), Admission::Probe);
    }

    #[test]
    fn retry_after_is_used_up_to_an_hour() {
        assert_eq!(steps().duration_for(Reason::RateLimit, 1, Some(seconds(5))), seconds(5));
        assert_eq!(steps().duration_for(Reason::RateLimit, 1, Some(seconds(86_400))), MAX_COOLDOWN);
        assert_eq!(steps().duration_for(Reason::Quota, 1, Some(seconds(86_400))), seconds(86_400));
        assert_eq!(steps().duration_for(Reason::Billing, 1, None), seconds(600));
    }
}
