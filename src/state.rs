//! Owns what the gateway remembers between requests, in memory: cooldowns, session affinity, active requests,
//! the memory of buffered bodies, and the stage of the shutdown.
//!
//! It must not know plans, providers or streams: a [`TargetIdentity`] names a target.

mod affinity;
pub mod cooldown;
mod lifecycle;
mod sealed_turns;

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use self::affinity::AffinityMap;
use self::cooldown::{Admission, Cooldown, CooldownDurations, Cooldowns};
use self::sealed_turns::SealedTurns;
use crate::config::settings::{Auth, FailoverSettings, Header, Reference, Settings};
use crate::failure::{CooldownScope, Failure};
use crate::protocol::api::Api;
use crate::protocol::memory_budget::MemoryBudget;
use crate::protocol::model::seal::{SealOrigin, SealedTurn};

pub use lifecycle::{ActiveRequest, ActiveRequests, ShutdownPhase, ShutdownWatch};

/// What identifies a target.
#[derive(Clone, Copy)]
pub struct TargetIdentity<'t> {
    /// Provider and model.
    pub reference: &'t Reference,
    /// The key that is sent, if any.
    pub secret: Option<&'t str>,
    /// The API of the call.
    pub api: Api,
}

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
#[must_use]
pub fn now() -> Instant {
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
    /// The provider behind OpenRouter that answered each conversation last.
    last_providers: Mutex<AffinityMap<String>>,
    sealed_turns: Mutex<SealedTurns>,
    fingerprints: RandomState,
    active_requests: ActiveRequests,
    memory_budget: Arc<MemoryBudget>,
    started: Instant,
    changes: watch::Sender<u64>,
    shutdown: watch::Sender<ShutdownPhase>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            cooldowns: Mutex::default(),
            affinity_map: Mutex::default(),
            last_providers: Mutex::default(),
            sealed_turns: Mutex::default(),
            fingerprints: RandomState::new(),
            active_requests: ActiveRequests::default(),
            memory_budget: Arc::default(),
            started: now(),
            changes: watch::Sender::new(0),
            shutdown: watch::Sender::new(ShutdownPhase::Running),
        }
    }
}

impl State {
    /// Creates state without cooldowns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Advances the shutdown to this stage.
    pub fn advance_shutdown(&self, stage: ShutdownPhase) {
        self.shutdown.send_if_modified(|now| {
            let is_further = stage > *now;
            *now = stage.max(*now);
            is_further
        });
    }

