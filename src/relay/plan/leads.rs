//! Where names lead, remembered: it is the same for each request until the settings are others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Target, retirement, targets_of};
use crate::config::settings::{Lookup, MatchedBy, Settings};
use crate::relay::Refusal;
use crate::wire::face::Face;

/// So many names are remembered: clients use a few, and one that makes names up shall not fill the memory.
const NAMES: usize = 256;

/// What a name leads to.
pub(in crate::relay) struct Lead {
    /// What the name is.
    pub(super) by: MatchedBy,
    /// In the order in which they are asked.
    pub(super) targets: Vec<Target>,
    /// What whoever asks for this name should know.
    pub(super) warnings: Vec<String>,
}

/// What is known of names, under one version of the settings.
#[derive(Default)]
pub(in crate::relay) struct Leads {
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
    pub(in crate::relay) fn forget(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment};

    fn settings(primary: &str) -> Arc<Settings> {
        let text = format!(
            r#"{{ agents: {{ defaults: {{ model: "{primary}" }} }},
                  models: {{ providers: {{ kimi: {{ apiKey: "sk-kimi-000000" }}, moonshot: {{ apiKey: "sk-000000" }}, openrouter: {{ apiKey: "sk-or-000000" }} }} }} }}"#
        );
        Arc::new(config::from_text(&text, None, &Environment::default()).unwrap())
    }

    fn first(leads: &Leads, settings: &Arc<Settings>, name: &str) -> String {
        leads.of(settings, name, Face::Chat).ok().unwrap().targets[0].name.clone()
    }

    #[test]
    fn a_name_leads_where_the_settings_of_now_say() {
        let leads = Leads::default();
        let (one, other) = (settings("kimi/kimi-for-coding"), settings("moonshot/kimi-k3"));
        for _ in 0..2 {
            assert_eq!(first(&leads, &one, "default"), "kimi/kimi-for-coding");
        }
        assert_eq!(first(&leads, &other, "default"), "moonshot/kimi-k3");
        assert_eq!(first(&leads, &one, "default"), "kimi/kimi-for-coding", "a request that began before");
        assert!(leads.of(&one, "no-such-model", Face::Chat).is_err());
    }

    #[test]
    fn names_without_end_are_answered_and_not_remembered() {
        let (leads, settings) = (Leads::default(), settings("kimi/kimi-for-coding"));
        for number in 0..2 * NAMES {
            assert_eq!(
                first(&leads, &settings, &format!("openrouter/{number}")),
                format!("openrouter/{number}")
            );
        }
        assert_eq!(leads.known.lock().unwrap().leads.len(), NAMES);
    }
}
