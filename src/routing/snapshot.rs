//! How the gateway stands, at one moment. `gateway status`, `STATUS=`, readiness, the dashboard and the metrics read
//! nothing else, so that they cannot differ.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Relay;
use super::plan::{self, Link, Standing};
use super::reload::Reload;
use super::state::now;

/// One moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When, on the clock of the rests.
    pub at: Instant,
    /// When, for people.
    pub wall: SystemTime,
    /// Since the process began to serve.
    pub uptime: Duration,
    /// The file that the settings came from.
    pub config: Option<PathBuf>,
    /// Each target of the default chain in order; a reference with several keys has a link for each.
    pub links: Vec<Link>,
    /// Every provider, with the longest rest of its keys and models, whoever asks.
    pub providers: Vec<(String, Standing)>,
    /// Requests that have no complete answer yet.
    pub in_flight: usize,
    /// How the last reload went; `None` before the first.
    pub reload: Option<Arc<Reload>>,
}

impl Snapshot {
    /// A moment of the rests as people tell the time.
    #[must_use]
    pub fn wall_of(&self, moment: Instant) -> SystemTime {
        self.wall + moment.saturating_duration_since(self.at)
    }

    /// One link a reference: of its keys the one that can be used first.
    #[must_use]
    pub fn chain(&self) -> Vec<&Link> {
        let rank = |link: &Link| match &link.standing {
            Standing::Usable => (0, None),
            Standing::Resting(rest) => (1, Some(rest.until)),
            Standing::Off(_) => (2, None),
        };
        let mut best: Vec<&Link> = Vec::new();
        for link in &self.links {
            match best.iter_mut().find(|known| known.reference == link.reference) {
                Some(known) if rank(link) < rank(known) => *known = link,
                Some(_) => {}
                None => best.push(link),
            }
        }
        best
    }

    /// Who would be asked first now.
    #[must_use]
    pub fn answering(&self) -> Option<&Link> {
        self.links.iter().find(|link| link.standing == Standing::Usable)
    }

    /// What a link of this chain is, in a word for programs: `answering`, or that of its standing.
    #[must_use]
    pub fn state(&self, link: &Link) -> &'static str {
        let answers = self.answering().is_some_and(|first| first.reference == link.reference);
        if answers && link.standing == Standing::Usable { "answering" } else { link.standing.as_str() }
    }

    /// When the next rest ends by itself, and this is no longer true.
    #[must_use]
    pub fn holds_until(&self) -> Option<Instant> {
        let standings = self.links.iter().map(|link| &link.standing);
        let standings = standings.chain(self.providers.iter().map(|(_, standing)| standing));
        let ends = standings.filter_map(|standing| match standing {
            Standing::Resting(rest) if rest.until > self.at => Some(rest.until),
            _ => None,
        });
        ends.min()
    }
}

impl Relay {
    /// How the gateway stands now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let settings = self.settings();
        let at = now();
        let standing = |provider: &crate::config::settings::Provider| match (
            &provider.off,
            self.state.rest_of_provider(&provider.id),
        ) {
            (Some(why), _) => Standing::Off(why.clone()),
            (None, Some(rest)) => Standing::Resting(rest),
            (None, None) => Standing::Usable,
        };
        Snapshot {
            at,
            wall: SystemTime::now(),
            uptime: at.saturating_duration_since(self.state.started()),
            config: settings.path.clone(),
            links: plan::links(&settings, &self.state, &settings.default_chain),
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
