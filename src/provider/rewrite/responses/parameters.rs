//! `params` of the configuration, which are written for chat, under the names that this face has for them.

use serde_json::{Value, json};

use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::parameters;

/// Members that this face has under their own names, OpenRouter's among them; what thinking asks for is settled with it.
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

/// Fills what the client left out; `dropped` names fields that the dialect drops anyway.
pub(super) fn fill_missing(draft: &mut RequestDraft<'_>, dropped: &[&str]) {
    parameters::fill_mapped(draft, dropped, map_parameter);
}

/// The name and value of this face; `None` for what it has no place for.
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
