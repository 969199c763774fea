//! Thinking over this face: `reasoning.effort`. Moonshot refuses `none` (reported 2026-09); Kimi's other words are those
//! of chat.

use crate::catalog::{Thinking, ThinkingLevel};
use crate::provider::rewrite::draft::Draft;
use crate::provider::rewrite::rules::{self, Rule};
use crate::provider::rewrite::thinking::{Wish, wished};

/// Makes a request to Kimi say it as the model takes it. None of them can be switched off over this face: what takes a
/// level gets the lowest instead.
pub(super) fn settle(draft: &mut Draft<'_>) {
    let (wish, rule) = wished(draft);
    let takes_level = matches!(draft.request().model.thinking, Thinking::Effort | Thinking::Unknown);
    let level = match wish {
        _ if !takes_level => None,
        Wish::Off | Wish::Level(ThinkingLevel::Minimal | ThinkingLevel::Low) => Some("low"),
        Wish::Level(ThinkingLevel::Xhigh | ThinkingLevel::Max) => Some("max"),
        Wish::Level(_) => Some("high"),
        Wish::On | Wish::Unsaid => None,
    };
    let rule = if rule == rules::THINKING { rules::REASONING_EFFORT_KIMI } else { rule };
    set(draft, level, rule);
}

/// `params` and `thinkingDefault` where the client says nothing: for models that are known to take it.
pub(super) fn by_default(draft: &mut Draft<'_>) {
    let (wish, rule) = wished(draft);
    let model = draft.request().model;
    let takes_level = match draft.request().model.compat.supports_reasoning_effort {
        Some(takes) => takes,
        None => model.thinking == Thinking::Effort,
    };
    if rule == rules::THINKING || !takes_level {
        return;
    }
    let level = match wish {
        Wish::Off => "none",
        Wish::Level(ThinkingLevel::Max) => "xhigh",
        Wish::Level(level) => level.as_str(),
        Wish::On | Wish::Unsaid => return,
    };
    set(draft, Some(level), rule);
}

/// Gives `reasoning.effort` a value, or takes it out.
fn set(draft: &mut Draft<'_>, level: Option<&str>, rule: Rule) {
    if draft.set_within("reasoning", "effort", level) {
        draft.fire(rule);
    }
}
