//! Owns the snapshot of the gateway's state. `gateway status`, `STATUS=`, readiness, the dashboard and the
//! metrics use only this, so that they agree.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::engine::{Engine, ReloadOutcome};
use super::plan::{describe_cooldown, find_disabled_reason};
use super::route::build_targets;
use super::target::Target;
use crate::config::settings::{Provider, Reference};
use crate::protocol::api::Api;
use crate::state::cooldown::Cooldown;
use crate::state::now;

/// Whether a target would be tried now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetStatus {
    /// It would be tried.
    Ready,
    /// It is in cooldown.
    InCooldown(Cooldown),
    /// Its provider cannot be called; the text says why.
    Disabled(String),
}

impl TargetStatus {
    fn new(disabled: Option<String>, cooldown: Option<Cooldown>) -> Self {
        let cooling = cooldown.map_or(Self::Ready, Self::InCooldown);
        disabled.map_or(cooling, Self::Disabled)
    }

    /// The code for programs: `ready`, `cooling_down` or `off`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::InCooldown(_) => "cooling_down",
            Self::Disabled(_) => "off",
        }
    }

    /// The reason why it would not be tried, as text.
    pub fn unavailable_reason(&self) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::InCooldown(cooldown) => Some(describe_cooldown(*cooldown).1),
            Self::Disabled(why) => Some(why.clone()),
        }
    }
}

/// A reference of a chain with one of its keys, and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEntry {
    /// `provider/model`.
    pub reference: Reference,
    /// For clients whose User-Agent is unknown.
    pub status: TargetStatus,
}

/// The state at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment, on the clock of the cooldowns.
    pub at: Instant,
    /// The moment, as system time.
    pub wall_time: SystemTime,
    /// Time since the gateway began to serve.
    pub uptime: Duration,
    /// The file of the settings.
    pub config: Option<PathBuf>,
    /// Each target of the default chain in order; a reference with several keys has one entry for each key.
    pub chain_entries: Vec<ChainEntry>,
    /// Every provider, with the longest cooldown of its keys and models, for any client.
    pub providers: Vec<(String, TargetStatus)>,
    /// Requests without a complete response.
    pub in_flight: usize,
    /// The result of the last reload; `None` before the first.
    pub reload: Option<Arc<ReloadOutcome>>,
}

impl Snapshot {
    /// Converts a time of the cooldowns to system time.
    pub fn to_wall_time(&self, moment: Instant) -> SystemTime {
        self.wall_time + moment.saturating_duration_since(self.at)
    }

    /// One entry for each reference: of its keys the one that is usable first.
    pub fn chain(&self) -> Vec<&ChainEntry> {
        let rank = |entry: &ChainEntry| match &entry.status {
            TargetStatus::Ready => (0, None),
            TargetStatus::InCooldown(cooldown) => (1, Some(cooldown.until)),
            TargetStatus::Disabled(_) => (2, None),
        };
        let mut best: Vec<&ChainEntry> = Vec::new();
        for entry in &self.chain_entries {
            match best.iter_mut().find(|known| known.reference == entry.reference) {
                Some(known) if rank(entry) < rank(known) => *known = entry,
                Some(_) => {}
                None => best.push(entry),
            }
        }
        best
    }

    /// The target that would be tried first now.
    pub fn active_entry(&self) -> Option<&ChainEntry> {
        self.chain_entries.iter().find(|entry| entry.status == TargetStatus::Ready)
    }

    /// The code of an entry for programs: `answering`, or that of its status.
    pub fn entry_state(&self, entry: &ChainEntry) -> &'static str {
        let answers = self.active_entry().is_some_and(|first| first.reference == entry.reference);
        if answers && entry.status == TargetStatus::Ready { "answering" } else { entry.status.as_str() }
    }

    /// When the next cooldown ends, which makes this snapshot outdated.
    pub fn next_cooldown_expiry(&self) -> Option<Instant> {
        let entries = self.chain_entries.iter().map(|entry| &entry.status);
        let all = entries.chain(self.providers.iter().map(|(_, status)| status));
        let ends = all.filter_map(|status| match status {
            TargetStatus::InCooldown(cooldown) => Some(cooldown.until),
            TargetStatus::Ready | TargetStatus::Disabled(_) => None,
        });
        ends.filter(|end| *end > self.at).min()
    }
}

impl Engine {
    /// Takes a snapshot.
    pub fn snapshot(&self) -> Snapshot {
        let (settings, state, at) = (self.settings(), self.state(), now());
        // Cooldowns that depend on the API apply to one client, and this status is not about one.
        let targets = |reference| build_targets(&settings, reference, Api::default());
        let entry = |target: Target| {
            let disabled = find_disabled_reason(&target).map(|(_, why)| why);
            let status = TargetStatus::new(disabled, state.find_cooldown(target.identity(), None));
            ChainEntry { reference: target.reference, status }
        };
        let provider = |provider: &Arc<Provider>| {
            let cooldown = state.find_provider_cooldown(&provider.id);
            (provider.id.clone(), TargetStatus::new(provider.disabled_reason.clone(), cooldown))
        };
        Snapshot {
            at,
            wall_time: SystemTime::now(),
            uptime: at.saturating_duration_since(state.started()),
            config: settings.path.clone(),
            chain_entries: settings.default_chain.references.iter().flat_map(targets).map(entry).collect(),
            providers: settings.providers.values().map(provider).collect(),
            in_flight: state.in_flight(),
            reload: self.last_reload(),
        }
    }
}
