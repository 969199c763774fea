//! Thinking in the Messages API: `thinking {type, budget_tokens}` and `output_config.effort`.
//!
//! The K3 family accepts a level beside `adaptive`, which kimi-code 2.1.0 sends (captured 2026-11-21), or a budget, which
//! opencode and `OpenClaw` send. K2.6 accepts `enabled` with a budget, and `disabled`. K2.7 Code accepts only `enabled`.
//! Kimi Code's models always think (its model page, 2026-09).

use serde_json::Value;

use super::draft::RequestDraft;
use super::parameters::resolve_thinking;
use super::thinking::{ThinkingFields, ThinkingRequest, kimi_effort};
use crate::catalog::{AdapterId, ThinkingControl, ThinkingLevel};
use crate::protocol::model::thinking::{MIN_BUDGET_TOKENS, effort_budget};
use crate::provider::rules;

const ADAPTIVE: &str = r#"{"type":"adaptive"}"#;
pub(crate) const DISABLED: &str = r#"{"type":"disabled"}"#;

/// Writes the thinking setting of a request as the Kimi model accepts it; returns whether the model may think.
pub(crate) fn apply_thinking(adapter: AdapterId, draft: &mut RequestDraft<'_>) -> bool {
    match (adapter, draft.request().model.thinking_control) {
        (_, ThinkingControl::Always) => apply_always(draft),
        (_, ThinkingControl::Switch) => apply_switch(draft),
        (_, ThinkingControl::Effort) | (AdapterId::KimiCode, _) => apply_effort(adapter, draft),
        _ => ThinkingFields::read(draft).resolve() != ThinkingRequest::Off,
    }
}

/// Applies `params` and `thinkingDefault` if the client sets nothing, for models that are known to accept it.
pub(crate) fn apply_default(draft: &mut RequestDraft<'_>) {
    let (requested, rule) = resolve_thinking(draft);
    let model = draft.request().model;
    let knows_levels =
        model.compat.supports_reasoning_effort.unwrap_or(model.thinking_control == ThinkingControl::Effort);
    if rule == rules::THINKING || model.thinking_control == ThinkingControl::None {
        return;
    }
    let changed = match (requested, model.thinking_control) {
        (ThinkingRequest::Unspecified, _) | (ThinkingRequest::Off, ThinkingControl::Always) => false,
        (ThinkingRequest::Off, _) if knows_levels || model.thinking_control == ThinkingControl::Switch => {
            draft.set("thinking", DISABLED)
        }
        (ThinkingRequest::Level(level), _) if knows_levels => {
            draft.set("thinking", ADAPTIVE) | set_effort(draft, Some(effort_name(level)))
        }
        (ThinkingRequest::On, _) if knows_levels => draft.set("thinking", ADAPTIVE),
        (ThinkingRequest::On | ThinkingRequest::Level(_), ThinkingControl::Switch) => {
            match choose_budget(draft, requested) {
                Some(budget) => draft.set("thinking", render_enabled(budget)),
                None => false,
            }
        }
        _ => false,
    };
    if changed {
        draft.record_rule(rule);
    }
}

/// K2.7 Code: `enabled` with a budget passes, everything else is left out.
fn apply_always(draft: &mut RequestDraft<'_>) -> bool {
    remove_effort(draft);
    if !preserve_enabled(draft) && draft.remove("thinking") {
        draft.record_rule(rules::THINKING);
    }
    true
}

/// K2.6: `enabled` with a budget, or `disabled`.
fn apply_switch(draft: &mut RequestDraft<'_>) -> bool {
    let (requested, rule) = resolve_thinking(draft);
    remove_effort(draft);
    match requested {
        ThinkingRequest::Off => {
            let current = ThinkingFields::read(draft).type_if_only(&["type"]) == Some("disabled");
            if !current && draft.set("thinking", DISABLED) {
                draft.record_rule(rule);
            }
            return false;
        }
        ThinkingRequest::Unspecified => {
            if draft.remove("thinking") {
                draft.record_rule(rules::THINKING);
            }
        }
        ThinkingRequest::On | ThinkingRequest::Level(_) if preserve_enabled(draft) => {}
        ThinkingRequest::On | ThinkingRequest::Level(_) => {
            let changed = match choose_budget(draft, requested) {
                Some(budget) => draft.set("thinking", render_enabled(budget)),
                // It thinks by default; no budget fits into so small an answer.
                None => draft.remove("thinking"),
            };
            if changed {
                draft.record_rule(rule);
            }
        }
    }
    true
}

