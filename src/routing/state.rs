//! Owns the state that is shared between requests: cooldowns and active requests.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::active_requests::ActiveRequests;
use super::affinity::Conversation;
use super::plan::{PlannedTarget, RouteCache, Target};
use super::shutdown::{ShutdownPhase, ShutdownSignal, ShutdownWatch};
use crate::config::settings::{Auth, FailoverSettings, Header, Reference, Settings};
use crate::failure::{CooldownScope, Failure};
use crate::policy::affinity::AffinityMap;
use crate::policy::cooldown::{Admission, Cooldown, CooldownDurations, Cooldowns};
use crate::protocol::api::Api;
use crate::protocol::memory_budget::MemoryBudget;

/// What a cooldown applies to. Keys are identified by a fingerprint that is valid for the life of the process,
/// so that a reload that keeps a key keeps its cooldown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum CooldownKey {
    Key {
        provider: String,
        key: u64,
    },
    Target {
        provider: String,
        key: u64,
        model: String,
    },
    /// A client that the provider rejects. Kimi Code applies this check to its OpenAI APIs only, so this
    /// cooldown applies to one API. Balance, rates, capacity and the network are the same for every API.
    Client {
        provider: String,
        key: u64,
        model: String,
        api: Api,
        user_agent: u64,
    },
}

/// The runtime's clock, which a test can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn are_headers_equal(old: &[Header], new: &[Header]) -> bool {
    let pair = |header: &Header| (header.name.clone(), header.value.expose().to_owned());
    old.iter().map(pair).eq(new.iter().map(pair))
}

