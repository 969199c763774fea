//! The fields of a responses request beside the conversation.

use super::super::TranslationError;
use super::super::conversation::parameters::{Parameters, ResponseFormat};
use super::super::conversation::thinking::ThinkingSettings;
use super::super::losses::{self, Loss, Losses};
use super::super::node::{JsonNode, ObjectNode};

/// Fields that are read, here or elsewhere. `client_metadata` is for Codex's own server.
const READ_FIELDS: [&str; 23] = [
    "model",
    "input",
    "instructions",
    "max_output_tokens",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "user",
    "safety_identifier",
    "metadata",
    "service_tier",
    "text",
    "reasoning",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "client_metadata",
    "include",
];

/// Fields that are not read, and the loss of each.
const LOST_FIELDS: [(&str, Loss); 10] = [
    ("store", losses::STORAGE),
    ("background", losses::STORAGE),
    ("truncation", losses::STORAGE),
    ("max_tool_calls", losses::HOSTED_TOOLS),
    ("top_logprobs", losses::SAMPLING),
    ("presence_penalty", losses::SAMPLING),
    ("frequency_penalty", losses::SAMPLING),
    ("context_management", losses::CONTEXT_MANAGEMENT),
    ("provider", losses::ROUTING),
    ("models", losses::ROUTING),
];

/// # Errors
/// When a field has a value that no provider accepts.
pub(super) fn read_parameters<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Parameters<'t>, TranslationError> {
    losses.record_unread_fields(top, &READ_FIELDS, &LOST_FIELDS);
    // Encrypted reasoning is always included.
    let is_carried =
        |item: &JsonNode<'_>| item.string().is_some_and(|item| item == "reasoning.encrypted_content");
    losses.record_if(!top.list("include")?.iter().all(is_carried), losses::STORAGE);
    let mut knobs = Parameters::from_openai_fields(top);
    knobs.max_tokens = top.get("max_output_tokens").map(JsonNode::raw);
    knobs.top_k = top.get("top_k").map(JsonNode::raw);
    if let Some(text) = top.object("text")? {
        knobs.verbosity = text.get("verbosity").map(JsonNode::raw);
        let format = text.object("format").map_err(|wrong| wrong.within("text"))?;
        knobs.response_format = match format.as_ref().and_then(|format| format.string("type")).as_deref() {
            Some("json_object") => Some(ResponseFormat::JsonObject),
            Some("json_schema") => format.as_ref().and_then(ResponseFormat::from_schema_object),
            _ => None,
        };
    }
    Ok(knobs)
}

/// `reasoning`.
pub(super) fn read_thinking<'t>(top: &ObjectNode<'t>, losses: &mut Losses) -> ThinkingSettings<'t> {
    let mut wish = ThinkingSettings::default();
    if let Some(reasoning) = top.get("reasoning").and_then(|node| node.object().ok()) {
        wish.set_effort(reasoning.get("effort"));
        wish.budget_tokens = reasoning.get("max_tokens").and_then(JsonNode::as_u64);
        wish.summary = reasoning.string("summary").or_else(|| reasoning.string("generate_summary"));
        losses.record_if(wish.summary.is_some(), losses::THINKING_DETAIL);
    }
    wish
}
