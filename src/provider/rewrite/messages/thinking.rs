//! Thinking over this face: `thinking {type, budget_tokens}` and `output_config.effort`.
//!
//! The K3 family takes a level beside `adaptive`, which kimi-code 2.1.0 sends (captured 2026-11-21), or a budget, which
//! opencode and `OpenClaw` send it; K2.6 takes `enabled` with a budget and `disabled`; K2.7 Code only `enabled`; Kimi
//! Code's models always think (its model page, 2026-09; budgets a level as OpenClaw 2026.9.6 has them).

use serde_json::Value;

use crate::catalog::{DialectId, Thinking, ThinkingLevel};
use crate::provider::rewrite::draft::Draft;
use crate::provider::rewrite::rules;
use crate::provider::rewrite::thinking::{Spellings, Wish, wished};
use crate::provider::rewrite::tool_choice::{self, Forced};

/// The smallest budget, in tokens.
const LEAST_BUDGET: u64 = 1024;

const ADAPTIVE: &str = r#"{"type":"adaptive"}"#;
const DISABLED: &str = r#"{"type":"disabled"}"#;

/// Makes a request to Kimi say it as the model takes it; tells whether the model may think then.
pub(super) fn settle(dialect: DialectId, draft: &mut Draft<'_>) -> bool {
    match (dialect, draft.request().model.thinking) {
        (_, Thinking::Always) => always(draft),
        (_, Thinking::Switch) => switch(draft),
        (_, Thinking::Effort) | (DialectId::KimiCode, _) => effort(dialect, draft),
        _ => Spellings::of(draft).wish() != Wish::Off,
    }
}

/// `params` and `thinkingDefault` where the client says nothing: for models that are known to take it.
pub(super) fn by_default(draft: &mut Draft<'_>) {
    let (wish, rule) = wished(draft);
    let model = draft.request().model;
    let knows_levels = model.compat.supports_reasoning_effort.unwrap_or(model.thinking == Thinking::Effort);
    if rule == rules::THINKING || model.thinking == Thinking::None {
        return;
    }
    let changed = match (wish, model.thinking) {
        (Wish::Unsaid, _) | (Wish::Off, Thinking::Always) => false,
        (Wish::Off, _) if knows_levels || model.thinking == Thinking::Switch => {
            draft.set("thinking", DISABLED)
        }
        (Wish::Level(level), _) if knows_levels => {
            draft.set("thinking", ADAPTIVE) | set_effort(draft, Some(word(level)))
        }
        (Wish::On, _) if knows_levels => draft.set("thinking", ADAPTIVE),
        (Wish::On | Wish::Level(_), Thinking::Switch) => match budget_for(draft, wish) {
            Some(budget) => draft.set("thinking", enabled(budget)),
            None => false,
        },
        _ => false,
    };
    if changed {
        draft.fire(rule);
    }
}

/// Settles a forced tool call beside thinking; tells whether the model may think then. Moonshot takes `any` beside it
/// (reported 2026-09), of Kimi Code nobody has said it.
pub(super) fn settle_tool_choice(dialect: DialectId, draft: &mut Draft<'_>, may_think: bool) -> bool {
    let can_be_off = match draft.request().model.thinking {
        Thinking::Switch => true,
        Thinking::Effort => dialect == DialectId::Moonshot,
        _ => false,
    };
    let is_unknown = matches!(draft.request().model.thinking, Thinking::None | Thinking::Unknown);
    if is_unknown && dialect == DialectId::Moonshot && Spellings::of(draft).wish() == Wish::Unsaid {
        return may_think;
    }
    match tool_choice::forced(draft) {
        Forced::Any if may_think && dialect == DialectId::KimiCode => {
            tool_choice::let_it_choose(draft, rules::TOOL_CHOICE);
        }
        Forced::Pinned if may_think && can_be_off => {
            draft.set("thinking", DISABLED);
            set_effort(draft, None);
            draft.fire(rules::TOOL_CHOICE_PINNED);
            return false;
        }
        Forced::Pinned if may_think => tool_choice::let_it_choose(draft, rules::TOOL_CHOICE_PINNED),
        _ => {}
    }
    may_think
}

/// K2.7 Code: `enabled` with a budget passes, everything else is left out.
fn always(draft: &mut Draft<'_>) -> bool {
    without_effort(draft);
    if !keep_enabled(draft) && draft.remove("thinking") {
        draft.fire(rules::THINKING);
    }
    true
}