/// State shared by all requests.
pub struct State {
    cooldowns: Mutex<Cooldowns<CooldownKey>>,
    affinity_map: Mutex<AffinityMap<CooldownKey>>,
    route_cache: RouteCache,
    fingerprints: RandomState,
    active_requests: ActiveRequests,
    memory_budget: Arc<MemoryBudget>,
    started: Instant,
    changes: watch::Sender<u64>,
    shutdown: ShutdownSignal,
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Creates state without cooldowns.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cooldowns: Mutex::default(),
            affinity_map: Mutex::default(),
            route_cache: RouteCache::default(),
            fingerprints: RandomState::new(),
            active_requests: ActiveRequests::new(),
            memory_budget: Arc::default(),
            started: now(),
            changes: watch::Sender::new(0),
            shutdown: ShutdownSignal::new(),
        }
    }

    /// Advances the shutdown to this stage.
    pub fn advance_shutdown(&self, stage: ShutdownPhase) {
        self.shutdown.advance(stage);
    }

    /// A watch of the shutdown.
    #[must_use]
    pub fn watch_shutdown(&self) -> ShutdownWatch {
        self.shutdown.subscribe()
    }

    /// The number of requests without a complete response.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.active_requests.count()
    }

    /// The active requests.
    #[must_use]
    pub const fn active_requests(&self) -> &ActiveRequests {
        &self.active_requests
    }

    /// The cache of resolved model names.
    pub(super) const fn route_cache(&self) -> &RouteCache {
        &self.route_cache
    }

    /// The memory that bodies hold now.
    pub(super) const fn memory_budget(&self) -> &Arc<MemoryBudget> {
        &self.memory_budget
    }

    /// When the process began to serve.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// After a reload: keeps cooldowns and session affinity where provider, key and model are unchanged and are
    /// called in the same manner.
    pub(super) fn retain_unchanged(&self, before: &Settings, after: &Settings) {
        let same = |id: &str, key: u64, model: Option<&str>| {
            let (Some(old), Some(new)) = (before.providers.get(id), after.providers.get(id)) else {
                return false;
            };
            let keys = new.keys.iter().map(|key| self.fingerprints.hash_one(key.secret.expose()));
            let model = model.is_none_or(|id| match (old.find_model(id), new.find_model(id)) {
                (Some(old), Some(new)) => are_headers_equal(&old.headers, &new.headers),
                _ => false,
            });
            old.apis == new.apis
                && old.auth == new.auth
                && are_headers_equal(&old.headers, &new.headers)
                && (new.auth == Auth::None || keys.into_iter().any(|known| known == key))
                && model
        };
        let keep = |thing: &CooldownKey| match thing {
            CooldownKey::Key { provider, key } => same(provider, *key, None),
            CooldownKey::Target { provider, key, model }
            | CooldownKey::Client { provider, key, model, .. } => same(provider, *key, Some(model)),
        };
        self.route_cache.clear();
        self.cooldowns().retain(keep);
        self.affinity_map().retain(keep);
        self.notify();
    }

    /// Wakes the watchers of [`State::changes`].
    pub(super) fn notify(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes when a cooldown began, ended early, or may have, and after a reload.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn cooldowns(&self) -> MutexGuard<'_, Cooldowns<CooldownKey>> {
        self.cooldowns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn affinity_map(&self) -> MutexGuard<'_, AffinityMap<CooldownKey>> {
        self.affinity_map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the target of a conversation's session affinity to the front, unless it cannot be tried now.
    /// `None`: no target is called.
    pub(super) fn apply_affinity(
        &self,
        conversation: &Conversation<'_>,
        targets: &mut [PlannedTarget],
    ) -> Option<SessionAffinity> {
        let conversation = self.fingerprints.hash_one(conversation);
        let primary = self.target_cooldown_key(&targets.first()?.target);
        let usable = |planned: &PlannedTarget| planned.skip_reason.is_none();
        let homes = self.affinity_map();
        if let Some(home) = homes.get(conversation, now())
            && let Some(place) = targets
                .iter()
                .position(|planned| usable(planned) && self.target_cooldown_key(&planned.target) == *home)
            && let Some(before) = targets.get_mut(..=place)
        {
            before.rotate_right(1);
        }
        Some(SessionAffinity { conversation, primary })
    }

    /// A conversation was answered by this target. With the primary it needs no mark.
    pub(super) fn record_affinity(&self, stay: &SessionAffinity, target: &Target) {
        let thing = self.target_cooldown_key(target);
        if thing == stay.primary {
            self.affinity_map().remove(stay.conversation);
        } else {
            self.affinity_map().insert(stay.conversation, thing, now());
        }
    }

    fn key_fingerprint(&self, target: &Target) -> u64 {
        target.key().map_or(0, |key| self.fingerprints.hash_one(key.secret.expose()))
    }

    fn target_cooldown_key(&self, target: &Target) -> CooldownKey {
        let Reference { provider, model } = target.reference.clone();
        CooldownKey::Target { provider, key: self.key_fingerprint(target), model }
    }

    fn cooldown_keys(&self, target: &Target, user_agent: Option<&str>) -> [CooldownKey; 3] {
        // A head may have 64 KiB of it.
        self.cooldown_keys_for(target, self.fingerprints.hash_one(user_agent))
    }

    /// From the widest to the narrowest; the User-Agent by its fingerprint.
    fn cooldown_keys_for(&self, target: &Target, user_agent: u64) -> [CooldownKey; 3] {
        let Reference { provider, model } = target.reference.clone();
        let key = self.key_fingerprint(target);
        [
            CooldownKey::Key { provider: provider.clone(), key },
            CooldownKey::Target { provider: provider.clone(), key, model: model.clone() },
            CooldownKey::Client { provider, key, model, api: target.api, user_agent },
        ]
    }

    /// The cooldown that keeps a target from being tried, if any.
    #[must_use]
    pub fn find_cooldown(&self, target: &Target, user_agent: Option<&str>) -> Option<Cooldown> {
        let now = now();
        let rests = self.cooldowns();
        if rests.is_empty() {
            return None;
        }
        let things = self.cooldown_keys(target, user_agent);
        things.iter().filter_map(|thing| rests.get_active(thing, now)).max_by_key(|rest| rest.until)
    }

    /// The longest cooldown of a provider's keys and models, for any client.
    #[must_use]
    pub fn find_provider_cooldown(&self, id: &str) -> Option<Cooldown> {
        let of = |thing: &CooldownKey| match thing {
            CooldownKey::Key { provider, .. } | CooldownKey::Target { provider, .. } => provider == id,
            CooldownKey::Client { .. } => false,
        };
        let rests = self.cooldowns();
        rests
            .iter_active(now())
            .filter(|(thing, _)| of(thing))
            .map(|(_, rest)| rest)
            .max_by_key(|rest| rest.until)
    }

    /// Requests permission to try a target. `anyway` permits it during a cooldown.
    pub(super) fn admit(
        self: &Arc<Self>,
        target: &Target,
        user_agent: Option<&str>,
        anyway: bool,
    ) -> Result<AdmissionGuard, Cooldown> {
        let now = now();
        let pass = |probes| AdmissionGuard {
            state: self.clone(),
            target: target.clone(),
            user_agent: self.fingerprints.hash_one(user_agent),
            probes,
            admitted_at: now,
        };
        let mut rests = self.cooldowns();
        if rests.is_empty() {
            return Ok(pass(Vec::new()));
        }
        let things = self.cooldown_keys(target, user_agent);
        let resting =
            things.iter().filter_map(|thing| rests.get_active(thing, now)).max_by_key(|rest| rest.until);
        if let Some(rest) = resting.filter(|_| !anyway) {
            return Err(rest);
        }
        let probes =
            things.iter().filter(|thing| rests.admit(thing, now) == Admission::Probe).cloned().collect();
        drop(rests);
        Ok(pass(probes))
    }
}

