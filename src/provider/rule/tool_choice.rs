//! `tool_choice` with thinking: Moonshot rejects a forced call while the model thinks.

use serde_json::Value;

use super::draft::RequestDraft;
use super::messages_thinking;
use super::thinking::{ThinkingFields, ThinkingRequest};
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
    let choice =
        draft.non_null_value("tool_choice").and_then(|text| serde_json::from_slice::<Value>(text).ok());
    match choice? {
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
    if draft.set("tool_choice", auto) {
        draft.record_rule(rule);
    }
}

/// Resolves the conflict of a forced tool call with thinking. Returns whether the model may think afterwards.
pub(crate) fn resolve_for_chat(draft: &mut RequestDraft<'_>, may_think: bool, can_be_off: bool) -> bool {
    let forced = read_forced_choice(draft);
    let is_known_to_think = match draft.request().model.thinking_control {
        ThinkingControl::None | ThinkingControl::Unknown => !matches!(
            ThinkingFields::read(draft).resolve(),
            ThinkingRequest::Off | ThinkingRequest::Unspecified
        ),
        ThinkingControl::Switch | ThinkingControl::Always | ThinkingControl::Effort => may_think,
    };
    match forced {
        ForcedToolChoice::AnyTool if is_known_to_think => reset_to_auto(draft, rules::TOOL_CHOICE),
        ForcedToolChoice::PinnedTool if is_known_to_think && can_be_off => {
            draft.set("thinking", r#"{"type":"disabled"}"#);
            draft.remove("reasoning_effort");
            draft.record_rule(rules::TOOL_CHOICE_PINNED);
            return false;
        }
        ForcedToolChoice::PinnedTool if is_known_to_think => {
            reset_to_auto(draft, rules::TOOL_CHOICE_PINNED);
        }
        _ => {}
    }
    may_think
}

/// As [`resolve_for_chat`], over the Messages API. Moonshot accepts `any` with thinking (reported 2026-09); for Kimi Code this is not documented.
pub(crate) fn resolve_for_messages(
    adapter: AdapterId,
    draft: &mut RequestDraft<'_>,
    may_think: bool,
) -> bool {
    let can_be_off = match draft.request().model.thinking_control {
        ThinkingControl::Switch => true,
        ThinkingControl::Effort => adapter == AdapterId::Moonshot,
        _ => false,
    };
    let is_unknown =
        matches!(draft.request().model.thinking_control, ThinkingControl::None | ThinkingControl::Unknown);
    if is_unknown
        && adapter == AdapterId::Moonshot
        && ThinkingFields::read(draft).resolve() == ThinkingRequest::Unspecified
    {
        return may_think;
    }
    match read_forced_choice(draft) {
        ForcedToolChoice::AnyTool if may_think && adapter == AdapterId::KimiCode => {
            reset_to_auto(draft, rules::TOOL_CHOICE);
        }
        ForcedToolChoice::PinnedTool if may_think && can_be_off => {
            draft.set("thinking", messages_thinking::DISABLED);
            messages_thinking::set_effort(draft, None);
            draft.record_rule(rules::TOOL_CHOICE_PINNED);
            return false;
        }
        ForcedToolChoice::PinnedTool if may_think => reset_to_auto(draft, rules::TOOL_CHOICE_PINNED),
        _ => {}
    }
    may_think
}