/// K2.6: `enabled` with a budget, or `disabled`.
fn switch(draft: &mut Draft<'_>) -> bool {
    let (wish, rule) = wished(draft);
    without_effort(draft);
    match wish {
        Wish::Off => {
            let stands = Spellings::of(draft).kind_if_only(&["type"]) == Some("disabled");
            if !stands && draft.set("thinking", DISABLED) {
                draft.fire(rule);
            }
            return false;
        }
        Wish::Unsaid => {
            if draft.remove("thinking") {
                draft.fire(rules::THINKING);
            }
        }
        Wish::On | Wish::Level(_) if keep_enabled(draft) => {}
        Wish::On | Wish::Level(_) => {
            let changed = match budget_for(draft, wish) {
                Some(budget) => draft.set("thinking", enabled(budget)),
                // It thinks by default; no budget fits into so small an answer.
                None => draft.remove("thinking"),
            };
            if changed {
                draft.fire(rule);
            }
        }
    }
    true
}

/// The K3 family, and what Kimi Code has that the catalog does not know.
fn effort(dialect: DialectId, draft: &mut Draft<'_>) -> bool {
    let (wish, rule) = wished(draft);
    if wish == Wish::Off {
        without_effort(draft);
        let stands = Spellings::of(draft).kind_if_only(&["type"]) == Some("disabled");
        let changed = match dialect {
            DialectId::KimiCode => draft.remove("thinking"),
            _ => !stands && draft.set("thinking", DISABLED),
        };
        if changed {
            draft.fire(rule);
        }
        return dialect == DialectId::KimiCode;
    }
    let is_ours = rule != rules::THINKING && wish != Wish::Unsaid;
    let is_adaptive = kind(draft).as_deref() == Some("adaptive");
    let changed = if is_ours {
        draft.set("thinking", ADAPTIVE)
    } else if !is_adaptive && !keep_enabled(draft) {
        draft.remove("thinking")
    } else {
        false
    };
    let level = match wish {
        Wish::Level(ThinkingLevel::Minimal | ThinkingLevel::Low) => Some("low"),
        Wish::Level(ThinkingLevel::Xhigh | ThinkingLevel::Max) => Some("max"),
        Wish::Level(_) => Some("high"),
        _ => None,
    };
    if changed | set_effort(draft, level) {
        draft.fire(rule);
    }
    true
}

/// Lets `enabled` with a budget of the client's stand, the budget within its bounds; false where it does not say that.
fn keep_enabled(draft: &mut Draft<'_>) -> bool {
    let Some(Value::Object(thinking)) = Spellings::of(draft).thinking else { return false };
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    let (Some("enabled"), Some(asked)) = (thinking.get("type").and_then(Value::as_str), budget) else {
        return false;
    };
    let Some(budget) = within(draft, asked) else { return false };
    if budget != asked && draft.set("thinking", enabled(budget)) {
        draft.fire(rules::THINKING_BUDGET);
    }
    true
}

fn kind(draft: &Draft<'_>) -> Option<String> {
    Spellings::of(draft).thinking?.get("type")?.as_str().map(str::to_owned)
}

/// A budget for a model that takes no level.
fn budget_for(draft: &Draft<'_>, wish: Wish) -> Option<u64> {
    let budget = match wish {
        Wish::Level(ThinkingLevel::Minimal | ThinkingLevel::Low) => LEAST_BUDGET,
        Wish::Level(ThinkingLevel::Medium) => 4096,
        _ => 8192,
    };
    within(draft, budget)
}

/// The budget within its bounds; `None` where the answer has no room for the smallest one.
fn within(draft: &Draft<'_>, budget: u64) -> Option<u64> {
    let limit =
        draft.given("max_tokens").and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
    let most = limit.map_or(u64::MAX, |limit| limit.saturating_sub(1));
    (most >= LEAST_BUDGET).then(|| budget.clamp(LEAST_BUDGET, most))
}

fn enabled(budget: u64) -> String {
    format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#)
}

/// Anthropic's words end at `max`.
const fn word(level: ThinkingLevel) -> &'static str {
    match level {
        ThinkingLevel::Minimal | ThinkingLevel::Low => "low",
        ThinkingLevel::Medium => "medium",
        ThinkingLevel::Xhigh | ThinkingLevel::Max => "max",
        _ => "high",
    }
}

fn without_effort(draft: &mut Draft<'_>) {
    if set_effort(draft, None) {
        draft.fire(rules::THINKING);
    }
}

/// Gives `output_config.effort` a value, or takes it out; tells whether that changes anything.
fn set_effort(draft: &mut Draft<'_>, level: Option<&str>) -> bool {
    draft.set_within("output_config", "effort", level)
}
