//! Thinking in the Responses API: `reasoning.effort`. Moonshot refuses `none` (reported 2026-09). Kimi's other
//! values are those of chat.

use crate::catalog::{ThinkingControl, ThinkingLevel};
use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::rules::{self, Rule};
use crate::provider::rewrite::thinking::{ThinkingRequest, resolve_thinking};

/// Rewrites the thinking fields of a request to Kimi as the model accepts them. Thinking cannot be disabled
/// over this API: a model that accepts levels gets the lowest one instead.
pub(super) fn apply_thinking(draft: &mut RequestDraft<'_>) {
    let (wish, rule) = resolve_thinking(draft);
    let takes_level =
        matches!(draft.request().model.thinking_control, ThinkingControl::Effort | ThinkingControl::Unknown);
    let level = match wish {
        _ if !takes_level => None,
        ThinkingRequest::Off | ThinkingRequest::Level(ThinkingLevel::Minimal | ThinkingLevel::Low) => {
            Some("low")
        }
        ThinkingRequest::Level(ThinkingLevel::Xhigh | ThinkingLevel::Max) => Some("max"),
        ThinkingRequest::Level(_) => Some("high"),
        ThinkingRequest::On | ThinkingRequest::Unspecified => None,
    };
    let rule = if rule == rules::THINKING { rules::REASONING_EFFORT_KIMI } else { rule };
    set_effort(draft, level, rule);
}

/// `params` and `thinkingDefault` where the client says nothing: for models that are known to take it.
pub(super) fn apply_default(draft: &mut RequestDraft<'_>) {
    let (wish, rule) = resolve_thinking(draft);
    let model = draft.request().model;
    let takes_level = match draft.request().model.compat.supports_reasoning_effort {
        Some(takes) => takes,
        None => model.thinking_control == ThinkingControl::Effort,
    };
    if rule == rules::THINKING || !takes_level {
        return;
    }
    let level = match wish {
        ThinkingRequest::Off => "none",
        ThinkingRequest::Level(ThinkingLevel::Max) => "xhigh",
        ThinkingRequest::Level(level) => level.as_str(),
        ThinkingRequest::On | ThinkingRequest::Unspecified => return,
    };
    set_effort(draft, Some(level), rule);
}

/// Gives `reasoning.effort` a value, or takes it out.
fn set_effort(draft: &mut RequestDraft<'_>, level: Option<&str>, rule: Rule) {
    if draft.set_member("reasoning", "effort", level) {
        draft.record_rule(rule);
    }
}
