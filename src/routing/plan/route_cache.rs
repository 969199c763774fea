//! Owns the cache of resolved model names, valid until the settings change.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Target, build_targets, retirement_warning};
use crate::config::settings::{Lookup, MatchKind, Settings};
use crate::protocol::api::Api;
use crate::routing::RequestError;

/// The limit on cached names: clients use a few, and a client that invents names must not fill the memory.
const MAX_CACHED_NAMES: usize = 256;

/// The route of a name.
pub(in crate::routing) struct ResolvedRoute {
    /// What the name refers to.
    pub(super) matched_by: MatchKind,
    /// The targets, in the order in which they are tried.
    pub(super) targets: Vec<Target>,
    /// A notice for the client.
    pub(super) warnings: Vec<String>,
}

/// The resolved names, for one version of the settings.
#[derive(Default)]
pub(in crate::routing) struct RouteCache {
    routes: Mutex<CachedRoutes>,
}

#[derive(Default)]
struct CachedRoutes {
    settings: Weak<Settings>,
    /// By name; each has at most as many entries as there are APIs.
    by_name: HashMap<String, Vec<(Api, Arc<ResolvedRoute>)>>,
}

impl RouteCache {
    /// Returns the route of a name for clients of this API.
    pub(super) fn get_or_resolve(
        &self,
        settings: &Arc<Settings>,
        name: &str,
        face: Api,
    ) -> Result<Arc<ResolvedRoute>, RequestError> {
        {
            let known = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(lead) = known.get(settings, name, face) {
                return Ok(lead);
            }
        }
        let lead = Arc::new(ResolvedRoute::resolve(settings, name, face)?);
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).insert(settings, name, face, lead.clone());
        Ok(lead)
    }

    /// Clears the cache when the settings change.
    pub(in crate::routing) fn clear(&self) {
        *self.routes.lock().unwrap_or_else(PoisonError::into_inner) = CachedRoutes::default();
    }
}

impl CachedRoutes {
    /// Whether this cache belongs to these settings. The weak reference keeps their address from being reused.
    fn is_current(&self, settings: &Arc<Settings>) -> bool {
        std::ptr::eq(self.settings.as_ptr(), Arc::as_ptr(settings))
    }

    fn get(&self, settings: &Arc<Settings>, name: &str, face: Api) -> Option<Arc<ResolvedRoute>> {
        let leads = self.by_name.get(name).filter(|_| self.is_current(settings))?;
        leads.iter().find(|(known, _)| *known == face).map(|(_, lead)| lead.clone())
    }

    fn insert(&mut self, settings: &Arc<Settings>, name: &str, face: Api, lead: Arc<ResolvedRoute>) {
        if !self.is_current(settings) {
            *self = Self { settings: Arc::downgrade(settings), by_name: HashMap::new() };
        }
        if self.by_name.len() < MAX_CACHED_NAMES || self.by_name.contains_key(name) {
            let leads = self.by_name.entry(name.to_owned()).or_default();
            if !leads.iter().any(|(known, _)| *known == face) {
                leads.push((face, lead));
            }
        }
    }
}

impl ResolvedRoute {
    fn resolve(settings: &Settings, name: &str, face: Api) -> Result<Self, RequestError> {
        let (chain, by) = match settings.lookup(name) {
            Lookup::Resolved { chain, matched_by: by } => (chain, by),
            Lookup::Unknown { nearest } => {
                return Err(RequestError::UnknownModel { requested: name.to_owned(), nearest });
            }
        };
        let targets = chain.references.iter().flat_map(|reference| build_targets(settings, reference, face));
        let warning = chain.references.first().and_then(|first| retirement_warning(settings, first));
        Ok(Self { matched_by: by, targets: targets.collect(), warnings: warning.into_iter().collect() })
    }
}