/// The K3 family, and what Kimi Code has that the catalog does not know.
fn apply_effort(adapter: AdapterId, draft: &mut RequestDraft<'_>) -> bool {
    let (requested, rule) = resolve_thinking(draft);
    if requested == ThinkingRequest::Off {
        remove_effort(draft);
        let current = ThinkingFields::read(draft).type_if_only(&["type"]) == Some("disabled");
        let changed = match adapter {
            AdapterId::KimiCode => draft.remove("thinking"),
            _ => !current && draft.set("thinking", DISABLED),
        };
        if changed {
            draft.record_rule(rule);
        }
        return adapter == AdapterId::KimiCode;
    }
    let is_ours = rule != rules::THINKING && requested != ThinkingRequest::Unspecified;
    let is_adaptive = thinking_type(draft).as_deref() == Some("adaptive");
    let changed = if is_ours {
        draft.set("thinking", ADAPTIVE)
    } else if !is_adaptive && !preserve_enabled(draft) {
        draft.remove("thinking")
    } else {
        false
    };
    let level = match requested {
        ThinkingRequest::Level(level) => Some(kimi_effort(level)),
        _ => None,
    };
    if changed | set_effort(draft, level) {
        draft.record_rule(rule);
    }
    true
}

/// Lets `enabled` with a budget of the client's stand, the budget within its bounds; false where it does not say that.
fn preserve_enabled(draft: &mut RequestDraft<'_>) -> bool {
    let Some(Value::Object(thinking)) = ThinkingFields::read(draft).thinking else { return false };
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    let (Some("enabled"), Some(asked)) = (thinking.get("type").and_then(Value::as_str), budget) else {
        return false;
    };
    let Some(budget) = clamp_budget(draft, asked) else { return false };
    if budget != asked && draft.set("thinking", render_enabled(budget)) {
        draft.record_rule(rules::THINKING_BUDGET);
    }
    true
}

fn thinking_type(draft: &RequestDraft<'_>) -> Option<String> {
    ThinkingFields::read(draft).thinking?.get("type")?.as_str().map(str::to_owned)
}

/// A budget for a model without levels.
fn choose_budget(draft: &RequestDraft<'_>, requested: ThinkingRequest) -> Option<u64> {
    let effort = match requested {
        ThinkingRequest::Level(level) => level.as_str(),
        _ => "high",
    };
    clamp_budget(draft, effort_budget(effort)?)
}

/// The budget within its bounds. `None` where the output limit is too small for the smallest budget.
fn clamp_budget(draft: &RequestDraft<'_>, budget: u64) -> Option<u64> {
    let limit = draft
        .non_null_value("max_tokens")
        .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
    let most = limit.map_or(u64::MAX, |limit| limit.saturating_sub(1));
    (most >= MIN_BUDGET_TOKENS).then(|| budget.clamp(MIN_BUDGET_TOKENS, most))
}

fn render_enabled(budget: u64) -> String {
    format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#)
}

/// Anthropic's words end at `max`.
const fn effort_name(level: ThinkingLevel) -> &'static str {
    match level {
        ThinkingLevel::Minimal | ThinkingLevel::Low => "low",
        ThinkingLevel::Medium => "medium",
        ThinkingLevel::Xhigh | ThinkingLevel::Max => "max",
        _ => "high",
    }
}

fn remove_effort(draft: &mut RequestDraft<'_>) {
    if set_effort(draft, None) {
        draft.record_rule(rules::THINKING);
    }
}

/// Sets or removes `output_config.effort`; returns whether that changes anything.
pub(crate) fn set_effort(draft: &mut RequestDraft<'_>, level: Option<&str>) -> bool {
    draft.set_member("output_config", "effort", level)
}
