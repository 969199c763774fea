//! `params` of the configuration fill what the client left out.

use serde_json::{Map, Value, json};

use super::draft::RequestDraft;
use super::rules;
use super::thinking::{self, ThinkingRequest};

/// Names with the same meaning: a request that sets one has set the value.
const EQUIVALENT_FIELDS: [&[&str]; 2] =
    [&["max_tokens", "max_completion_tokens"], &["thinking", "reasoning_effort", "reasoning"]];

/// What the relay decides, whatever the configuration says.
pub(super) const PROTECTED_FIELDS: [&str; 4] = ["model", "messages", "input", "stream"];

/// Fills omitted parameters; `dropped` names fields that the adapter drops anyway.
pub(in crate::provider) fn fill_missing(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
    let mut flat = Vec::new();
    flatten(draft.request().params, &mut flat);
    let missing: Vec<_> = flat
        .into_iter()
        .filter(|(key, _)| !PROTECTED_FIELDS.contains(&key.as_str()) && !dropped.contains(&key.as_str()))
        .filter(|(key, _)| {
            let same = EQUIVALENT_FIELDS.iter().find(|names| names.contains(&key.as_str()));
            match same {
                Some(names) => names.iter().all(|name| draft.non_null_value(name).is_none()),
                None => draft.value(key).is_none(),
            }
        })
        .collect();
    for (key, value) in missing {
        if draft.set(&key, value.to_string()) {
            draft.record_rule(rules::PARAMS);
        }
    }
}

/// As [`fill_missing`], for an API with other names. `named` returns a field's name and value in that API, or `None`
/// where the API has no such field.
pub(super) fn fill_mapped(
    draft: &mut RequestDraft<'_>,
    dropped: &[&str],
    named: impl Fn(&str, Value) -> Option<(&'static str, Value)>,
) {
    let mut flat = Vec::new();
    flatten(draft.request().params, &mut flat);
    for (key, value) in flat.into_iter().filter_map(|(key, value)| named(&key, value)) {
        if !dropped.contains(&key) && draft.value(key).is_none() && draft.set(key, value.to_string()) {
            draft.record_rule(rules::PARAMS);
        }
    }
}

/// `extraBody` holds more of the same; names that OpenClaw writes in camel case get the wire's.
pub(super) fn flatten(params: &Map<String, Value>, into: &mut Vec<(String, Value)>) {
    for (key, value) in params {
        let name = match (key.as_str(), value) {
            ("extraBody" | "extra_body", Value::Object(more)) => {
                flatten(more, into);
                continue;
            }
            (_, Value::Null) => continue,
            ("thinking", other) => {
                into.extend(expand_thinking(other));
                continue;
            }
            ("maxTokens", _) => "max_tokens",
            ("maxCompletionTokens", _) => "max_completion_tokens",
            ("reasoningEffort", _) => "reasoning_effort",
            ("topP", _) => "top_p",
            ("toolChoice", _) => "tool_choice",
            (other, _) => other,
        };
        into.push((name.to_owned(), value.clone()));
    }
}

/// `thinking: true`, `"off"` or a level are short for what the wire has.
fn expand_thinking(thinking: &Value) -> Option<(String, Value)> {
    if thinking.is_object() {
        return Some(("thinking".to_owned(), thinking.clone()));
    }
    match thinking::parse_value(Some(thinking)) {
        ThinkingRequest::Unspecified => None,
        ThinkingRequest::Off => Some(("thinking".to_owned(), json!({"type": "disabled"}))),
        ThinkingRequest::On => Some(("thinking".to_owned(), json!({"type": "enabled"}))),
        ThinkingRequest::Level(level) => Some(("reasoning_effort".to_owned(), json!(level.as_str()))),
    }
}
