//! References (`provider/model`), and which models a requested name means.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::nearest::{edit_distance, find_nearest, format_suggestion};
use super::settings::{
    Auth, Chain, Lookup, MatchKind, Provider, ProviderKey, ProviderModel, Reference, Route, Settings,
};
use crate::catalog::{AdapterId, ModelInfo, builtin_catalog};
use crate::protocol::api::Api;
use crate::secret::Secret;

/// The name of the chain of `agents.defaults.model`. Case does not count.
pub(crate) const DEFAULT_CHAIN: &str = "default";

impl Provider {
    /// One of its models, or an unlisted one if it accepts any model id.
    pub(crate) fn find_model(&self, id: &str) -> Option<Arc<ProviderModel>> {
        let unlisted = || self.accepts_any_model.then(|| Arc::new(self.unlisted_model(id)));
        self.models.get(id).cloned().or_else(unlisted)
    }

    /// A model of which only the id is known.
    pub(crate) fn unlisted_model(&self, id: &str) -> ProviderModel {
        let mut model = ModelInfo::unknown(id);
        self.model_defaults.fill_missing(&mut model);
        ProviderModel { model, headers: Vec::new(), params: serde_json::Map::new(), is_configured: false }
    }

    /// The id that the provider sees. Old ids become the new one; OpenRouter's own models have no slash in a reference
    /// (`openrouter/auto`) and are sent with `openrouter/` before them. Anything else is sent as it is.
    pub(crate) fn upstream_model_id(&self, id: &str) -> String {
        match self.model_renames.get(id) {
            Some(new) => new.clone(),
            None if self.adapter == AdapterId::OpenRouter && !id.contains('/') => format!("openrouter/{id}"),
            None => id.to_owned(),
        }
    }

    /// The header that carries one of its keys for an API; `None` if no key is sent, or it cannot be. Kimi
    /// Code's Messages API takes `x-api-key` (kimi-code 2.1.0 and `OpenClaw` send it, captured 2026-11-21).
    /// Moonshot's is documented with Bearer, and so is OpenRouter's.
    pub(crate) fn auth_header(&self, api: Api, key: &Secret) -> Option<(HeaderName, HeaderValue)> {
        let accepts_api_key = matches!(self.adapter, AdapterId::KimiCode | AdapterId::Generic);
        let (name, text) = match self.auth {
            Auth::None | Auth::Login => return None,
            Auth::ByApi if api == Api::Messages && accepts_api_key => {
                (HeaderName::from_static("x-api-key"), key.expose().to_owned())
            }
            Auth::ByApi | Auth::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose())),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }

    /// One of its keys for display: masked, or `oauth` for a login, whose current key is looked up at each
    /// call.
    pub(crate) fn mask_key(&self, key: &ProviderKey) -> String {
        if self.auth == Auth::Login { "oauth".to_owned() } else { key.secret.masked() }
    }

    /// The id under which a model is known here, however it is written: `None` where it is not accepted.
    fn canonical_model_id(&self, written: &str) -> Option<String> {
        let id = match self.adapter {
            AdapterId::OpenRouter => written.strip_prefix("openrouter/").unwrap_or(written),
            _ => written,
        };
        if id.is_empty() {
            return None;
        }
        if self.models.contains_key(id) {
            return Some(id.to_owned());
        }
        if let Some(new) = self.model_renames.get(id) {
            return Some(new.clone());
        }
        let mut similar = self.models.keys().filter(|known| known.eq_ignore_ascii_case(id));
        match (similar.next(), similar.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => self.accepts_any_model.then(|| id.to_owned()),
        }
    }

    /// Whether the configuration names it or the catalog enables it by default. Other providers count only if they
    /// are named in full.
    pub(crate) fn is_enabled(&self) -> bool {
        self.is_configured
            || builtin_catalog().provider(&self.id).is_none_or(|known| known.is_enabled_by_default)
    }

    /// Whether it accepts any model id, or at least one.
    pub(crate) fn has_models(&self) -> bool {
        self.accepts_any_model || !self.models.is_empty()
    }
}

