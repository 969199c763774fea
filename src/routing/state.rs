//! What the relay remembers between requests: rests and what is under way.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::affinity::Conversation;
use super::ending::{End, Ending, Stage};
use super::live::UnderWay;
use super::plan::{Leads, Planned, Target};
use crate::config::settings::{Auth, Failover, Header, Reference, Settings};
use crate::failure::{Failure, Rests};
use crate::policy::affinity::Homes;
use crate::policy::cooldown::{Admission, Cooldowns, Rest, Steps};
use crate::protocol::face::Face;
use crate::protocol::held::Held;

/// A thing that can rest. Keys are known by a fingerprint that lasts as long as the process, so that a reload which
/// keeps a key keeps its rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Thing {
    Key {
        provider: String,
        key: u64,
    },
    Target {
        provider: String,
        key: u64,
        model: String,
    },
    /// A client that the provider does not take. Kimi Code's gate stands before its OpenAI faces only, so this one thing
    /// is of one face; money, rates, capacity and the network are the same behind every face.
    Client {
        provider: String,
        key: u64,
        model: String,
        face: Face,
        user_agent: u64,
    },
}

/// The runtime's clock, which a test can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn same_headers(old: &[Header], new: &[Header]) -> bool {
    let pair = |header: &Header| (header.name.clone(), header.value.expose().to_owned());
    old.iter().map(pair).eq(new.iter().map(pair))
}

/// Shared by all requests.
pub struct State {
    rests: Mutex<Cooldowns<Thing>>,
    homes: Mutex<Homes<Thing>>,
    leads: Leads,
    fingerprints: RandomState,
    under_way: UnderWay,
    held: Arc<Held>,
    started: Instant,
    changes: watch::Sender<u64>,
    end: End,
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Nothing rests.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rests: Mutex::default(),
            homes: Mutex::default(),
            leads: Leads::default(),
            fingerprints: RandomState::new(),
            under_way: UnderWay::new(),
            held: Arc::default(),
            started: now(),
            changes: watch::Sender::new(0),
            end: End::new(),
        }
    }

    /// The end comes this near.
    pub fn advance(&self, stage: Stage) {
        self.end.advance(stage);
    }

    /// To watch the end come.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.end.watch()
    }

    /// Requests that have no complete answer yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.under_way.count()
    }

    /// Those requests themselves.
    #[must_use]
    pub const fn under_way(&self) -> &UnderWay {
        &self.under_way
    }

    /// Where names lead.
    pub(super) const fn leads(&self) -> &Leads {
        &self.leads
    }

    /// What bodies take now.
    pub(super) const fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// When the process began to serve.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// After a reload: rests and conversations stay where provider, key and model are the same and are called in the same way.
    pub(super) fn keep(&self, before: &Settings, after: &Settings) {
        let same = |id: &str, key: u64, model: Option<&str>| {
            let (Some(old), Some(new)) = (before.providers.get(id), after.providers.get(id)) else {
                return false;
            };
            let keys = new.keys.iter().map(|key| self.fingerprints.hash_one(key.secret.expose()));
            let model = model.is_none_or(|id| match (old.model(id), new.model(id)) {
                (Some(old), Some(new)) => same_headers(&old.headers, &new.headers),
                _ => false,
            });
            old.faces == new.faces
                && old.auth == new.auth
                && same_headers(&old.headers, &new.headers)
                && (new.auth == Auth::None || keys.into_iter().any(|known| known == key))
                && model
        };
        let keep = |thing: &Thing| match thing {
            Thing::Key { provider, key } => same(provider, *key, None),
            Thing::Target { provider, key, model } | Thing::Client { provider, key, model, .. } => {
                same(provider, *key, Some(model))
            }
        };
        self.leads.forget();
        self.rests().retain(keep);
        self.homes().retain(keep);
        self.told();
    }

    /// Wakes who looks at [`State::changes`].
    pub(super) fn told(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes when a rest began, ended before its time, or may have, and after a reload.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn rests(&self) -> MutexGuard<'_, Cooldowns<Thing>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn homes(&self) -> MutexGuard<'_, Homes<Thing>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the target that a conversation stays with first, unless it cannot be tried now. `None`: nobody is asked.
    pub(super) fn stay(&self, conversation: &Conversation<'_>, targets: &mut [Planned]) -> Option<Stay> {
        let conversation = self.fingerprints.hash_one(conversation);
        let primary = self.thing(&targets.first()?.target);
        let usable = |planned: &Planned| planned.skipped.is_none();
        let homes = self.homes();
        if let Some(home) = homes.of(conversation, now())
            && let Some(place) =
                targets.iter().position(|planned| usable(planned) && self.thing(&planned.target) == *home)
            && let Some(before) = targets.get_mut(..=place)
        {
            before.rotate_right(1);
        }
        Some(Stay { conversation, primary })
    }

    /// A conversation was answered by this target. With the primary it needs no mark.
    pub(super) fn settle(&self, stay: &Stay, target: &Target) {
        let thing = self.thing(target);
        if thing == stay.primary {
            self.homes().leave(stay.conversation);
        } else {
            self.homes().settle(stay.conversation, thing, now());
        }
    }

    fn key_of(&self, target: &Target) -> u64 {
        target.key().map_or(0, |key| self.fingerprints.hash_one(key.secret.expose()))
    }

    fn thing(&self, target: &Target) -> Thing {
        let Reference { provider, model } = target.reference.clone();
        Thing::Target { provider, key: self.key_of(target), model }
    }

    fn things(&self, target: &Target, user_agent: Option<&str>) -> [Thing; 3] {
        // A head may have 64 KiB of it.
        self.things_of(target, self.fingerprints.hash_one(user_agent))
    }

    /// From the widest to the narrowest; the User-Agent by its fingerprint.
    fn things_of(&self, target: &Target, user_agent: u64) -> [Thing; 3] {
        let Reference { provider, model } = target.reference.clone();
        let key = self.key_of(target);
        [
            Thing::Key { provider: provider.clone(), key },
            Thing::Target { provider: provider.clone(), key, model: model.clone() },
            Thing::Client { provider, key, model, face: target.face, user_agent },
        ]
    }

    /// The rest that keeps a target from being tried, if there is one.
    #[must_use]
    pub fn resting(&self, target: &Target, user_agent: Option<&str>) -> Option<Rest> {
        let now = now();
        let rests = self.rests();
        if rests.is_empty() {
            return None;
        }
        let things = self.things(target, user_agent);
        things.iter().filter_map(|thing| rests.peek(thing, now)).max_by_key(|rest| rest.until)
    }

    /// The longest rest of a provider's keys and models, whoever asks.
    #[must_use]
    pub fn rest_of_provider(&self, id: &str) -> Option<Rest> {
        let of = |thing: &Thing| match thing {
            Thing::Key { provider, .. } | Thing::Target { provider, .. } => provider == id,
            Thing::Client { .. } => false,
        };
        let rests = self.rests();
        rests
            .running(now())
            .filter(|(thing, _)| of(thing))
            .map(|(_, rest)| rest)
            .max_by_key(|rest| rest.until)
    }

    /// Asks to try a target. `anyway` tries it although it rests.
    pub(super) fn admit(
        self: &Arc<Self>,
        target: &Target,
        user_agent: Option<&str>,
        anyway: bool,
    ) -> Result<Pass, Rest> {
        let now = now();
        let pass = |probes| Pass {
            state: self.clone(),
            target: target.clone(),
            user_agent: self.fingerprints.hash_one(user_agent),
            probes,
            admitted: now,
        };
        let mut rests = self.rests();
        if rests.is_empty() {
            return Ok(pass(Vec::new()));
        }
        let things = self.things(target, user_agent);
        let resting = things.iter().filter_map(|thing| rests.peek(thing, now)).max_by_key(|rest| rest.until);
        if let Some(rest) = resting.filter(|_| !anyway) {
            return Err(rest);
        }
        let probes =
            things.iter().filter(|thing| rests.admit(thing, now) == Admission::Probe).cloned().collect();
        drop(rests);
        Ok(pass(probes))
    }
}

