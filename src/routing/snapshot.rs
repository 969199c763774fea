//! Owns the snapshot of the gateway's state. `gateway status`, `STATUS=`, readiness, the dashboard and the
//! metrics use only this, so that they agree.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Engine;
use super::plan::{self, ChainEntry, TargetStatus};
use super::reload::ReloadOutcome;
use super::state::now;

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
        let rank = |link: &ChainEntry| match &link.status {
            TargetStatus::Ready => (0, None),
            TargetStatus::InCooldown(rest) => (1, Some(rest.until)),
            TargetStatus::Disabled(_) => (2, None),
        };
        let mut best: Vec<&ChainEntry> = Vec::new();
        for link in &self.chain_entries {
            match best.iter_mut().find(|known| known.reference == link.reference) {
                Some(known) if rank(link) < rank(known) => *known = link,
                Some(_) => {}
                None => best.push(link),
            }
        }
        best
    }

    /// The target that would be tried first now.
    #[must_use]
    pub fn active_entry(&self) -> Option<&ChainEntry> {
        self.chain_entries.iter().find(|link| link.status == TargetStatus::Ready)
    }

    /// The code of an entry for programs: `answering`, or that of its status.
    #[must_use]
    pub fn entry_state(&self, link: &ChainEntry) -> &'static str {
        let answers = self.active_entry().is_some_and(|first| first.reference == link.reference);
        if answers && link.status == TargetStatus::Ready { "answering" } else { link.status.as_str() }
    }

    /// When the next cooldown ends, which makes this snapshot outdated.
    #[must_use]
    pub fn next_cooldown_expiry(&self) -> Option<Instant> {
        let standings = self.chain_entries.iter().map(|link| &link.status);
        let standings = standings.chain(self.providers.iter().map(|(_, standing)| standing));
        let ends = standings.filter_map(|standing| match standing {
            TargetStatus::InCooldown(rest) if rest.until > self.at => Some(rest.until),
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
        let standing = |provider: &crate::config::settings::Provider| match (
            &provider.disabled_reason,
            self.state.find_provider_cooldown(&provider.id),
        ) {
            (Some(why), _) => TargetStatus::Disabled(why.clone()),
            (None, Some(rest)) => TargetStatus::InCooldown(rest),
            (None, None) => TargetStatus::Ready,
        };
        Snapshot {
            at,
            wall_time: SystemTime::now(),
            uptime: at.saturating_duration_since(self.state.started()),
            config: settings.path.clone(),
            chain_entries: plan::list_chain_entries(&settings, &self.state, &settings.default_chain),
            providers: settings
                .providers
                .values()
                .map(|provider| (provider.id.clone(), standing(provider)))
                .collect(),
            in_flight: self.state.in_flight(),
            reload: self.last_reload(),
        }
    }
}