/// Finds what a reference means: the provider by its id or another id of it, the model as its provider knows it.
fn find_reference(
    providers: &BTreeMap<String, Arc<Provider>>,
    aliases: &BTreeMap<String, String>,
    text: &str,
) -> Option<Reference> {
    let (written, model) = text.split_once('/').filter(|_| !text.contains('*'))?;
    let written = written.to_lowercase();
    let id = aliases.get(&written).unwrap_or(&written);
    let model = providers.get(id)?.canonical_model_id(model)?;
    Some(Reference { provider: id.clone(), model })
}

/// What a new alias for `meant` would hide, because aliases come first: another model's reference, or `default`.
pub(crate) fn find_hidden(
    providers: &BTreeMap<String, Arc<Provider>>,
    aliases: &BTreeMap<String, String>,
    alias: &str,
    meant: &Reference,
) -> Option<String> {
    if alias.eq_ignore_ascii_case(DEFAULT_CHAIN) {
        return Some("the chain of agents.defaults.model".to_owned());
    }
    let other = find_reference(providers, aliases, alias).filter(|other| other != meant)?;
    Some(format!("the reference {other}"))
}

fn unknown_model_message(provider: &Provider, model: &str) -> String {
    let id = &provider.id;
    let hint = format_suggestion(model, served_models(provider).map(|(_, model)| model));
    let fix = if hint.is_empty() { format!(": add it to models.providers.{id}.models") } else { hint };
    format!("provider {id} has no model \"{model}\"{fix}")
}

/// The models that are not retired.
fn served_models(provider: &Provider) -> impl Iterator<Item = (&str, &str)> {
    let served = provider.models.values().filter(|model| model.model.retirement.is_none());
    served.map(|model| (provider.id.as_str(), model.model.id.as_str()))
}

impl Settings {
    /// Looks a requested name up: alias, reference, route (exact, then the longest glob), unique bare id. Case does not
    /// count where no two names differ by it.
    pub(crate) fn lookup(&self, name: &str) -> Lookup {
        let name = name.trim();
        let resolved = |matched_by, chain| Lookup::Resolved { matched_by, chain };
        if let Some(reference) = self.aliases.get(&name.to_lowercase()) {
            return resolved(MatchKind::Alias, self.chain_from(reference));
        }
        if let Some(reference) = find_reference(&self.providers, &self.provider_aliases, name) {
            return resolved(MatchKind::Reference, self.chain_from(&reference));
        }
        if name.eq_ignore_ascii_case(DEFAULT_CHAIN) {
            return resolved(MatchKind::Default, self.default_chain.clone());
        }
        // Routes are sorted: exact names, then the longest glob.
        if let Some(route) = self.routes.iter().find(|route| matches_pattern(&route.pattern, name)) {
            return resolved(MatchKind::Route(route.pattern.clone()), route.chain.clone());
        }
        match self.find_by_bare_id(name) {
            Some(reference) => resolved(MatchKind::BareId, self.chain_from(&reference)),
            None => Lookup::Unknown { nearest: self.find_nearest_names(name) },
        }
    }

