//! `tool_choice` beside thinking: Moonshot refuses to force a call while the model thinks.

use serde_json::Value;

use super::draft::Draft;
use super::rules;
use crate::protocol::face::Face;

/// How a request forces a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Forced {
    /// It does not.
    No,
    /// Any tool.
    Any,
    /// This one.
    Pinned,
}

/// What `tool_choice` asks for.
pub(in crate::provider) fn forced(draft: &Draft<'_>) -> Forced {
    match word(draft).as_deref() {
        Some("required" | "any") => Forced::Any,
        Some("function" | "tool" | "custom") => Forced::Pinned,
        _ => Forced::No,
    }
}

/// Whether it pins a tool by what it is, not by a name (responses).
pub(in crate::provider) fn is_of_hosted(draft: &Draft<'_>) -> bool {
    const KNOWN: [&str; 8] =
        ["auto", "none", "required", "any", "function", "tool", "custom", "allowed_tools"];
    word(draft).is_some_and(|word| !KNOWN.contains(&word.as_str()))
}

fn word(draft: &Draft<'_>) -> Option<String> {
    let choice = draft.given("tool_choice").and_then(|text| serde_json::from_slice::<Value>(text).ok());
    match choice? {
        Value::String(word) => Some(word),
        Value::Object(members) => members.get("type").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

/// Lets the model choose.
pub(in crate::provider) fn let_it_choose(draft: &mut Draft<'_>, rule: rules::Rule) {
    let auto = match draft.body().face {
        Face::Chat | Face::Responses => "\"auto\"",
        Face::Messages => r#"{"type":"auto"}"#,
    };
    if draft.set("tool_choice", auto) {
        draft.fire(rule);
    }
}
