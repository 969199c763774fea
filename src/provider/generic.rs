//! Any other OpenAI-compatible server: nothing is changed but by `compat` flags, and what only Kimi knows.

use super::openrouter::without_partial;
use super::rewrite::compat::{self, Habits};
use super::rewrite::draft::Draft;
use super::rewrite::thinking::{Spellings, Wish};
use super::rewrite::{limits, params, rules, tool_ids, tools};
use crate::catalog::{Thinking, ThinkingLevel};

pub(super) mod refusals;

/// The request as the server takes it.
pub(super) fn rewrite(draft: &mut Draft<'_>) {
    params::fill(draft, &[]);
    settle_thinking(draft);
    compat::apply(draft, Habits { developer_role: true, ask_usage: false });
    tools::without_builtins(draft);
    without_partial(draft);
    if let Some(field) = draft.request().model.compat.max_tokens_field {
        limits::name(draft, field);
    }
    compat::fill_reasoning(draft, false);
    tool_ids::make_unique(draft);
    tools::note_offer(draft);
}

/// `thinking` is for those that take it; a level is set only where the model is known to have one.
fn settle_thinking(draft: &mut Draft<'_>) {
    let model = draft.request().model;
    let wish = Spellings::of(draft).wish();
    let takes_effort = match model.compat.supports_reasoning_effort {
        Some(takes) => takes,
        None => model.thinking == Thinking::Effort,
    };
    if model.thinking == Thinking::None || takes_effort {
        let effort = match wish {
            Wish::Off => Some("\"none\"".to_owned()),
            Wish::Level(level) => Some(format!("\"{}\"", word(level))),
            Wish::On | Wish::Unsaid => None,
        };
        if draft.remove("thinking") {
            if let Some(effort) = effort.filter(|_| takes_effort && draft.given("reasoning_effort").is_none())
            {
                draft.set("reasoning_effort", effort);
            }
            draft.fire(rules::THINKING);
        }
    }
    let Some(level) = draft.request().thinking.filter(|_| wish == Wish::Unsaid) else { return };
    let changed = match (Wish::from(level), model.thinking) {
        (Wish::Unsaid, _) | (_, Thinking::None | Thinking::Always) => false,
        (Wish::Off, _) if takes_effort => draft.set("reasoning_effort", "\"none\""),
        (Wish::Level(level), _) if takes_effort => {
            draft.set("reasoning_effort", format!("\"{}\"", word(level)))
        }
        (Wish::Off, Thinking::Switch) => draft.set("thinking", r#"{"type":"disabled"}"#),
        (_, Thinking::Switch) => draft.set("thinking", r#"{"type":"enabled"}"#),
        _ => false,
    };
    if changed {
        draft.fire(rules::THINKING_DEFAULT);
    }
}

/// OpenAI's names end at `xhigh` (API reference, 2026).
const fn word(level: ThinkingLevel) -> &'static str {
    match level {
        ThinkingLevel::Max => "xhigh",
        level => level.as_str(),
    }
}
