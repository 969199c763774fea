//! The fields of a chat request beside the conversation.

use super::super::Untranslatable;
use super::super::conversation::knobs::{Format, Knobs};
use super::super::conversation::thinking::{Switch, Thinking};
use super::super::losses::{self, Loss, Losses};
use super::super::node::{Node, Object};

/// Fields that are read, here or elsewhere.
const READ: [&str; 26] = [
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

/// Fields that are not, and what that loses.
const LOST: [(&str, Loss); 21] = [
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
/// When a field holds what no provider could take.
pub(super) fn knobs<'t>(top: &Object<'t>, losses: &mut Losses) -> Result<Knobs<'t>, Untranslatable> {
    if top.get("functions").is_some() {
        return Err(Untranslatable::new("is the old form of `tools`; send that").within("functions"));
    }
    losses.note_unread(top, &READ, &LOST);
    let raw = |key: &str| top.get(key).map(Node::raw);
    let mut knobs = Knobs::of_openai(top);
    // The second is the old name; the first wins (Moonshot API reference, 2026-09-23).
    knobs.max_tokens = raw("max_completion_tokens").or_else(|| raw("max_tokens"));
    knobs.top_k = raw("top_k");
    knobs.verbosity = raw("verbosity");
    knobs.stops = match top.get("stop") {
        Some(one) if one.literal().is_some() => one.literal().into_iter().collect(),
        _ => top.strings("stop")?,
    };
    let format = top.object("response_format")?;
    knobs.format = match format.as_ref().and_then(|format| format.string("type")).as_deref() {
        Some("json_object") => Some(Format::Json),
        Some("json_schema") => format
            .and_then(|format| format.get("json_schema")?.object().ok())
            .as_ref()
            .and_then(Format::of_schema),
        _ => None,
    };
    Ok(knobs)
}

/// Kimi's `thinking`, OpenAI's `reasoning_effort`, OpenRouter's `reasoning`.
pub(super) fn thinking<'t>(top: &Object<'t>, losses: &mut Losses) -> Thinking<'t> {
    let mut wish = Thinking::default();
    if let Some(thinking) = top.get("thinking").and_then(|node| node.object().ok()) {
        wish.switch = match thinking.string("type").as_deref() {
            Some("disabled") => Some(Switch::Off),
            Some("enabled") => Some(Switch::On),
            Some("adaptive" | "auto") => Some(Switch::Adaptive),
            _ => None,
        };
        wish.set_word(thinking.get("effort"));
        wish.budget = thinking.get("budget_tokens").and_then(Node::count);
        losses.note_if(thinking.get("keep").is_some(), losses::THINKING_KEEP);
    }
    wish.set_word(top.get("reasoning_effort"));
    if let Some(reasoning) = top.get("reasoning").and_then(|node| node.object().ok()) {
        wish.set_word(reasoning.get("effort"));
        if let Some(flag) = reasoning.get("enabled").and_then(Node::flag) {
            wish.switch = wish.switch.or(Some(if flag { Switch::On } else { Switch::Off }));
        }
        wish.budget = wish.budget.or_else(|| reasoning.get("max_tokens").and_then(Node::count));
        wish.summary = reasoning.string("summary");
        losses.note_if(reasoning.get("exclude").is_some_and(Node::is_true), losses::THINKING_DETAIL);
    }
    wish
}