/// A conversation that stays with who answers it.
pub(super) struct Stay {
    /// A fingerprint.
    conversation: u64,
    /// Who answers it without that.
    primary: Thing,
}

/// Leave to try a target; what came of it goes back to the rests. Dropped without a verdict, it lets the next request
/// probe.
pub(super) struct Pass {
    state: Arc<State>,
    target: Target,
    /// The client's, by its fingerprint.
    user_agent: u64,
    probes: Vec<Thing>,
    admitted: Instant,
}

impl Pass {
    /// The target has begun to answer.
    pub(super) fn answers(&mut self) {
        self.is_well(|rests, thing, admitted| rests.answers(thing, admitted));
    }

    /// The answer is complete.
    pub(super) fn succeeded(&mut self) {
        self.is_well(|rests, thing, admitted| rests.succeeded(thing, admitted));
    }

    fn is_well(&mut self, note: impl Fn(&mut Cooldowns<Thing>, &Thing, Instant)) {
        self.probes.clear();
        let mut rests = self.state.rests();
        if rests.is_empty() {
            return;
        }
        for thing in &self.state.things_of(&self.target, self.user_agent) {
            note(&mut rests, thing, self.admitted);
        }
        drop(rests);
        self.state.told();
    }

    /// The target failed.
    pub(super) fn failed(&mut self, failure: &Failure, failover: &Failover) {
        if failure.out_of_time {
            return;
        }
        let [key, target, client] = &self.state.things_of(&self.target, self.user_agent);
        let thing = match failure.reason.rests() {
            Rests::Key => key,
            Rests::Target => target,
            Rests::ClientOnTarget => client,
            Rests::Nothing => return self.is_there(),
        };
        self.probes.retain(|probe| probe != thing);
        let steps = Steps { steps: failover.cooldown_steps.clone(), billing: failover.cooldown_billing };
        // A shorter wait was for the next try of the same request.
        let asked = failure.retry_after.filter(|asked| *asked > failover.backoff_max);
        self.state.rests().failed(thing.clone(), failure.reason, asked, &steps, now());
        self.state.told();
    }

    /// A refusal that rests nothing shows that what was probed is there again.
    fn is_there(&mut self) {
        let mut rests = self.state.rests();
        for thing in self.probes.drain(..) {
            rests.succeeded(&thing, self.admitted);
        }
        self.state.told();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.probes.is_empty() {
            let mut rests = self.state.rests();
            for thing in &self.probes {
                rests.released(thing);
            }
            self.state.told();
        }
    }
}
