//! Sets the provider's position in the chain, and an alias for its model.

use serde_json::{Value, json};

use super::provider_config::ProviderSetup;
use crate::catalog::builtin_catalog;
use crate::cli::console::edit_error;
use crate::cli::exit::CommandError;
use crate::cli::models::aliases::find_written_key;
use crate::config::edit::{Document, EditError};
use crate::config::keypath::KeyPath;
use crate::config::reference;
use crate::config::settings::{Reference, Settings};

fn defaults_path(key: &str) -> KeyPath {
    KeyPath::default().join_key("agents").join_key("defaults").join_key(key)
}

/// The provider's model to use.
///
/// # Errors
/// When the provider does not have the requested model, or no model is known.
pub(super) fn chosen_model(setup: &ProviderSetup, settings: &Settings) -> Result<Reference, CommandError> {
    let id = &setup.id;
    let asked = setup.model.as_deref().map(|model| model.strip_prefix(&format!("{id}/")).unwrap_or(model));
    let known = || builtin_catalog().provider(id).map(|known| known.default_model.as_str());
    let Some(model) = asked.or_else(known) else {
        return Err(CommandError::usage("--model ID: which of its models answers?"));
    };
    settings
        .parse_reference(&format!("{id}/{model}"))
        .map_err(|why| CommandError::failure("unknown_model", why))
}

/// Whether the file sets a default chain.
pub(super) fn has_chain(document: &Document) -> bool {
    document.get(&defaults_path("model")).is_some()
}

/// Adds the model to the chain. If there was no chain, the model becomes the primary, followed by the others
/// that have a key. Otherwise it is added as the last fallback, unless it is already in the chain. A newly
/// added model gets an alias.
///
/// # Errors
/// When the file cannot be changed this way.
pub(super) fn add_to_chain(
    setup: &ProviderSetup,
    chosen: &Reference,
    settings: &Settings,
    document: &mut Document,
) -> Result<(), CommandError> {
    let named = match extend_chain(setup, chosen, settings, document) {
        Ok(true) => add_alias(setup, chosen, settings, document),
        unchanged => unchanged.map(drop),
    };
    named.map_err(|error| edit_error(&error))
}

/// Whether that changed anything.
fn extend_chain(
    setup: &ProviderSetup,
    chosen: &Reference,
    settings: &Settings,
    document: &mut Document,
) -> Result<bool, EditError> {
    let place = defaults_path("model");
    let chain = &settings.default_chain.references;
    let Some(written) = document.get(&place) else {
        let others: Vec<&Reference> = chain.iter().filter(|other| other.provider != setup.id).collect();
        document.set(&place, &chain_json(chosen, &others))?;
        return Ok(true);
    };
    let stands = match setup.model {
        Some(_) => chain.contains(chosen),
        None => chain.iter().any(|other| other.provider == setup.id),
    };
    let first = chain.first();
    if setup.is_primary {
        let is_first = match setup.model {
            Some(_) => first == Some(chosen),
            None => first.is_some_and(|first| first.provider == setup.id),
        };
        if is_first {
            return Ok(false);
        }
        let others: Vec<&Reference> = chain.iter().filter(|other| *other != chosen).collect();
        document.set(&place, &chain_json(chosen, &others))?;
        return Ok(true);
    }
    if stands {
        return Ok(false);
    }
    if written.is_string() {
        document.set(&place, &json!({ "primary": written, "fallbacks": [chosen.to_string()] }))?;
    } else {
        document.push(&place.join_key("fallbacks"), &json!(chosen.to_string()))?;
    }
    Ok(true)
}

fn chain_json(primary: &Reference, fallbacks: &[&Reference]) -> Value {
    let fallbacks: Vec<String> = fallbacks.iter().map(ToString::to_string).collect();
    match fallbacks.is_empty() {
        true => json!({ "primary": primary.to_string() }),
        false => json!({ "primary": primary.to_string(), "fallbacks": fallbacks }),
    }
}

/// The provider's id as a short name for the model, where it has none and nothing else has this one.
fn add_alias(
    setup: &ProviderSetup,
    chosen: &Reference,
    settings: &Settings,
    document: &mut Document,
) -> Result<(), EditError> {
    let alias = setup.id.to_lowercase();
    let has_one = settings.aliases.values().any(|meant| meant == chosen);
    let hides = reference::find_hidden(&settings.providers, &settings.provider_aliases, &alias, chosen);
    if has_one || settings.aliases.contains_key(&alias) || hides.is_some() {
        return Ok(());
    }
    let key = find_written_key(document, settings, chosen).unwrap_or_else(|| chosen.to_string());
    document.set(&defaults_path("models").join_key(&key).join_key("alias"), &json!(alias))
}
