//! `params` of the configuration, which use chat names, under the names of the Responses API.

use serde_json::{Value, json};

use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::parameters;

/// Fields that this API has under their own names, including OpenRouter's. Thinking fields are resolved with
/// thinking.
const NATIVE_FIELDS: [&str; 21] = [
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

/// Fills parameters that the client omitted; `dropped` names fields that the adapter drops anyway.
pub(super) fn fill_missing(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
    parameters::fill_mapped(draft, dropped, map_parameter);
}

/// The name and value in this API; `None` where it has no such parameter.
fn map_parameter(key: &str, value: Value) -> Option<(&'static str, Value)> {
    match key {
        "max_tokens" | "max_completion_tokens" => Some(("max_output_tokens", value)),
        "tool_choice" => match value.get("function").and_then(|function| function.get("name")) {
            Some(name) => Some(("tool_choice", json!({"type": "function", "name": name}))),
            None => Some(("tool_choice", value)),
        },
        _ => NATIVE_FIELDS.into_iter().find(|own| *own == key).map(|own| (own, value)),
    }
}
