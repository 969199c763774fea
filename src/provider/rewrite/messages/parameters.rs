//! `params` of the configuration, which use chat names, under the names of the Messages API.

use serde_json::{Value, json};

use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::parameters;

/// Fields that this API has under their own names, including OpenRouter's. Thinking fields are resolved with
/// thinking.
const NATIVE_FIELDS: [&str; 18] = [
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

/// Fills parameters that the client omitted; `dropped` names fields that the adapter drops anyway.
pub(super) fn fill_missing(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
    parameters::fill_mapped(draft, dropped, map_parameter);
}

/// The name and value in this API; `None` where it has no such parameter.
fn map_parameter(key: &str, value: Value) -> Option<(&'static str, Value)> {
    match key {
        "max_completion_tokens" => Some(("max_tokens", value)),
        "stop" if value.is_string() => Some(("stop_sequences", json!([value]))),
        "stop" => Some(("stop_sequences", value)),
        "tool_choice" => Some(("tool_choice", map_tool_choice(value)?)),
        _ => NATIVE_FIELDS.into_iter().find(|own| *own == key).map(|own| (own, value)),
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