/// A conversation that stays with the target that answers it.
pub(super) struct SessionAffinity {
    /// A fingerprint.
    conversation: u64,
    /// The target that would answer without affinity.
    primary: CooldownKey,
}

/// Permission to try a target; the result updates the cooldowns. If dropped without a result, it lets the next
/// request probe.
pub(super) struct AdmissionGuard {
    state: Arc<State>,
    target: Target,
    /// The client's, by its fingerprint.
    user_agent: u64,
    probes: Vec<CooldownKey>,
    admitted_at: Instant,
}

impl AdmissionGuard {
    /// The target has begun to answer.
    pub(super) fn record_answer_start(&mut self) {
        self.update_cooldowns(|rests, thing, admitted| rests.record_answer_start(thing, admitted));
    }

    /// The answer is complete.
    pub(super) fn record_success(&mut self) {
        self.update_cooldowns(|rests, thing, admitted| rests.record_success(thing, admitted));
    }

    fn update_cooldowns(&mut self, note: impl Fn(&mut Cooldowns<CooldownKey>, &CooldownKey, Instant)) {
        self.probes.clear();
        let mut rests = self.state.cooldowns();
        if rests.is_empty() {
            return;
        }
        for thing in &self.state.cooldown_keys_for(&self.target, self.user_agent) {
            note(&mut rests, thing, self.admitted_at);
        }
        drop(rests);
        self.state.notify();
    }

    /// The target failed.
    pub(super) fn record_failure(&mut self, failure: &Failure, failover: &FailoverSettings) {
        if failure.is_gateway_limit {
            return;
        }
        let [key, target, client] = &self.state.cooldown_keys_for(&self.target, self.user_agent);
        let thing = match failure.reason.cooldown_scope() {
            CooldownScope::Key => key,
            CooldownScope::Target => target,
            CooldownScope::ClientOnTarget => client,
            CooldownScope::None => return self.clear_probes(),
        };
        self.probes.retain(|probe| probe != thing);
        let steps =
            CooldownDurations { steps: failover.cooldown_steps.clone(), billing: failover.billing_cooldown };
        // A shorter wait was for the next try of the same request.
        let asked = failure.retry_after.filter(|asked| *asked > failover.max_backoff);
        self.state.cooldowns().record_failure(thing.clone(), failure.reason, asked, &steps, now());
        self.state.notify();
    }

    /// A rejection that causes no cooldown shows that the probed target is available again.
    fn clear_probes(&mut self) {
        let mut rests = self.state.cooldowns();
        for thing in self.probes.drain(..) {
            rests.record_success(&thing, self.admitted_at);
        }
        self.state.notify();
    }
}

impl Drop for AdmissionGuard {
    fn drop(&mut self) {
        if !self.probes.is_empty() {
            let mut rests = self.state.cooldowns();
            for thing in &self.probes {
                rests.release_probe(thing);
            }
            self.state.notify();
        }
    }
}
