//! Owns the snapshot of the gateway's state. `gateway status`, `STATUS=`, readiness, the dashboard and the
//! metrics use only this, so that they agree.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::engine::{Engine, ReloadOutcome};
use super::plan::{describe_cooldown, find_disabled_reason};
use super::route::build_targets;
use crate::config::settings::{Chain, Provider, Reference, Settings};
use crate::protocol::api::Api;
use crate::state::cooldown::Cooldown;
use crate::state::{State, now};

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
    /// The code for programs: `ready`, `cooling_down` or `off`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::InCooldown(_) => "cooling_down",
            Self::Disabled(_) => "off",
        }
    }

    /// The reason why it would not be tried, as text.
    #[must_use]
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

/// Each target of a chain in order, with its current status.
fn list_chain_entries(settings: &Settings, state: &State, chain: &Chain) -> Vec<ChainEntry> {
    let targets = chain.references.iter().flat_map(|reference| {
        // Cooldowns that depend on the API apply to one client, and this status is not about one.
        build_targets(settings, reference, Api::default())
    });
    targets
        .map(|target| {
            let status = match (find_disabled_reason(&target), state.find_cooldown(target.identity(), None)) {
                (Some((_, why)), _) => TargetStatus::Disabled(why),
                (None, Some(cooldown)) => TargetStatus::InCooldown(cooldown),
                (None, None) => TargetStatus::Ready,
            };
            ChainEntry { reference: target.reference.clone(), status }
        })
        .collect()
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
    #[must_use]
    pub fn to_wall_time(&self, moment: Instant) -> SystemTime {
        self.wall_time + moment.saturating_duration_since(self.at)
    }

    /// One entry for each reference: of its keys the one that is usable first.
    #[must_use]
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
    #[must_use]
    pub fn active_entry(&self) -> Option<&ChainEntry> {
        self.chain_entries.iter().find(|entry| entry.status == TargetStatus::Ready)
    }

    /// The code of an entry for programs: `answering`, or that of its status.
    #[must_use]
    pub fn entry_state(&self, entry: &ChainEntry) -> &'static str {
        let answers = self.active_entry().is_some_and(|first| first.reference == entry.reference);
        if answers && entry.status == TargetStatus::Ready { "answering" } else { entry.status.as_str() }
    }

    /// When the next cooldown ends, which makes this snapshot outdated.
    #[must_use]
    pub fn next_cooldown_expiry(&self) -> Option<Instant> {
        let entries = self.chain_entries.iter().map(|entry| &entry.status);
        let all = entries.chain(self.providers.iter().map(|(_, status)| status));
        let ends = all.filter_map(|status| match status {
            TargetStatus::InCooldown(cooldown) if cooldown.until > self.at => Some(cooldown.until),
            _ => None,
        });
        ends.min()
    }
}

impl Engine {
    /// Takes a snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let settings = self.settings();
        let at = now();
        let status = |provider: &Provider| match (
            &provider.disabled_reason,
            self.state().find_provider_cooldown(&provider.id),
        ) {
            (Some(why), _) => TargetStatus::Disabled(why.clone()),
            (None, Some(cooldown)) => TargetStatus::InCooldown(cooldown),
            (None, None) => TargetStatus::Ready,
        };
        Snapshot {
            at,
            wall_time: SystemTime::now(),
            uptime: at.saturating_duration_since(self.state().started()),
            config: settings.path.clone(),
            chain_entries: list_chain_entries(&settings, self.state(), &settings.default_chain),
            providers: settings
                .providers
                .values()
                .map(|provider| (provider.id.clone(), status(provider)))
                .collect(),
            in_flight: self.state().in_flight(),
            reload: self.last_reload(),
        }
    }
}