    /// The one model that a name means, for commands that need a model: an alias, a reference, or the only
    /// model of that id. Routes are not among them, because a glob would match every typing error. The error names the
    /// nearest models.
    pub(crate) fn find_model(&self, name: &str) -> Result<Reference, String> {
        let name = name.trim();
        if let Some(reference) = self.aliases.get(&name.to_lowercase()) {
            return Ok(reference.clone());
        }
        let mut why = match self.parse_reference(name) {
            Ok(reference) => return Ok(reference),
            Err(why) => why,
        };
        let is_route =
            |route: &Route| route.is_exact() && route.pattern.to_lowercase() == name.to_lowercase();
        if name.eq_ignore_ascii_case(DEFAULT_CHAIN) || self.routes.iter().any(is_route) {
            why = format!("\"{name}\" is a route, but a model is needed: provider/model, or an alias");
        } else if let Some(reference) = self.find_by_bare_id(name) {
            return Ok(reference);
        }
        let nearest = self.find_nearest_names(name);
        let hint =
            if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) };
        Err(format!("{why}{hint}"))
    }

    /// Whether any request can be sent: at least one provider is on and has a model or accepts any model.
    pub(crate) fn has_target(&self) -> bool {
        let serves = |provider: &Provider| provider.disabled_reason.is_none() && provider.has_models();
        self.providers.values().any(|provider| serves(provider))
    }

    /// Like [`find_reference`]; the error names the nearest model. Comparing names is too slow for requests.
    pub(crate) fn parse_reference(&self, text: &str) -> Result<Reference, String> {
        let (providers, aliases) = (&self.providers, &self.provider_aliases);
        find_reference(providers, aliases, text).ok_or_else(|| match text.split_once('/') {
            None => {
                let served = || providers.values().flat_map(|provider| served_models(provider));
                let nearest = find_nearest(text, served().map(|(_, model)| model));
                let nearest = nearest.and_then(|nearest| served().find(|(_, model)| *model == nearest));
                let hint =
                    nearest.map(|(provider, model)| format!(" (did you mean \"{provider}/{model}\"?)"));
                let hint = hint.unwrap_or_default();
                format!("\"{text}\" is neither an alias nor a reference such as provider/model{hint}")
            }
            Some(_) if text.contains('*') => {
                format!("\"{text}\" is a pattern, not a reference: patterns belong in models.routes")
            }
            Some((written, model)) => {
                let written = written.to_lowercase();
                match providers.get(aliases.get(&written).unwrap_or(&written)) {
                    None => {
                        let hint = format_suggestion(&written, providers.keys().map(String::as_str));
                        format!("there is no provider \"{written}\"{hint}")
                    }
                    Some(provider) => unknown_model_message(provider, model),
                }
            }
        })
    }

    /// The reference, then the fallbacks of its chain: `default` if it contains the reference, else a route
    /// that begins with it, else a route that contains it, else `default`.
    pub(crate) fn chain_from(&self, first: &Reference) -> Chain {
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
    fn find_by_bare_id(&self, id: &str) -> Option<Reference> {
        let model_of = |provider: &Provider| {
            let mut similar = provider.models.keys().filter(|known| known.eq_ignore_ascii_case(id));
            let exact = provider.models.get_key_value(id).map(|(known, _)| known);
            let model = exact.or_else(|| similar.next())?;
            Some(Reference { provider: provider.id.clone(), model: model.clone() })
        };
        for is_disabled in [false, true] {
            let enabled = self.providers.values().filter(|provider| {
                provider.is_enabled() && provider.disabled_reason.is_some() == is_disabled
            });
            let mut found = enabled.filter_map(|provider| model_of(provider));
            if let Some(reference) = found.next() {
                return found.next().is_none().then_some(reference);
            }
        }
        None
    }

    /// At most three names that would be found, the nearest first, without retired models.
    pub(crate) fn find_nearest_names(&self, wrong: &str) -> Vec<String> {
        let mut scored: Vec<(usize, String)> = Vec::new();
        let bare = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let wrong_bare = bare(wrong);
        let mut add = |name: String, penalty: usize| {
            let of_bare = edit_distance(&wrong_bare, &bare(&name));
            // If a provider was named, another one's model is a little further away.
            let other_provider = usize::from(of_bare > 0 && wrong != wrong_bare);
            let score = edit_distance(wrong, &name).min(of_bare + other_provider);
            scored.push((score + penalty, name));
        };
        self.aliases.keys().for_each(|alias| add(alias.clone(), 0));
        let exact = self.routes.iter().filter(|route| route.is_exact());
        exact.for_each(|route| add(route.pattern.clone(), 0));
        self.default_chain.references.iter().for_each(|reference| add(reference.to_string(), 0));
        // Enabled providers come before disabled ones.
        for provider in self.providers.values().filter(|provider| provider.is_enabled()) {
            let served = provider.models.values().filter(|model| model.model.retirement.is_none());
            let penalty = usize::from(provider.disabled_reason.is_some());
            served.for_each(|model| add(format!("{}/{}", provider.id, model.model.id), penalty));
        }
        scored.sort();
        // A name that is found in several ways has several scores: the best one counts.
        let mut seen = BTreeSet::new();
        scored.retain(|(_, name)| seen.insert(name.clone()));
        scored.into_iter().take(3).map(|(_, name)| name).collect()
    }
}

impl Route {
    /// Whether it matches one name only.
    pub(crate) fn is_exact(&self) -> bool {
        !self.pattern.contains('*')
    }
}

/// Whether a name equals or matches the pattern: `*` matches any characters. Case is ignored.
pub(crate) fn matches_pattern(pattern: &str, name: &str) -> bool {
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
