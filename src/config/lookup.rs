//! Which models answer a requested name.

use std::collections::BTreeSet;

use super::nearest::edit_distance;
use super::reference;
use super::settings::{Chain, Provider, Reference, Route, Settings};
use crate::catalog::builtin_catalog;

/// The name of the chain of `agents.defaults.model`. Case does not count.
pub const DEFAULT_CHAIN: &str = "default";

/// How a requested name was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchKind {
    /// It is an alias.
    Alias,
    /// It is a reference.
    Reference,
    /// A route matched; its pattern.
    Route(String),
    /// It is `default`, the chain of `agents.defaults.model`.
    Default,
    /// Only one provider has a model of this id.
    BareId,
}

/// What a requested name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// These, in this order.
    Resolved {
        /// How.
        matched_by: MatchKind,
        /// What it names first, then the fallbacks of the chain that this belongs to, else of `default`. Empty only
        /// for `default` when no provider has a key.
        chain: Chain,
    },
    /// Nothing; the nearest names, at most three, the nearest first.
    Unknown {
        /// Names that would be found.
        nearest: Vec<String>,
    },
}

impl Settings {
    /// Looks a requested name up: alias, reference, route (exact, then the longest glob), unique bare id. Case does not
    /// count where no two names differ by it.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Lookup {
        let name = name.trim();
        if let Some(reference) = self.aliases.get(&name.to_lowercase()) {
            return Lookup::Resolved { matched_by: MatchKind::Alias, chain: self.chain_from(reference) };
        }
        if let Some(reference) = reference::find_reference(&self.providers, &self.provider_aliases, name) {
            return Lookup::Resolved { matched_by: MatchKind::Reference, chain: self.chain_from(&reference) };
        }
        if name.eq_ignore_ascii_case(DEFAULT_CHAIN) {
            return Lookup::Resolved { matched_by: MatchKind::Default, chain: self.default_chain.clone() };
        }
        // Globs stand by length, the longest first.
        let glob =
            || self.routes.iter().find(|route| !route.is_exact() && matches_pattern(&route.pattern, name));
        if let Some(route) = self.find_exact_route(name).or_else(glob) {
            return Lookup::Resolved {
                matched_by: MatchKind::Route(route.pattern.clone()),
                chain: route.chain.clone(),
            };
        }
        match self.find_by_bare_id(name) {
            Some(reference) => {
                Lookup::Resolved { matched_by: MatchKind::BareId, chain: self.chain_from(&reference) }
            }
            None => Lookup::Unknown { nearest: self.find_nearest_names(name) },
        }
    }

    /// The one model that a name means, for commands that need a model: an alias, a reference, or the only
    /// model of that id. Routes are not among them, because a glob would match every typing error.
    ///
    /// # Errors
    /// What is wrong with it, and the nearest names.
    pub fn find_model(&self, name: &str) -> Result<Reference, String> {
        let name = name.trim();
        if let Some(reference) = self.aliases.get(&name.to_lowercase()) {
            return Ok(reference.clone());
        }
        let mut why = match self.parse_reference(name) {
            Ok(reference) => return Ok(reference),
            Err(why) => why,
        };
        if name.eq_ignore_ascii_case(DEFAULT_CHAIN) || self.find_exact_route(name).is_some() {
            why = format!("\"{name}\" is a route; a model is wanted: provider/model, or an alias");
        } else if let Some(reference) = self.find_by_bare_id(name) {
            return Ok(reference);
        }
        let nearest = self.find_nearest_names(name);
        let hint =
            if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
        Err(format!("{why}{hint}"))
    }

    /// Whether any request can be sent: at least one provider is on and has a model or accepts any model.
    #[must_use]
    pub fn has_target(&self) -> bool {
        let serves = |provider: &Provider| provider.disabled_reason.is_none() && provider.has_models();
        self.providers.values().any(|provider| serves(provider))
    }

    fn find_exact_route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.is_exact() && matches_pattern(&route.pattern, name))
    }

    /// Reads a reference.
    ///
    /// # Errors
    /// What is wrong with it, with the nearest name.
    pub fn parse_reference(&self, text: &str) -> Result<Reference, String> {
        reference::parse_reference(&self.providers, &self.provider_aliases, text)
    }

    /// The reference, then the fallbacks of its chain: `default` if it contains the reference, else a route
    /// that begins with it, else a route that contains it, else `default`.
    #[must_use]
    pub fn chain_from(&self, first: &Reference) -> Chain {
        let has = |chain: &&Chain| chain.references.contains(first);
        let chains = || self.routes.iter().map(|route| &route.chain);
        let chain = Some(&self.default_chain)
            .filter(has)
            .or_else(|| chains().find(|chain| chain.references.first() == Some(first)))
            .or_else(|| chains().find(has))
            .unwrap_or(&self.default_chain);
        let others = chain.references.iter().skip(1).filter(|other| *other != first);
        Chain { references: std::iter::once(first).chain(others).cloned().collect() }
    }

    /// The only provider's model of this id; those that can be called come before those that cannot.
    #[must_use]
    pub fn find_by_bare_id(&self, id: &str) -> Option<Reference> {
        let has = |provider: &&Provider| {
            provider.is_enabled() && provider.models.keys().any(|known| known.eq_ignore_ascii_case(id))
        };
        let of = |provider: &Provider| {
            let exact = provider.models.get_key_value(id).map(|(known, _)| known);
            let model =
                exact.or_else(|| provider.models.keys().find(|known| known.eq_ignore_ascii_case(id)))?;
            Some(Reference { provider: provider.id.clone(), model: model.clone() })
        };
        let all = || self.providers.values().map(AsRef::as_ref).filter(has);
        for serves in [true, false] {
            let mut found =
                all().filter(|provider: &&Provider| !serves || provider.disabled_reason.is_none());
            match (found.next(), found.next()) {
                (Some(only), None) => return of(only),
                (Some(_), Some(_)) => return None,
                (None, _) => {}
            }
        }
        None
    }

    /// At most three names that would be found, the nearest first; models that are gone are not among them.
    #[must_use]
    pub fn find_nearest_names(&self, wrong: &str) -> Vec<String> {
        let mut scored: Vec<(usize, String)> = Vec::new();
        let bare = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let wrong_bare = bare(wrong);
        let mut add = |name: String, penalty: usize| {
            let of_bare = edit_distance(&wrong_bare, &bare(&name));
            // Where a provider was named, another one's model is a little further away.
            let other_provider = usize::from(of_bare > 0 && wrong != wrong_bare);
            let score = edit_distance(wrong, &name).min(of_bare + other_provider);
            scored.push((score + penalty, name));
        };
        self.aliases.keys().for_each(|alias| add(alias.clone(), 0));
        let exact = self.routes.iter().filter(|route| route.is_exact());
        exact.for_each(|route| add(route.pattern.clone(), 0));
        self.default_chain.references.iter().for_each(|reference| add(reference.to_string(), 0));
        // What can be called comes before what is off.
        for provider in self.providers.values().filter(|provider| provider.is_enabled()) {
            let served = provider.models.values().filter(|model| model.model.retirement.is_none());
            let off = usize::from(provider.disabled_reason.is_some());
            served.for_each(|model| add(format!("{}/{}", provider.id, model.model.id), off));
        }
        scored.sort();
        // One that is found in several ways may have several scores: the best one counts.
        let mut told = BTreeSet::new();
        scored.retain(|(_, name)| told.insert(name.clone()));
        scored.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

impl Provider {
    /// Whether it is wanted: the configuration names it, or the catalog has it on by default. Others count only
    /// where they are named in full.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.is_configured
            || builtin_catalog().provider(&self.id).is_none_or(|known| known.is_enabled_by_default)
    }

    /// Whether it accepts any model id, or at least one.
    #[must_use]
    pub fn has_models(&self) -> bool {
        self.accepts_any_model || !self.models.is_empty()
    }
}

impl Route {
    /// Whether it takes one name only.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.pattern.contains('*')
    }
}

/// Whether a name equals or matches the pattern: `*` matches any characters. Case is ignored.
#[must_use]
pub fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
