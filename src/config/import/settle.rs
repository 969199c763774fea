//! What would make the new configuration wrong is taken out of it.

use serde_json::{Value, json};

use super::agents::Chain;
use super::notes::{Note, Notes};
use super::providers;
use crate::config::environment::Environment;
use crate::config::from_text;
use crate::config::issue::Issue;
use crate::config::keypath::{KeyPath, Step};
use crate::config::schema::{ROOT, hide_secrets};

/// Where the chain stands.
const CHAIN: [&str; 3] = ["agents", "defaults", "model"];

/// Takes one wrong value out after the other: what is left may depend on it.
pub(super) fn settle(
    mut config: Value,
    mut chain: Option<Chain>,
    environment: &Environment,
    notes: &mut Notes,
) -> Value {
    // Each round takes something out, so it ends; the bound is for a mistake of ours.
    for _ in 0..10_000 {
        let Err(invalid) = from_text(&config.to_string(), None, environment) else { break };
        // Fallbacks before the primary: the one that takes its place shall be a good one.
        let fallback = invalid.issues.iter().find(|issue| link(issue).is_some_and(|number| number > 0));
        let Some(issue) = fallback.or(invalid.issues.first()) else { break };
        let path = KeyPath::parse(&issue.path).unwrap_or_default();
        let why = without_secrets(issue, find(&config, &path.0), &path);
        if let (Some(number), Some(links)) = (link(issue), &mut chain)
            && let Some((place, reference)) = links.remove(number)
        {
            let named = why.contains(&reference);
            notes.left_out(&place, if named { why } else { format!("{reference}: {why}") });
            write(links, &mut config);
            continue;
        }
        let Some(removed) = remove(&mut config, &path.0) else {
            notes.left_out(&KeyPath::default(), format!("{path}: {why}"));
            return json!({});
        };
        let place = KeyPath(path.0.iter().take(removed).cloned().collect());
        let why = if place == path { why } else { format!("{path}: {why}") };
        notes.left_out.push(Note { path: place.to_string(), why });
        providers::switch_off(&mut config, &path, notes);
    }
    if let Some(chain) = chain {
        chain.note_promotion(notes);
    }
    config
}

/// Which reference of the chain is wrong; the primary is 0.
fn link(issue: &Issue) -> Option<usize> {
    let path = KeyPath::parse(&issue.path).ok()?;
    let (start, end) = path.0.split_at_checked(CHAIN.len())?;
    if !start.iter().zip(CHAIN).all(|(step, key)| *step == Step::Key(key.to_owned())) {
        return None;
    }
    match end {
        [Step::Key(key)] if key == "primary" => Some(0),
        [Step::Key(key), Step::Index(index)] if key == "fallbacks" => Some(index + 1),
        _ => None,
    }
}

/// The chain as it is now.
fn write(chain: &Chain, config: &mut Value) {
    let Some(defaults) = config.pointer_mut("/agents/defaults").and_then(Value::as_object_mut) else {
        return;
    };
    match chain.to_json() {
        Some(model) => defaults.insert("model".to_owned(), model),
        None => defaults.shift_remove("model"),
    };
}

/// Messages show what is wrong; where that may hold a key they show it as it may be shown.
fn without_secrets(issue: &Issue, value: Option<&Value>, path: &KeyPath) -> String {
    let Some(Value::String(text)) = value.filter(|value| value.as_str() != Some("")) else {
        return issue.message.clone();
    };
    match hide_secrets(Value::String(text.clone()), ROOT.at(path)) {
        Value::String(shown) => issue.message.replace(text.as_str(), &shown),
        _ => issue.message.clone(),
    }
}

fn find<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// Removes the value at a path; the nearest value above it where it has no such member. Returns how many steps of the
/// path lead to what was removed.
fn remove(value: &mut Value, steps: &[Step]) -> Option<usize> {
    let (first, rest) = steps.split_first()?;
    let inner = match (first, &mut *value) {
        (Step::Key(key), Value::Object(object)) => object.get_mut(key),
        (Step::Index(index), Value::Array(list)) => list.get_mut(*index),
        _ => None,
    }?;
    if let Some(removed) = remove(inner, rest) {
        return Some(removed + 1);
    }
    match (first, value) {
        (Step::Key(key), Value::Object(object)) => object.shift_remove(key).map(drop)?,
        (Step::Index(index), Value::Array(list)) => drop(list.remove(*index)),
        _ => return None,
    }
    Some(1)
}
