//! `tool_choice` beside thinking: Moonshot refuses to force a call while the model thinks.

use serde_json::Value;

use super::draft::RequestDraft;
use super::rules;
use crate::protocol::api::Api;

/// How a request forces a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum ForcedToolChoice {
    /// It does not.
    NotForced,
    /// Any tool.
    AnyTool,
    /// This one.
    PinnedTool,
}

/// What `tool_choice` requires.
pub(in crate::provider) fn read_forced_choice(draft: &RequestDraft<'_>) -> ForcedToolChoice {
    match choice_type(draft).as_deref() {
        Some("required" | "any") => ForcedToolChoice::AnyTool,
        Some("function" | "tool" | "custom") => ForcedToolChoice::PinnedTool,
        _ => ForcedToolChoice::NotForced,
    }
}

/// Whether it pins a tool by what it is, not by a name (responses).
pub(in crate::provider) fn pins_hosted_tool(draft: &RequestDraft<'_>) -> bool {
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

/// Lets the model choose.
pub(in crate::provider) fn reset_to_auto(draft: &mut RequestDraft<'_>, rule: rules::Rule) {
    let auto = match draft.body().api {
        Api::ChatCompletions | Api::Responses => "\"auto\"",
        Api::Messages => r#"{"type":"auto"}"#,
    };
    if draft.set("tool_choice", auto) {
        draft.record_rule(rule);
    }
}
