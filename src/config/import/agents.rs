//! `agents.defaults`: the chain, names, parameters, thinking.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::providers::renamed;
use super::{Notes, insert};
use crate::config::file::At;

/// `agents`, with references to providers that Moonrelay has.
pub(super) fn agents(at: Option<&At<'_>>, known: &BTreeSet<String>, notes: &mut Notes) -> Option<Value> {
    let at = at?;
    notes.others(at, &["defaults"], |_| "Moonrelay has one agent: `agents.defaults`".to_owned());
    let defaults = at.get("defaults")?;
    let taken = ["model", "models", "thinkingDefault", "workspace"];
    notes.others(&defaults, &taken, |key| match key {
        "timeoutSeconds" => "set failover.timeouts.totalSeconds instead".to_owned(),
        _ => "it belongs to OpenClaw's agent".to_owned(),
    });
    let mut kept = Map::new();
    insert(&mut kept, "model", defaults.get("model").and_then(|at| chain(&at, known, notes)));
    insert(&mut kept, "models", defaults.get("models").map(|at| models(&at, known, notes)));
    for key in ["thinkingDefault", "workspace"] {
        insert(&mut kept, key, defaults.get(key).map(|at| at.node.value.to_json()));
    }
    Some(json!({ "defaults": kept }))
}

/// The chain without the references that nothing here answers; the next one takes the place of a primary.
fn chain(at: &At<'_>, known: &BTreeSet<String>, notes: &mut Notes) -> Option<Value> {
    if let Some(text) = at.text() {
        return reference(text, at, known, notes).map(Value::String);
    }
    notes.others(at, &["primary", "fallbacks"], |_| "a chain has a primary and fallbacks".to_owned());
    let primary_at = at.get("primary");
    let primary = primary_at.as_ref().and_then(|at| reference(at.text()?, at, known, notes));
    let elements = at.get("fallbacks").map(|at| at.elements()).unwrap_or_default();
    let mut references: Vec<String> = primary.iter().cloned().collect();
    references.extend(elements.iter().filter_map(|at| reference(at.text()?, at, known, notes)));
    let mut references = references.into_iter();
    let first = references.next()?;
    if let (None, Some(at)) = (&primary, &primary_at) {
        notes.changed(&at.path, format!("{first}, the first fallback, is the primary now"));
    }
    let fallbacks: Vec<String> = references.collect();
    if fallbacks.is_empty() && elements.is_empty() {
        return Some(json!({ "primary": first }));
    }
    Some(json!({ "primary": first, "fallbacks": fallbacks }))
}

fn models(at: &At<'_>, known: &BTreeSet<String>, notes: &mut Notes) -> Value {
    let mut models = Map::new();
    for (name, at) in at.members() {
        if name.ends_with("/*") {
            notes.left_out(&at.path, "Moonrelay keeps no list of allowed models");
            continue;
        }
        let Some(reference) = reference(name, &at, known, notes) else { continue };
        notes.others(&at, &["alias", "params"], |_| "Moonrelay has no such setting".to_owned());
        let mut kept = Map::new();
        for key in ["alias", "params"] {
            insert(&mut kept, key, at.get(key).map(|at| at.node.value.to_json()));
        }
        models.insert(reference, Value::Object(kept));
    }
    Value::Object(models)
}

/// A reference as it is written here; `None`, with a note, when its provider is not here.
fn reference(text: &str, at: &At<'_>, known: &BTreeSet<String>, notes: &mut Notes) -> Option<String> {
    // A name without a slash is an alias; whether it exists is checked at the end.
    let Some((provider, model)) = text.split_once('/') else { return Some(text.to_owned()) };
    let provider = provider.to_lowercase();
    if let Some(new) = renamed(&provider) {
        notes.changed(&at.path, format!("{text} is {new}/{model} now"));
        return Some(format!("{new}/{model}"));
    }
    if known.contains(&provider) {
        return Some(text.to_owned());
    }
    let why = format!("{text}: there is no provider \"{provider}\" here: add it to models.providers");
    notes.left_out(&at.path, why);
    None
}
