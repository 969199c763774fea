//! The fields of a chat request beside the conversation.

use super::super::TranslationError;
use super::super::conversation::parameters::{Parameters, ResponseFormat};
use super::super::conversation::thinking::{ThinkingMode, ThinkingSettings};
use super::super::losses::{self, Loss, Losses};
use super::super::node::{JsonNode, ObjectNode};

/// Fields that are read, here or elsewhere.
const READ_FIELDS: [&str; 26] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "user",
    "safety_identifier",
    "metadata",
    "service_tier",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "verbosity",
    "usage",
];

/// Fields that are not read, and the loss of each.
const LOST_FIELDS: [(&str, Loss); 21] = [
    ("n", losses::CHOICES),
    ("seed", losses::SAMPLING),
    ("logprobs", losses::SAMPLING),
    ("top_logprobs", losses::SAMPLING),
    ("logit_bias", losses::SAMPLING),
    ("presence_penalty", losses::SAMPLING),
    ("frequency_penalty", losses::SAMPLING),
    ("repetition_penalty", losses::SAMPLING),
    ("min_p", losses::SAMPLING),
    ("top_a", losses::SAMPLING),
    ("modalities", losses::MODALITIES),
    ("audio", losses::MODALITIES),
    ("prediction", losses::MODALITIES),
    ("web_search_options", losses::HOSTED_TOOLS),
    ("store", losses::STORAGE),
    ("provider", losses::ROUTING),
    ("models", losses::ROUTING),
    ("plugins", losses::ROUTING),
    ("transforms", losses::ROUTING),
    ("session_id", losses::ROUTING),
    ("cache_control", losses::CACHE_CONTROL),
];

/// # Errors
/// When a field has a value that no provider accepts.
pub(super) fn read_parameters<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Parameters<'t>, TranslationError> {
    if top.get("functions").is_some() {
        return Err(TranslationError::new("is the old form of `tools`; send that").within("functions"));
    }
    losses.record_unread_fields(top, &READ_FIELDS, &LOST_FIELDS);
    let raw = |key: &str| top.get(key).map(JsonNode::raw);
    let mut knobs = Parameters::from_openai_fields(top);
    // The second is the old name; the first wins (Moonshot API reference, 2026-09-23).
    knobs.max_tokens = raw("max_completion_tokens").or_else(|| raw("max_tokens"));
    knobs.top_k = raw("top_k");
    knobs.verbosity = raw("verbosity");
    knobs.stop_sequences = match top.get("stop") {
        Some(one) if one.literal().is_some() => one.literal().into_iter().collect(),
        _ => top.strings("stop")?,
    };
    let format = top.object("response_format")?;
    knobs.response_format = match format.as_ref().and_then(|format| format.string("type")).as_deref() {
        Some("json_object") => Some(ResponseFormat::JsonObject),
        Some("json_schema") => format
            .and_then(|format| format.get("json_schema")?.object().ok())
            .as_ref()
            .and_then(ResponseFormat::from_schema_object),
        _ => None,
    };
    Ok(knobs)
}

/// Kimi's `thinking`, OpenAI's `reasoning_effort`, OpenRouter's `reasoning`.
pub(super) fn read_thinking<'t>(top: &ObjectNode<'t>, losses: &mut Losses) -> ThinkingSettings<'t> {
    let mut wish = ThinkingSettings::default();
    if let Some(thinking) = top.get("thinking").and_then(|node| node.object().ok()) {
        wish.mode = match thinking.string("type").as_deref() {
            Some("disabled") => Some(ThinkingMode::Off),
            Some("enabled") => Some(ThinkingMode::On),
            Some("adaptive" | "auto") => Some(ThinkingMode::Adaptive),
            _ => None,
        };
        wish.set_effort(thinking.get("effort"));
        wish.budget_tokens = thinking.get("budget_tokens").and_then(JsonNode::as_u64);
        losses.record_if(thinking.get("keep").is_some(), losses::THINKING_KEEP);
    }
    wish.set_effort(top.get("reasoning_effort"));
    if let Some(reasoning) = top.get("reasoning").and_then(|node| node.object().ok()) {
        wish.set_effort(reasoning.get("effort"));
        if let Some(flag) = reasoning.get("enabled").and_then(JsonNode::as_bool) {
            wish.mode = wish.mode.or(Some(if flag { ThinkingMode::On } else { ThinkingMode::Off }));
        }
        wish.budget_tokens =
            wish.budget_tokens.or_else(|| reasoning.get("max_tokens").and_then(JsonNode::as_u64));
        wish.summary = reasoning.string("summary");
        losses.record_if(reasoning.get("exclude").is_some_and(JsonNode::is_true), losses::THINKING_DETAIL);
    }
    wish
}
