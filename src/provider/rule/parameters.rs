//! `params` of the configuration set what the client does not. They use chat names; the other APIs have their own.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::draft::RequestDraft;
use super::thinking::{self, ThinkingFields, ThinkingRequest};
use crate::catalog::MaxTokensField;
use crate::provider::rules::{self, Rule};

/// Names with the same meaning: a request that sets one has set the value.
const EQUIVALENT_FIELDS: [&[&str]; 2] =
    [&["max_tokens", "max_completion_tokens"], &["thinking", "reasoning_effort", "reasoning"]];

/// Fields that `params` cannot set.
pub(crate) const PROTECTED_FIELDS: [&str; 4] = ["model", "messages", "input", "stream"];

/// Fills omitted parameters; `dropped` names fields that the adapter drops anyway.
pub(crate) fn fill_missing(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
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
pub(crate) fn fill_mapped(
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

/// `extraBody` has more parameters; OpenClaw's camel-case names are converted.
pub(crate) fn flatten(params: &Map<String, Value>, into: &mut Vec<(String, Value)>) {
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

/// `thinking: true`, `"off"` and levels are short forms.
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

/// Fields of the Messages API under their own names, including OpenRouter's. Thinking fields are resolved with
/// thinking.
const MESSAGES_FIELDS: [&str; 18] = [
    "max_tokens",
    "metadata",
    "stop_sequences",
    "temperature",
    "top_k",
    "top_p",
    "tool_choice",
    "service_tier",
    "cache_control",
    "container",
    "context_management",
    "mcp_servers",
    "speed",
    "inference_geo",
    "provider",
    "models",
    "plugins",
    "session_id",
];

/// The same of the Responses API.
const RESPONSES_FIELDS: [&str; 21] = [
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_logprobs",
    "tool_choice",
    "parallel_tool_calls",
    "max_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "include",
    "text",
    "truncation",
    "metadata",
    "user",
    "provider",
    "models",
    "plugins",
    "session_id",
];

/// As [`fill_missing`], for the Messages API.
pub(crate) fn fill_missing_for_messages(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
    fill_mapped(draft, dropped, |key, value| match key {
        "max_completion_tokens" => Some(("max_tokens", value)),
        "stop" if value.is_string() => Some(("stop_sequences", json!([value]))),
        "stop" => Some(("stop_sequences", value)),
        "tool_choice" => Some(("tool_choice", map_tool_choice(value)?)),
        _ => MESSAGES_FIELDS.into_iter().find(|own| *own == key).map(|own| (own, value)),
    });
}

/// As [`fill_missing`], for the Responses API.
pub(crate) fn fill_missing_for_responses(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
    fill_mapped(draft, dropped, |key, value| match key {
        "max_tokens" | "max_completion_tokens" => Some(("max_output_tokens", value)),
        "tool_choice" => match value.get("function").and_then(|function| function.get("name")) {
            Some(name) => Some(("tool_choice", json!({"type": "function", "name": name}))),
            None => Some(("tool_choice", value)),
        },
        _ => RESPONSES_FIELDS.into_iter().find(|own| *own == key).map(|own| (own, value)),
    });
}

fn map_tool_choice(value: Value) -> Option<Value> {
    match &value {
        Value::String(word) => match word.as_str() {
            "required" => Some(json!({"type": "any"})),
            "auto" | "any" | "none" => Some(json!({"type": word})),
            _ => None,
        },
        Value::Object(members) => match members.get("function").and_then(|function| function.get("name")) {
            Some(name) => Some(json!({"type": "tool", "name": name})),
            None => Some(value),
        },
        _ => None,
    }
}

/// Subtracts the used tokens from the limit, under either name; returns whether any are left.
pub(crate) fn reduce_limit(draft: &mut RequestDraft<'_>, used: u64) -> bool {
    let mut has_room = true;
    for name in ["max_completion_tokens", "max_tokens", "max_output_tokens"] {
        let literal = draft.non_null_value(name).and_then(|literal| std::str::from_utf8(literal).ok());
        let Some(limit) = literal.and_then(|literal| literal.parse::<u64>().ok()) else { continue };
        has_room &= limit > used;
        if draft.set(name, limit.saturating_sub(used).to_string()) {
            draft.record_rule(rules::CONTINUATION);
        }
    }
    has_room
}

/// Renames the limit to the server's name; if both names are present, the value under the server's name is
/// used.
pub(crate) fn rename_limit(draft: &mut RequestDraft<'_>, wanted: MaxTokensField) {
    let (wanted, other) = match wanted {
        MaxTokensField::MaxCompletionTokens => ("max_completion_tokens", "max_tokens"),
        MaxTokensField::MaxTokens => ("max_tokens", "max_completion_tokens"),
    };
    let moved = match draft.non_null_value(wanted) {
        Some(_) => None,
        None => draft.non_null_value(other).map(Bytes::copy_from_slice),
    };
    let removed = draft.remove(other);
    let set = moved.is_some_and(|value| draft.set(wanted, value));
    if removed || set {
        draft.record_rule(rules::MAX_TOKENS);
    }
}

/// The requested thinking over an API other than chat, and the rule to record for the edits that follow from
/// it. The client's value comes first, then that of `params`, then `thinkingDefault`.
pub(crate) fn resolve_thinking(draft: &RequestDraft<'_>) -> (ThinkingRequest, Rule) {
    let fields = ThinkingFields::read(draft);
    if fields.resolve() != ThinkingRequest::Unspecified {
        return (fields.resolve(), rules::THINKING);
    }
    match (read_params(draft), draft.request().default_thinking) {
        (ThinkingRequest::Unspecified, Some(level)) => (level.into(), rules::THINKING_DEFAULT),
        (ThinkingRequest::Unspecified, None) => (ThinkingRequest::Unspecified, rules::THINKING),
        (requested, _) => (requested, rules::PARAMS),
    }
}

/// `params` are written for chat: `thinking`, `reasoning_effort` and `reasoning` in one.
fn read_params(draft: &RequestDraft<'_>) -> ThinkingRequest {
    let mut flat = Vec::new();
    flatten(draft.request().params, &mut flat);
    let of = |key: &str| flat.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let fields = ThinkingFields {
        thinking: of("thinking"),
        effort: of("reasoning_effort"),
        reasoning: of("reasoning"),
    };
    fields.resolve()
}
