//! `tool_choice` with thinking: Moonshot rejects a forced call while the model thinks.

use serde_json::Value;

use super::draft::RequestDraft;
use super::thinking::{ThinkingFields, ThinkingRequest};
use super::thinking_settings::{DISABLED, set_effort};
use crate::catalog::{AdapterId, ThinkingControl};
use crate::protocol::api::Api;
use crate::provider::rules;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForcedToolChoice {
    NotForced,
    AnyTool,
    PinnedTool,
}

pub(crate) fn read_forced_choice(draft: &RequestDraft<'_>) -> ForcedToolChoice {
    match choice_type(draft).as_deref() {
        Some("required" | "any") => ForcedToolChoice::AnyTool,
        Some("function" | "tool" | "custom") => ForcedToolChoice::PinnedTool,
        _ => ForcedToolChoice::NotForced,
    }
}

/// Whether it pins a tool by its type, not by a name (responses).
pub(crate) fn pins_hosted_tool(draft: &RequestDraft<'_>) -> bool {
    const KNOWN: [&str; 8] =
        ["auto", "none", "required", "any", "function", "tool", "custom", "allowed_tools"];
    choice_type(draft).is_some_and(|word| !KNOWN.contains(&word.as_str()))
}

fn choice_type(draft: &RequestDraft<'_>) -> Option<String> {
    match draft.parsed_value("tool_choice")? {
        Value::String(word) => Some(word),
        Value::Object(members) => members.get("type").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

pub(crate) fn reset_to_auto(draft: &mut RequestDraft<'_>, rule: rules::Rule) {
    let auto = match draft.body().api {
        Api::ChatCompletions | Api::Responses => "\"auto\"",
        Api::Messages => r#"{"type":"auto"}"#,
    };
    draft.set(rule, "tool_choice", auto);
}

/// Resolves the conflict of a forced tool call with thinking, over Chat Completions and Messages. Returns whether the
/// model may think afterwards.
pub(crate) fn resolve_conflict(draft: &mut RequestDraft<'_>, adapter: AdapterId, may_think: bool) -> bool {
    let is_messages = draft.body().api == Api::Messages;
    let control = draft.request.model.thinking_control;
    let is_unknown = matches!(control, ThinkingControl::None | ThinkingControl::Unknown)
        && (!is_messages || adapter == AdapterId::Moonshot);
    let requested = ThinkingFields::read(draft).resolve();
    if !may_think || (is_unknown && matches!(requested, ThinkingRequest::Off | ThinkingRequest::Unspecified))
    {
        return may_think;
    }
    let can_be_off = control == ThinkingControl::Switch
        || (control == ThinkingControl::Effort && adapter == AdapterId::Moonshot);
    match read_forced_choice(draft) {
        // Moonshot accepts it with thinking (reported 2026-09); for Kimi Code this is not documented.
        ForcedToolChoice::AnyTool if is_messages && adapter == AdapterId::Moonshot => {}
        ForcedToolChoice::AnyTool => reset_to_auto(draft, rules::TOOL_CHOICE),
        ForcedToolChoice::PinnedTool if can_be_off => {
            draft.set(rules::TOOL_CHOICE_PINNED, "thinking", DISABLED);
            set_effort(draft, rules::TOOL_CHOICE_PINNED, None);
            return false;
        }
        ForcedToolChoice::PinnedTool => reset_to_auto(draft, rules::TOOL_CHOICE_PINNED),
        ForcedToolChoice::NotForced => {}
    }
    may_think
}