    /// A watch of the shutdown.
    #[must_use]
    pub fn watch_shutdown(&self) -> ShutdownWatch {
        ShutdownWatch(self.shutdown.subscribe())
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

    /// The memory that bodies hold now.
    #[must_use]
    pub const fn memory_budget(&self) -> &Arc<MemoryBudget> {
        &self.memory_budget
    }

    /// When the process began to serve.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// After a reload: keeps cooldowns and session affinity where provider, key and model are unchanged and are
    /// called in the same manner.
    pub fn retain_unchanged(&self, before: &Settings, after: &Settings) {
        let is_same = |id: &str, key: u64, model: Option<&str>| {
            let (Some(old), Some(new)) = (before.providers.get(id), after.providers.get(id)) else {
                return false;
            };
            let mut keys = new.keys.iter().map(|key| self.fingerprints.hash_one(key.secret.expose()));
            let is_model_same = model.is_none_or(|id| match (old.find_model(id), new.find_model(id)) {
                (Some(old), Some(new)) => are_headers_equal(&old.headers, &new.headers),
                _ => false,
            });
            old.apis == new.apis
                && old.auth == new.auth
                && are_headers_equal(&old.headers, &new.headers)
                && (new.auth == Auth::None || keys.any(|known| known == key))
                && is_model_same
        };
        let keep = |key: &CooldownKey| match key {
            CooldownKey::Key { provider, key } => is_same(provider, *key, None),
            CooldownKey::Target { provider, key, model }
            | CooldownKey::Client { provider, key, model, .. } => is_same(provider, *key, Some(model)),
        };
        self.cooldowns().retain(keep);
        self.affinity_map().retain(keep);
        self.notify();
    }

    /// Wakes the watchers of [`State::changes`].
    pub fn notify(&self) {
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

    /// The affinity of a conversation that `primary` would answer first.
    pub fn session_affinity(&self, conversation: impl Hash, primary: TargetIdentity<'_>) -> SessionAffinity {
        let conversation = self.fingerprints.hash_one(conversation);
        SessionAffinity { conversation, primary: self.target_key(primary) }
    }

    /// The index of the target that the conversation stays with; `None` if that is the primary.
    pub fn find_affinity_target<'t>(
        &self,
        session: &SessionAffinity,
        mut targets: impl Iterator<Item = TargetIdentity<'t>>,
    ) -> Option<usize> {
        let map = self.affinity_map();
        let answered_by = map.get(session.conversation, now())?;
        targets.position(|target| self.target_key(target) == *answered_by)
    }

    /// Records that this target answered a conversation. The primary needs no entry.
    pub fn record_affinity(&self, session: &SessionAffinity, target: TargetIdentity<'_>) {
        let key = self.target_key(target);
        if key == session.primary {
            self.affinity_map().remove(session.conversation);
        } else {
            self.affinity_map().insert(session.conversation, key, now());
        }
    }

    /// The provider behind OpenRouter that answered this conversation last.
    pub fn find_last_provider(&self, conversation: impl Hash) -> Option<String> {
        self.last_providers().get(self.fingerprints.hash_one(conversation), now()).cloned()
    }

    /// Records the provider behind OpenRouter that answers this conversation.
    pub fn record_last_provider(&self, conversation: impl Hash, provider: &str) {
        let conversation = self.fingerprints.hash_one(conversation);
        self.last_providers().insert(conversation, provider.to_owned(), now());
    }

    /// Keeps a turn with sealed reasoning for this client's next request.
    pub fn store_sealed_turn(&self, client: Option<&str>, turn: SealedTurn) {
        let key = (client.map(str::to_owned), turn.call_ids.clone());
        self.sealed_turns().insert(key, turn, now());
    }

    /// This client's turn with these calls, if the target sealed its reasoning.
    pub fn find_sealed_turn(
        &self,
        client: Option<&str>,
        call_ids: &[&str],
        origin: &SealOrigin,
    ) -> Option<SealedTurn> {
        let ids = call_ids.iter().map(|id| (*id).to_owned()).collect();
        let turn = self.sealed_turns().get(&(client.map(str::to_owned), ids), now())?;
        turn.is_from(origin).then(|| SealedTurn::clone(&turn))
    }

    fn sealed_turns(&self) -> MutexGuard<'_, SealedTurns> {
        self.sealed_turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_providers(&self) -> MutexGuard<'_, AffinityMap<String>> {
        self.last_providers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key_fingerprint(&self, target: TargetIdentity<'_>) -> u64 {
        target.secret.map_or(0, |secret| self.fingerprints.hash_one(secret))
    }

    fn target_key(&self, target: TargetIdentity<'_>) -> CooldownKey {
        let Reference { provider, model } = target.reference.clone();
        CooldownKey::Target { provider, key: self.key_fingerprint(target), model }
    }

    /// From the widest to the narrowest.
    fn cooldown_keys(&self, target: TargetIdentity<'_>, user_agent: Option<&str>) -> [CooldownKey; 3] {
        let Reference { provider, model } = target.reference.clone();
        let key = self.key_fingerprint(target);
        // By its fingerprint: a request head may have 64 KiB of it.
        let user_agent = self.fingerprints.hash_one(user_agent);
        [
            CooldownKey::Key { provider: provider.clone(), key },
            CooldownKey::Target { provider: provider.clone(), key, model: model.clone() },
            CooldownKey::Client { provider, key, model, api: target.api, user_agent },
        ]
    }

    /// The cooldown that keeps a target from being tried, if any.
    #[must_use]
    pub fn find_cooldown(&self, target: TargetIdentity<'_>, user_agent: Option<&str>) -> Option<Cooldown> {
        let cooldowns = self.cooldowns();
        if cooldowns.is_empty() {
            return None;
        }
        longest_cooldown(&cooldowns, &self.cooldown_keys(target, user_agent), now())
    }

    /// The longest cooldown of a provider's keys and models, for any client.
    #[must_use]
    pub fn find_provider_cooldown(&self, id: &str) -> Option<Cooldown> {
        let is_its = |key: &CooldownKey| match key {
            CooldownKey::Key { provider, .. } | CooldownKey::Target { provider, .. } => provider == id,
            CooldownKey::Client { .. } => false,
        };
        let cooldowns = self.cooldowns();
        let active = cooldowns.iter_active(now()).filter(|(key, _)| is_its(key));
        active.map(|(_, cooldown)| cooldown).max_by_key(|cooldown| cooldown.until)
    }

    /// Requests permission to try a target. `anyway` permits it during a cooldown.
    ///
    /// # Errors
    /// With the longest cooldown that keeps the target from being tried.
    pub fn admit(
        self: &Arc<Self>,
        target: TargetIdentity<'_>,
        user_agent: Option<&str>,
        anyway: bool,
    ) -> Result<AdmissionGuard, Cooldown> {
        let now = now();
        let keys = self.cooldown_keys(target, user_agent);
        let mut cooldowns = self.cooldowns();
        if let Some(cooldown) = longest_cooldown(&cooldowns, &keys, now).filter(|_| !anyway) {
            return Err(cooldown);
        }
        let is_probe = |key: &&CooldownKey| cooldowns.admit(key, now) == Admission::Probe;
        let probes = keys.iter().filter(is_probe).cloned().collect();
        drop(cooldowns);
        Ok(AdmissionGuard { state: self.clone(), keys, probes, admitted_at: now })
    }
}

fn longest_cooldown(
    cooldowns: &Cooldowns<CooldownKey>,
    keys: &[CooldownKey],
    now: Instant,
) -> Option<Cooldown> {
    keys.iter().filter_map(|key| cooldowns.get_active(key, now)).max_by_key(|cooldown| cooldown.until)
}

/// A conversation that stays with the target that answers it.
pub struct SessionAffinity {
    /// A fingerprint.
    conversation: u64,
    /// The target that would answer without affinity.
    primary: CooldownKey,
}

/// Permission to try a target; the result updates the cooldowns. If dropped without a result, it lets the next
/// request probe.
pub struct AdmissionGuard {
    state: Arc<State>,
    /// From the widest to the narrowest.
    keys: [CooldownKey; 3],
    probes: Vec<CooldownKey>,
    admitted_at: Instant,
}

impl AdmissionGuard {
    /// The target has begun to answer.
    pub fn record_answer_start(&mut self) {
        self.update_cooldowns(|cooldowns, key, admitted| cooldowns.record_answer_start(key, admitted));
    }

