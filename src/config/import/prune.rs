//! What would make the new configuration wrong is taken out of it.

use serde_json::{Value, json};

use super::agents::ImportedChain;
use super::notes::{ImportNote, ImportNotes};
use super::providers;
use crate::config::environment::Environment;
use crate::config::from_text;
use crate::config::issue::Issue;
use crate::config::keypath::{KeyPath, PathSegment};
use crate::config::schema::{ROOT, redact_secrets};

/// Where the chain is.
const CHAIN_PATH: [&str; 3] = ["agents", "defaults", "model"];

/// Removes one wrong value at a time, because the others may depend on it.
pub(super) fn prune_invalid(
    mut config: Value,
    mut chain: Option<ImportedChain>,
    environment: &Environment,
    notes: &mut ImportNotes,
) -> Value {
    // Each round takes something out, so it ends; the bound is for a mistake of ours.
    for _ in 0..10_000 {
        let Err(invalid) = from_text(&config.to_string(), None, environment) else { break };
        // Fallbacks before the primary, because the fallback that replaces the primary must be valid.
        let fallback =
            invalid.issues.iter().find(|issue| chain_index(issue).is_some_and(|number| number > 0));
        let Some(issue) = fallback.or(invalid.issues.first()) else { break };
        let path = KeyPath::parse(&issue.path).unwrap_or_default();
        let why = redact_message(issue, find_value(&config, &path.0), &path);
        if let (Some(number), Some(links)) = (chain_index(issue), &mut chain)
            && let Some((place, reference)) = links.remove(number)
        {
            let named = why.contains(&reference);
            notes.record_skipped(&place, if named { why } else { format!("{reference}: {why}") });
            write_chain(links, &mut config);
            continue;
        }
        let Some(removed) = remove_nearest(&mut config, &path.0) else {
            notes.record_skipped(&KeyPath::default(), format!("{path}: {why}"));
            return json!({});
        };
        let place = KeyPath(path.0.iter().take(removed).cloned().collect());
        let why = if place == path { why } else { format!("{path}: {why}") };
        notes.skipped.push(ImportNote { path: place.to_string(), reason: why });
        providers::disable_provider(&mut config, &path, notes);
    }
    if let Some(chain) = chain {
        chain.record_promotion(notes);
    }
    config
}

/// Which reference of the chain is wrong; the primary is 0.
fn chain_index(issue: &Issue) -> Option<usize> {
    let path = KeyPath::parse(&issue.path).ok()?;
    let (start, end) = path.0.split_at_checked(CHAIN_PATH.len())?;
    if !start.iter().zip(CHAIN_PATH).all(|(step, key)| *step == PathSegment::Key(key.to_owned())) {
        return None;
    }
    match end {
        [PathSegment::Key(key)] if key == "primary" => Some(0),
        [PathSegment::Key(key), PathSegment::Index(index)] if key == "fallbacks" => Some(index + 1),
        _ => None,
    }
}

/// The chain as it is now.
fn write_chain(chain: &ImportedChain, config: &mut Value) {
    let Some(defaults) = config.pointer_mut("/agents/defaults").and_then(Value::as_object_mut) else {
        return;
    };
    match chain.to_json() {
        Some(model) => defaults.insert("model".to_owned(), model),
        None => defaults.shift_remove("model"),
    };
}

/// Messages show what is wrong; where that may hold a key they show it as it may be shown.
fn redact_message(issue: &Issue, value: Option<&Value>, path: &KeyPath) -> String {
    let Some(Value::String(text)) = value.filter(|value| value.as_str() != Some("")) else {
        return issue.message.clone();
    };
    match redact_secrets(Value::String(text.clone()), ROOT.shape_at(path)) {
        Value::String(shown) => issue.message.replace(text.as_str(), &shown),
        _ => issue.message.clone(),
    }
}

fn find_value<'v>(value: &'v Value, steps: &[PathSegment]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match step {
        PathSegment::Key(key) => value.get(key),
        PathSegment::Index(index) => value.get(index),
    })
}

/// Removes the value at a path; the nearest value above it where it has no such member. Returns how many steps of the
/// path lead to what was removed.
fn remove_nearest(value: &mut Value, steps: &[PathSegment]) -> Option<usize> {
    let (first, rest) = steps.split_first()?;
    let inner = match (first, &mut *value) {
        (PathSegment::Key(key), Value::Object(object)) => object.get_mut(key),
        (PathSegment::Index(index), Value::Array(list)) => list.get_mut(*index),
        _ => None,
    }?;
    if let Some(removed) = remove_nearest(inner, rest) {
        return Some(removed + 1);
    }
    match (first, value) {
        (PathSegment::Key(key), Value::Object(object)) => object.shift_remove(key).map(drop)?,
        (PathSegment::Index(index), Value::Array(list)) => drop(list.remove(*index)),
        _ => return None,
    }
    Some(1)
}
