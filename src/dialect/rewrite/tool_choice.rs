//! `tool_choice` beside thinking: Moonshot refuses to force a call while the model thinks.

use serde_json::Value;

use super::draft::Draft;
use super::rules;

/// How a request forces a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Forced {
    /// It does not.
    No,
    /// Any tool.
    Any,
    /// This one.
    Pinned,
}

/// What `tool_choice` asks for.
pub(in crate::dialect) fn forced(draft: &Draft<'_>) -> Forced {
    let choice = draft.given("tool_choice").and_then(|text| serde_json::from_slice::<Value>(text).ok());
    let word = match &choice {
        Some(Value::String(word)) => Some(word.as_str()),
        Some(Value::Object(members)) => members.get("type").and_then(Value::as_str),
        _ => None,
    };
    match word {
        Some("required" | "any") => Forced::Any,
        Some("function" | "tool" | "custom") => Forced::Pinned,
        _ => Forced::No,
    }
}

/// Lets the model choose.
pub(in crate::dialect) fn let_it_choose(draft: &mut Draft<'_>, rule: rules::Rule) {
    if draft.set("tool_choice", "\"auto\"") {
        draft.fire(rule);
    }
}
