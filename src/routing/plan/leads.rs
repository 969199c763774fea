//! Where names lead, remembered: it is the same for each request until the settings are others.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Target, retirement, targets_of};
use crate::config::settings::{Lookup, MatchedBy, Settings};
use crate::protocol::face::Face;
use crate::routing::Refusal;

/// So many names are remembered: clients use a few, and one that makes names up shall not fill the memory.
const NAMES: usize = 256;

/// What a name leads to.
pub(in crate::routing) struct Lead {
    /// What the name is.
    pub(super) by: MatchedBy,
    /// In the order in which they are asked.
    pub(super) targets: Vec<Target>,
    /// What whoever asks for this name should know.
    pub(super) warnings: Vec<String>,
}

/// What is known of names, under one version of the settings.
#[derive(Default)]
pub(in crate::routing) struct Leads {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    settings: Weak<Settings>,
    /// By name; of each there are as many as faces at most.
    leads: HashMap<String, Vec<(Face, Arc<Lead>)>>,
}

impl Leads {
    /// Where a name leads clients of this face.
    pub(super) fn of(&self, settings: &Arc<Settings>, name: &str, face: Face) -> Result<Arc<Lead>, Refusal> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(lead) = known.lead(settings, name, face) {
                return Ok(lead);
            }
        }
        let lead = Arc::new(Lead::find(settings, name, face)?);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).learn(settings, name, face, lead.clone());
        Ok(lead)
    }

    /// Nothing is known: the settings change.
    pub(in crate::routing) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }
}

impl Known {
    /// Whether this is of these settings. The weak one keeps their place from being taken by others.
    fn is_of(&self, settings: &Arc<Settings>) -> bool {
        std::ptr::eq(self.settings.as_ptr(), Arc::as_ptr(settings))
    }

    fn lead(&self, settings: &Arc<Settings>, name: &str, face: Face) -> Option<Arc<Lead>> {
        let leads = self.leads.get(name).filter(|_| self.is_of(settings))?;
        leads.iter().find(|(known, _)| *known == face).map(|(_, lead)| lead.clone())
    }

    fn learn(&mut self, settings: &Arc<Settings>, name: &str, face: Face, lead: Arc<Lead>) {
        if !self.is_of(settings) {
            *self = Self { settings: Arc::downgrade(settings), leads: HashMap::new() };
        }
        if self.leads.len() < NAMES || self.leads.contains_key(name) {
            let leads = self.leads.entry(name.to_owned()).or_default();
            if !leads.iter().any(|(known, _)| *known == face) {
                leads.push((face, lead));
            }
        }
    }
}

impl Lead {
    fn find(settings: &Settings, name: &str, face: Face) -> Result<Self, Refusal> {
        let (chain, by) = match settings.lookup(name) {
            Lookup::Found { chain, by } => (chain, by),
            Lookup::Unknown { nearest } => {
                return Err(Refusal::UnknownModel { requested: name.to_owned(), nearest });
            }
        };
        let targets = chain.references.iter().flat_map(|reference| targets_of(settings, reference, face));
        let warning = chain.references.first().and_then(|first| retirement(settings, first));
        Ok(Self { by, targets: targets.collect(), warnings: warning.into_iter().collect() })
    }
}
