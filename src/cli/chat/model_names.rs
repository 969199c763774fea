//! Names under which a model can be requested, for completion and lists.

use crate::config::settings::{Reference, Settings};

/// Aliases, routes that are not globs, and references; most useful first.
pub(super) fn model_names(settings: &Settings) -> Vec<String> {
    let mut names: Vec<String> = settings.aliases.keys().cloned().collect();
    names.push("default".to_owned());
    let routes = settings.routes.iter().filter(|route| route.is_exact());
    names.extend(routes.map(|route| route.pattern.clone()));
    names.extend(settings.default_chain.references.iter().map(ToString::to_string));
    for provider in settings.providers.values().filter(|provider| provider.disabled_reason.is_none()) {
        let served = provider.models.values().filter(|model| model.model.retirement.is_none());
        names.extend(served.map(|model| format!("{}/{}", provider.id, model.model.id)));
    }
    let mut known = std::collections::BTreeSet::new();
    names.retain(|name| known.insert(name.to_lowercase()));
    names
}

/// As short as it is still known by: its alias, else its id.
pub(super) fn short_name(settings: &Settings, reference: &Reference) -> String {
    let alias = settings.aliases.iter().find(|(_, meant)| *meant == reference).map(|(alias, _)| alias);
    alias.unwrap_or(&reference.model).clone()
}
