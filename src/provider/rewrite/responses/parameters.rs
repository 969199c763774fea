//! `params` of the configuration, which are written for chat, under the names that this face has for them.

use serde_json::{Value, json};

use crate::provider::rewrite::draft::Draft;
use crate::provider::rewrite::params;

/// Members that this face has under their own names, OpenRouter's among them; what thinking asks for is settled with it.
const OWN: [&str; 21] = [
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
pub(super) fn fill(draft: &mut Draft<'_>, dropped: &[&str]) {
    params::fill_as(draft, dropped, named);
}

/// The name and value of this face; `None` for what it has no place for.
fn named(key: &str, value: Value) -> Option<(&'static str, Value)> {
    match key {
        "max_tokens" | "max_completion_tokens" => Some(("max_output_tokens", value)),
        "tool_choice" => match value.get("function").and_then(|function| function.get("name")) {
            Some(name) => Some(("tool_choice", json!({"type": "function", "name": name}))),
            None => Some(("tool_choice", value)),
        },
        _ => OWN.into_iter().find(|own| *own == key).map(|own| (own, value)),
    }
}
