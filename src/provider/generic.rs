//! Any other OpenAI-compatible server: nothing is changed but by `compat` flags, and what only Kimi knows.

use super::openrouter::remove_partial;
use super::rewrite::compat::{self, AdapterDefaults};
use super::rewrite::draft::RequestDraft;
use super::rewrite::thinking::{ThinkingFields, ThinkingRequest};
use super::rewrite::{limits, parameters, rules, tool_ids, tools};
use crate::catalog::{ThinkingControl, ThinkingLevel};

pub(super) mod errors;

/// The request as the server takes it.
pub(super) fn rewrite(draft: &mut RequestDraft<'_>) {
    parameters::fill_missing(draft, &[]);
    apply_thinking(draft);
    compat::apply_flags(draft, AdapterDefaults { accepts_developer_role: true, requests_usage: false });
    tools::remove_builtins(draft);
    remove_partial(draft);
    if let Some(field) = draft.request().model.compat.max_tokens_field {
        limits::rename_limit(draft, field);
    }
    compat::fill_reasoning(draft, false);
    tool_ids::make_unique(draft);
    tools::record_offered_tools(draft);
}

/// `thinking` is for those that take it; a level is set only where the model is known to have one.
fn apply_thinking(draft: &mut RequestDraft<'_>) {
    let model = draft.request().model;
    let wish = ThinkingFields::read(draft).resolve();
    let takes_effort = match model.compat.supports_reasoning_effort {
        Some(takes) => takes,
        None => model.thinking_control == ThinkingControl::Effort,
    };
    if model.thinking_control == ThinkingControl::None || takes_effort {
        let effort = match wish {
            ThinkingRequest::Off => Some("\"none\"".to_owned()),
            ThinkingRequest::Level(level) => Some(format!("\"{}\"", effort_name(level))),
            ThinkingRequest::On | ThinkingRequest::Unspecified => None,
        };
        if draft.remove("thinking") {
            if let Some(effort) =
                effort.filter(|_| takes_effort && draft.non_null_value("reasoning_effort").is_none())
            {
                draft.set("reasoning_effort", effort);
            }
            draft.record_rule(rules::THINKING);
        }
    }
    let Some(level) = draft.request().default_thinking.filter(|_| wish == ThinkingRequest::Unspecified)
    else {
        return;
    };
    let changed = match (ThinkingRequest::from(level), model.thinking_control) {
        (ThinkingRequest::Unspecified, _) | (_, ThinkingControl::None | ThinkingControl::Always) => false,
        (ThinkingRequest::Off, _) if takes_effort => draft.set("reasoning_effort", "\"none\""),
        (ThinkingRequest::Level(level), _) if takes_effort => {
            draft.set("reasoning_effort", format!("\"{}\"", effort_name(level)))
        }
        (ThinkingRequest::Off, ThinkingControl::Switch) => draft.set("thinking", r#"{"type":"disabled"}"#),
        (_, ThinkingControl::Switch) => draft.set("thinking", r#"{"type":"enabled"}"#),
        _ => false,
    };
    if changed {
        draft.record_rule(rules::THINKING_DEFAULT);
    }
}

/// OpenAI's names end at `xhigh` (API reference, 2026).
const fn effort_name(level: ThinkingLevel) -> &'static str {
    match level {
        ThinkingLevel::Max => "xhigh",
        level => level.as_str(),
    }
}