    /// The answer is complete.
    pub fn record_success(&mut self) {
        self.update_cooldowns(|cooldowns, key, admitted| cooldowns.record_success(key, admitted));
    }

    fn update_cooldowns(&mut self, update: impl Fn(&mut Cooldowns<CooldownKey>, &CooldownKey, Instant)) {
        self.probes.clear();
        let mut cooldowns = self.state.cooldowns();
        if cooldowns.is_empty() {
            return;
        }
        for key in &self.keys {
            update(&mut cooldowns, key, self.admitted_at);
        }
        drop(cooldowns);
        self.state.notify();
    }

    /// The target failed.
    pub fn record_failure(&mut self, failure: &Failure, failover: &FailoverSettings) {
        if failure.is_gateway_limit {
            return;
        }
        let [key, target, client] = &self.keys;
        let affected = match failure.reason.cooldown_scope() {
            CooldownScope::Key => key,
            CooldownScope::Target => target,
            CooldownScope::ClientOnTarget => client,
            CooldownScope::None => return self.clear_probes(),
        };
        self.probes.retain(|probe| probe != affected);
        let durations =
            CooldownDurations { steps: failover.cooldown_steps.clone(), billing: failover.billing_cooldown };
        // A shorter wait was for the next attempt of the same request.
        let retry_after = failure.retry_after.filter(|wait| *wait > failover.max_backoff);
        self.state.cooldowns().record_failure(
            affected.clone(),
            failure.reason,
            retry_after,
            &durations,
            now(),
        );
        self.state.notify();
    }

    /// A rejection that causes no cooldown shows that the probed target is available again.
    fn clear_probes(&mut self) {
        let mut cooldowns = self.state.cooldowns();
        for key in self.probes.drain(..) {
            cooldowns.record_success(&key, self.admitted_at);
        }
        drop(cooldowns);
        self.state.notify();
    }
}

impl Drop for AdmissionGuard {
    fn drop(&mut self) {
        if !self.probes.is_empty() {
            let mut cooldowns = self.state.cooldowns();
            for key in &self.probes {
                cooldowns.release_probe(key);
            }
            drop(cooldowns);
            self.state.notify();
        }
    }
}
