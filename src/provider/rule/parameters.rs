//! `params` of the configuration set what the client does not. They use chat names; the other APIs have their own.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::draft::RequestDraft;
use super::thinking::{self, ThinkingFields, ThinkingRequest};
use crate::catalog::MaxTokensField;
use crate::protocol::api::Api;
use crate::provider::rules::{self, Rule};

/// Names with the same meaning: a request that sets one has set the value.
const EQUIVALENT_FIELDS: [&[&str]; 2] =
    [&["max_tokens", "max_completion_tokens"], &["thinking", "reasoning_effort", "reasoning"]];

/// Fields that `params` cannot set.
const PROTECTED_FIELDS: [&str; 4] = ["model", "messages", "input", "stream"];

/// Fields of the Messages API under their own names, including OpenRouter's. Thinking fields are resolved with
/// thinking.
const MESSAGES_FIELDS: &str = "max_tokens metadata stop_sequences temperature top_k top_p service_tier cache_control \
    container context_management mcp_servers speed inference_geo provider models plugins session_id";

/// The same of the Responses API.
const RESPONSES_FIELDS: &str = "max_output_tokens temperature top_p top_logprobs parallel_tool_calls max_tool_calls \
    prompt_cache_key prompt_cache_retention safety_identifier service_tier store include text truncation metadata user \
    provider models plugins session_id";

/// Fills omitted parameters; `dropped` names fields that the adapter drops anyway.
pub(crate) fn fill_missing(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
    let api = draft.body().api;
    let is_missing = |key: &str| match EQUIVALENT_FIELDS.iter().find(|names| names.contains(&key)) {
        Some(names) if api == Api::ChatCompletions => {
            names.iter().all(|name| draft.non_null_value(name).is_none())
        }
        _ => draft.value(key).is_none(),
    };
    let missing: Vec<_> = flatten_params(draft)
        .into_iter()
        .filter_map(|(key, value)| convert(api, key, value))
        .filter(|(key, _)| !PROTECTED_FIELDS.contains(&&**key) && !dropped.contains(&&**key))
        .filter(|(key, _)| is_missing(key))
        .collect();
    for (key, value) in missing {
        // Two chat names may have one name in another API: the first one counts.
        if api == Api::ChatCompletions || draft.value(&key).is_none() {
            draft.set(rules::PARAMS, &key, value.to_string());
        }
    }
}

/// A parameter's name and value in an API. `None` where the API has no such field.
fn convert(api: Api, key: String, value: Value) -> Option<(String, Value)> {
    let (name, value) = match (api, key.as_str()) {
        (Api::Messages, "max_completion_tokens") => ("max_tokens", value),
        (Api::Messages, "stop") if value.is_string() => ("stop_sequences", json!([value])),
        (Api::Messages, "stop") => ("stop_sequences", value),
        (Api::Messages, "tool_choice") => ("tool_choice", map_tool_choice(value)?),
        (Api::Responses, "max_tokens" | "max_completion_tokens") => ("max_output_tokens", value),
        (Api::Responses, "tool_choice") => match value.pointer("/function/name") {
            Some(name) => ("tool_choice", json!({"type": "function", "name": name})),
            None => ("tool_choice", value),
        },
        (Api::Messages, name) if !MESSAGES_FIELDS.split(' ').any(|own| own == name) => return None,
        (Api::Responses, name) if !RESPONSES_FIELDS.split(' ').any(|own| own == name) => return None,
        (_, name) => (name, value),
    };
    Some((name.to_owned(), value))
}

fn flatten_params(draft: &RequestDraft<'_>) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    flatten(draft.request.params, &mut flat);
    flat
}

/// `extraBody` has more parameters; OpenClaw's camel-case names are converted.
fn flatten(params: &Map<String, Value>, into: &mut Vec<(String, Value)>) {
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
        let Some(limit) = draft.parsed_value::<u64>(name) else { continue };
        has_room &= limit > used;
        draft.set(rules::CONTINUATION, name, limit.saturating_sub(used).to_string());
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
    draft.remove(rules::MAX_TOKENS, other);
    if let Some(value) = moved {
        draft.set(rules::MAX_TOKENS, wanted, value);
    }
}

/// The requested thinking, and the rule to record for the edits that follow from it. The client's value comes first, then
/// that of `params`, then `thinkingDefault`.
pub(crate) fn resolve_thinking(draft: &RequestDraft<'_>) -> (ThinkingRequest, Rule) {
    let own = ThinkingFields::read(draft).resolve();
    // Over chat, `params` have set the fields already.
    let configured = match draft.body().api {
        Api::ChatCompletions => ThinkingRequest::Unspecified,
        Api::Messages | Api::Responses => read_params(draft),
    };
    match (own, configured, draft.request.default_thinking) {
        (ThinkingRequest::Unspecified, ThinkingRequest::Unspecified, Some(level)) => {
            (level.into(), rules::THINKING_DEFAULT)
        }
        (ThinkingRequest::Unspecified, ThinkingRequest::Unspecified, None) => (own, rules::THINKING),
        (ThinkingRequest::Unspecified, configured, _) => (configured, rules::PARAMS),
        (own, ..) => (own, rules::THINKING),
    }
}

/// `params` are written for chat: `thinking`, `reasoning_effort` and `reasoning` in one.
fn read_params(draft: &RequestDraft<'_>) -> ThinkingRequest {
    let flat = flatten_params(draft);
    let of = |key: &str| flat.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let (thinking, effort, reasoning) = (of("thinking"), of("reasoning_effort"), of("reasoning"));
    ThinkingFields { thinking, effort, reasoning }.resolve()
}

/// Records whether the request asks for a prompt cache of an hour.
pub(crate) fn record_cache_lifetime(draft: &mut RequestDraft<'_>) {
    let options = draft.parsed_value::<Value>("prompt_cache_options");
    let ttl = options.as_ref().and_then(|options| options.get("ttl")?.as_str());
    draft.answer_plan.caches_for_an_hour = ttl == Some("1h");
}
