//! Thinking in the Responses API: `reasoning.effort`. Moonshot refuses `none` (reported 2026-09). Kimi's other values are
//! those of chat.

use super::draft::RequestDraft;
use super::parameters::resolve_thinking;
use super::thinking::{ThinkingRequest, kimi_effort};
use crate::catalog::{ThinkingControl, ThinkingLevel};
use crate::provider::rules::{self, Rule};

/// Rewrites the thinking fields of a request to Kimi as the model accepts them. Thinking cannot be disabled
/// over this API: a model that accepts levels gets the lowest one instead.
pub(crate) fn apply_thinking(draft: &mut RequestDraft<'_>) {
    let (requested, rule) = resolve_thinking(draft);
    let takes_level =
        matches!(draft.request().model.thinking_control, ThinkingControl::Effort | ThinkingControl::Unknown);
    let level = match requested {
        _ if !takes_level => None,
        ThinkingRequest::Off => Some("low"),
        ThinkingRequest::Level(level) => Some(kimi_effort(level)),
        ThinkingRequest::On | ThinkingRequest::Unspecified => None,
    };
    let rule = if rule == rules::THINKING { rules::REASONING_EFFORT_KIMI } else { rule };
    set_effort(draft, level, rule);
}

/// Applies `params` and `thinkingDefault` if the client sets nothing, for models that are known to accept it.
pub(crate) fn apply_default(draft: &mut RequestDraft<'_>) {
    let (requested, rule) = resolve_thinking(draft);
    let model = draft.request().model;
    let takes_level = match draft.request().model.compat.supports_reasoning_effort {
        Some(takes) => takes,
        None => model.thinking_control == ThinkingControl::Effort,
    };
    if rule == rules::THINKING || !takes_level {
        return;
    }
    let level = match requested {
        ThinkingRequest::Off => "none",
        ThinkingRequest::Level(ThinkingLevel::Max) => "xhigh",
        ThinkingRequest::Level(level) => level.as_str(),
        ThinkingRequest::On | ThinkingRequest::Unspecified => return,
    };
    set_effort(draft, Some(level), rule);
}

fn set_effort(draft: &mut RequestDraft<'_>, level: Option<&str>, rule: Rule) {
    if draft.set_member("reasoning", "effort", level) {
        draft.record_rule(rule);
    }
}
