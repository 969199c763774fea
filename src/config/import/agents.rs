//! `agents.defaults`: the chain, names, parameters, thinking.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::insert_non_empty;
use super::notes::ImportNotes;
use super::providers::catalog_id;
use crate::config::file::{Cursor, NodeValue as Raw};
use crate::config::keypath::KeyPath;

/// A chain while references are taken out of it.
#[derive(Debug)]
pub(super) struct ImportedChain {
    /// Each reference, with its position in the old file; the first is the primary.
    references: Vec<(KeyPath, String)>,
    /// Where the primary is, or should be, in the old file.
    primary: KeyPath,
    /// Whether fallbacks are written although there are none: the old file did so.
    has_fallbacks: bool,
}

impl ImportedChain {
    /// Removes one reference; the next one moves up.
    pub(super) fn remove(&mut self, number: usize) -> Option<(KeyPath, String)> {
        (number < self.references.len()).then(|| self.references.remove(number))
    }

    /// As the configuration has it.
    pub(super) fn to_json(&self) -> Option<Value> {
        let ((_, primary), fallbacks) = self.references.split_first()?;
        let fallbacks: Vec<&String> = fallbacks.iter().map(|(_, reference)| reference).collect();
        if fallbacks.is_empty() && !self.has_fallbacks {
            return Some(json!({ "primary": primary }));
        }
        Some(json!({ "primary": primary, "fallbacks": fallbacks }))
    }

    /// Reports it if a fallback is the primary now.
    pub(super) fn record_promotion(&self, notes: &mut ImportNotes) {
        if let Some((_, first)) = self.references.first().filter(|(place, _)| *place != self.primary) {
            notes.record_changed(&self.primary, format!("{first}, the first fallback, is the primary now"));
        }
    }
}

/// `agents`, with references to providers that Moonrelay has, and its chain where that is more than a name.
pub(super) fn import_agents(
    at: Option<Cursor<'_>>,
    known: &BTreeSet<String>,
    notes: &mut ImportNotes,
) -> (Option<Value>, Option<ImportedChain>) {
    let Some(at) = notes.expect_object(at) else { return (None, None) };
    notes.skip_others(&at, &["defaults"], |_| "Moonrelay has one agent: `agents.defaults`".to_owned());
    let Some(defaults) = notes.expect_object(at.get("defaults")) else { return (None, None) };
    let taken = ["model", "models", "thinkingDefault", "workspace"];
    notes.skip_others(&defaults, &taken, |key| match key {
        "timeoutSeconds" => "set failover.timeouts.totalSeconds instead".to_owned(),
        _ => "it belongs to OpenClaw's agent".to_owned(),
    });
    let mut kept = Map::new();
    let mut whole = None;
    if let Some(at) = defaults.get("model") {
        match at.as_str() {
            Some(text) => insert_non_empty(
                &mut kept,
                "model",
                import_reference(text, &at, known, notes).map(Value::String),
            ),
            None => whole = import_chain(&at, known, notes),
        }
    }
    insert_non_empty(&mut kept, "model", whole.as_ref().and_then(ImportedChain::to_json));
    insert_non_empty(&mut kept, "models", import_models(defaults.get("models"), known, notes));
    for key in ["thinkingDefault", "workspace"] {
        insert_non_empty(&mut kept, key, defaults.get(key).map(|at| at.node.value.to_json()));
    }
    (Some(json!({ "defaults": kept })), whole)
}

/// The chain without the references that nothing here answers.
fn import_chain(at: &Cursor<'_>, known: &BTreeSet<String>, notes: &mut ImportNotes) -> Option<ImportedChain> {
    if !matches!(at.node.value, Raw::Object(_)) {
        notes.record_wrong_type(at, "a string or an object");
        return None;
    }
    notes.skip_others(at, &["primary", "fallbacks"], |_| "a chain has a primary and fallbacks".to_owned());
    let fallbacks = notes.expect_list(at.get("fallbacks"));
    let has_fallbacks = !fallbacks.is_empty();
    let mut references = Vec::new();
    for at in at.get("primary").into_iter().chain(fallbacks) {
        let written = notes.expect_string(&at).and_then(|text| import_reference(text, &at, known, notes));
        references.extend(written.map(|reference| (at.path, reference)));
    }
    Some(ImportedChain { references, primary: at.path.join_key("primary"), has_fallbacks })
}

fn import_models(at: Option<Cursor<'_>>, known: &BTreeSet<String>, notes: &mut ImportNotes) -> Option<Value> {
    let mut models = Map::new();
    let mut places: Vec<(String, &str)> = Vec::new();
    for (name, at) in notes.expect_object(at)?.members() {
        if name.ends_with("/*") {
            notes.record_skipped(&at.path, "Moonrelay keeps no list of allowed models");
            continue;
        }
        let Some(at) = notes.expect_object(Some(at)) else { continue };
        // Check first whether it is here already: what is left out was not changed.
        let meant = canonical_reference(name);
        if let Some((_, first)) = places.iter().find(|(known, _)| *known == meant) {
            notes.record_skipped(&at.path, format!("it is the same model as {first}, which stands first"));
            continue;
        }
        let Some(reference) = import_reference(name, &at, known, notes) else { continue };
        notes.skip_others(&at, &["alias", "params"], |_| "Moonrelay has no such setting".to_owned());
        let mut kept = Map::new();
        for key in ["alias", "params"] {
            insert_non_empty(&mut kept, key, at.get(key).map(|at| at.node.value.to_json()));
        }
        places.push((meant, name));
        models.insert(reference, Value::Object(kept));
    }
    Some(Value::Object(models))
}

/// A reference with its provider in lower case and under its id here. The case of model ids counts: any may be one of
/// a provider that takes all.
fn canonical_reference(text: &str) -> String {
    let Some((provider, model)) = text.split_once('/') else { return text.to_owned() };
    let provider = provider.to_lowercase();
    format!("{}/{model}", catalog_id(&provider).unwrap_or(&provider))
}

/// A reference as it is written here; `None`, with a note, when its provider is not here.
fn import_reference(
    text: &str,
    at: &Cursor<'_>,
    known: &BTreeSet<String>,
    notes: &mut ImportNotes,
) -> Option<String> {
    // A name without a slash is an alias; whether it exists is checked at the end.
    let Some((provider, _)) = text.split_once('/') else { return Some(text.to_owned()) };
    let provider = provider.to_lowercase();
    if catalog_id(&provider).is_some() {
        let new = canonical_reference(text);
        notes.record_changed(&at.path, format!("{text} is {new} now"));
        return Some(new);
    }
    if known.contains(&provider) {
        return Some(text.to_owned());
    }
    let why = format!("{text}: there is no provider \"{provider}\" here: add it to models.providers");
    notes.record_skipped(&at.path, why);
    None
}
