//! The fields of a responses request beside the conversation.

use super::super::Untranslatable;
use super::super::conversation::knobs::{Format, Knobs};
use super::super::conversation::thinking::Thinking;
use super::super::losses::{self, Loss, Losses};
use super::super::node::{Node, Object};

/// Fields that are read, here or elsewhere. `client_metadata` is Codex's word to its own server.
const READ: [&str; 23] = [
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

/// Fields that are not, and what that loses.
const LOST: [(&str, Loss); 10] = [
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
/// When a field holds what no provider could take.
pub(super) fn knobs<'t>(top: &Object<'t>, losses: &mut Losses) -> Result<Knobs<'t>, Untranslatable> {
    losses.note_unread(top, &READ, &LOST);
    // Sealed reasoning comes along anyway.
    let is_carried =
        |item: &Node<'_>| item.string().is_some_and(|item| item == "reasoning.encrypted_content");
    losses.note_if(!top.list("include")?.iter().all(is_carried), losses::STORAGE);
    let mut knobs = Knobs::of_openai(top);
    knobs.max_tokens = top.get("max_output_tokens").map(Node::raw);
    knobs.top_k = top.get("top_k").map(Node::raw);
    if let Some(text) = top.object("text")? {
        knobs.verbosity = text.get("verbosity").map(Node::raw);
        let format = text.object("format").map_err(|wrong| wrong.within("text"))?;
        knobs.format = match format.as_ref().and_then(|format| format.string("type")).as_deref() {
            Some("json_object") => Some(Format::Json),
            Some("json_schema") => format.as_ref().and_then(Format::of_schema),
            _ => None,
        };
    }
    Ok(knobs)
}

/// `reasoning`.
pub(super) fn thinking<'t>(top: &Object<'t>, losses: &mut Losses) -> Thinking<'t> {
    let mut wish = Thinking::default();
    if let Some(reasoning) = top.get("reasoning").and_then(|node| node.object().ok()) {
        wish.set_word(reasoning.get("effort"));
        wish.budget = reasoning.get("max_tokens").and_then(Node::count);
        wish.summary = reasoning.string("summary").or_else(|| reasoning.string("generate_summary"));
        losses.note_if(wish.summary.is_some(), losses::THINKING_DETAIL);
    }
    wish
}
