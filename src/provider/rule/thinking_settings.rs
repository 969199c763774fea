//! Writes the thinking setting of a request as its model accepts it.

use serde_json::Value;

use super::draft::RequestDraft;
use super::parameters::resolve_thinking;
use super::thinking::{ThinkingFields, ThinkingRequest};
use crate::catalog::{AdapterId, ThinkingControl, ThinkingLevel};
use crate::protocol::api::Api;
use crate::protocol::model::thinking::{MIN_BUDGET_TOKENS, effort_budget};
use crate::provider::rules::{self, Rule};

pub(crate) const ADAPTIVE: &str = r#"{"type":"adaptive"}"#;
const ENABLED: &str = r#"{"type":"enabled"}"#;
pub(crate) const DISABLED: &str = r#"{"type":"disabled"}"#;

/// The only model that takes `keep: "all"`.
const KEEP_ALL_MODEL: &str = "kimi-k2.6";

/// The change to `thinking`.
enum Change {
    Keep,
    Remove,
    Set(String),
}

/// Writes the setting for a Kimi model over Chat Completions or Messages; returns whether the model may think.
///
/// K2.7 Code always thinks: over Chat Completions `thinking` is omitted and an effort means nothing, over Messages it
/// accepts only `enabled` with a budget. K2.6 thinks unless `thinking` is `disabled`; over Messages `enabled` has a
/// budget. The K3 family has levels; `thinking` only switches it off, which is not documented and works. Over Messages
/// it accepts a level beside `adaptive`, which kimi-code 2.1.0 sends (captured 2026-11-21), or a budget, which opencode
/// and `OpenClaw` send. Kimi Code's models always think: to disable thinking is a 400, and so is an unknown effort (its
/// model page, 2026-09). A model that is not in Moonshot's catalog gets the client's setting.
pub(crate) fn apply_for_kimi(draft: &mut RequestDraft<'_>, adapter: AdapterId) -> bool {
    use Api::ChatCompletions;
    let fields = ThinkingFields::read(draft);
    let control = match (adapter, draft.request.model.thinking_control) {
        // Which models there are depends on the account: one that the catalog does not know is like the others.
        (AdapterId::KimiCode, ThinkingControl::None | ThinkingControl::Unknown) => ThinkingControl::Effort,
        (_, ThinkingControl::None | ThinkingControl::Unknown) => {
            return fields.resolve() != ThinkingRequest::Off;
        }
        (_, control) => control,
    };
    let (requested, rule) = resolve_thinking(draft);
    let api = draft.body().api;
    let always_thinks = control == ThinkingControl::Always
        || (control == ThinkingControl::Effort && adapter == AdapterId::KimiCode);
    let may_think = always_thinks || requested != ThinkingRequest::Off;
    let change = match (api, control, requested) {
        _ if !may_think && fields.type_if_only(&["type"]) == Some("disabled") => Change::Keep,
        _ if !may_think => Change::Set(DISABLED.to_owned()),
        (_, ThinkingControl::Effort, ThinkingRequest::Off)
        | (_, ThinkingControl::Switch, ThinkingRequest::Unspecified) => Change::Remove,
        // An effort alone requests what is already the default.
        (ChatCompletions, ThinkingControl::Switch, ThinkingRequest::Level(_))
            if fields.thinking.is_none() && rule == rules::THINKING =>
        {
            Change::Keep
        }
        (ChatCompletions, ThinkingControl::Switch, _) => {
            choose_enabled_form(&fields, draft.request.wire_model)
        }
        // Kimi Code's own client sends {"type":"enabled","keep":"all"}.
        (ChatCompletions, ThinkingControl::Effort, _)
            if adapter == AdapterId::KimiCode
                && fields.type_if_only(&["type", "keep"]) == Some("enabled") =>
        {
            Change::Keep
        }
        (ChatCompletions, ..) => Change::Remove,
        (_, ThinkingControl::Effort, _) if rule != rules::THINKING => Change::Set(ADAPTIVE.to_owned()),
        (_, ThinkingControl::Effort, _) if fields.thinking_type() == Some("adaptive") => Change::Keep,
        _ if keep_budget(draft, &fields) => Change::Keep,
        (_, ThinkingControl::Switch, _) => {
            // It thinks by default where no budget fits into so small an answer.
            choose_budget(draft, requested)
                .map_or(Change::Remove, |budget| Change::Set(render_budget(budget)))
        }
        _ => Change::Remove,
    };
    // Over Chat Completions only the client's own fields are removed.
    let removal = if api == ChatCompletions { rules::THINKING } else { rule };
    match change {
        Change::Keep => {}
        Change::Remove => _ = draft.remove(removal, "thinking"),
        Change::Set(value) => draft.set(rule, "thinking", value),
    }
    if api == ChatCompletions {
        draft.remove(rules::THINKING, "reasoning");
    }
    match requested {
        ThinkingRequest::Level(level) if control == ThinkingControl::Effort => {
            set_effort(draft, rule, Some(kimi_effort(level)))
        }
        _ => set_effort(draft, removal, None),
    }
    may_think
}

/// Writes `reasoning.effort` for a Kimi model over Responses. Moonshot refuses `none` (reported 2026-09), so thinking
/// cannot be disabled over this API: a model that accepts levels gets the lowest one instead.
pub(crate) fn apply_for_kimi_responses(draft: &mut RequestDraft<'_>) {
    let (requested, rule) = resolve_thinking(draft);
    let control = draft.request.model.thinking_control;
    let takes_level = matches!(control, ThinkingControl::Effort | ThinkingControl::Unknown);
    let level = match requested {
        ThinkingRequest::Off => Some("low"),
        ThinkingRequest::Level(level) => Some(kimi_effort(level)),
        ThinkingRequest::On | ThinkingRequest::Unspecified => None,
    };
    let rule = if rule == rules::THINKING { rules::REASONING_EFFORT_KIMI } else { rule };
    set_effort(draft, rule, level.filter(|_| takes_level));
}

/// Whether a model of another provider than Kimi has levels.
pub(crate) fn takes_levels(draft: &RequestDraft<'_>) -> bool {
    let model = draft.request.model;
    model.compat.supports_reasoning_effort.unwrap_or(model.thinking_control == ThinkingControl::Effort)
}

/// For other providers: applies `params` and `thinkingDefault` if the client sets nothing, for models that are known to
/// accept it.
pub(crate) fn apply_default(draft: &mut RequestDraft<'_>) {
    use Api::{ChatCompletions, Messages};
    let (requested, rule) = resolve_thinking(draft);
    let (api, control) = (draft.body().api, draft.request.model.thinking_control);
    let is_fixed = match control {
        ThinkingControl::None => api != Api::Responses,
        ThinkingControl::Always => {
            api == ChatCompletions || (api == Messages && requested == ThinkingRequest::Off)
        }
        _ => false,
    };
    if rule == rules::THINKING || is_fixed {
        return;
    }
    let takes_levels = takes_levels(draft);
    let effort = match requested {
        _ if !takes_levels => None,
        ThinkingRequest::Off if api != Messages => Some("none"),
        ThinkingRequest::Level(level) => Some(effort_name(api, level)),
        _ => None,
    };
    let is_switch = control == ThinkingControl::Switch;
    let thinking = match (api, requested) {
        (Messages, ThinkingRequest::Off) if takes_levels || is_switch => Some(DISABLED.to_owned()),
        (Messages, ThinkingRequest::On | ThinkingRequest::Level(_)) if takes_levels => {
            Some(ADAPTIVE.to_owned())
        }
        (Messages, ThinkingRequest::On | ThinkingRequest::Level(_)) if is_switch => {
            choose_budget(draft, requested).map(render_budget)
        }
        (ChatCompletions, _) if is_switch && effort.is_none() => {
            Some(if requested == ThinkingRequest::Off { DISABLED } else { ENABLED }.to_owned())
        }
        _ => None,
    };
    if let Some(thinking) = thinking {
        draft.set(rule, "thinking", thinking);
    }
    if effort.is_some() {
        set_effort(draft, rule, effort);
    }
}

/// `enabled`, with `keep` if the model accepts it, unless the client's own form is accepted.
fn choose_enabled_form(fields: &ThinkingFields, model: &str) -> Change {
    let keep = fields.thinking.as_ref().and_then(|thinking| thinking.get("keep"));
    let keep = keep.filter(|keep| model == KEEP_ALL_MODEL && (keep.is_null() || *keep == "all"));
    let allowed: &[&str] = if keep.is_some() { &["type", "keep"] } else { &["type"] };
    if fields.type_if_only(allowed) == Some("enabled") {
        return Change::Keep;
    }
    let keeps_all = keep.is_some_and(Value::is_string);
    Change::Set(if keeps_all { r#"{"type":"enabled","keep":"all"}"# } else { ENABLED }.to_owned())
}

/// Keeps the client's `enabled` with a budget, the budget within its bounds; false where the client sends something
/// else.
fn keep_budget(draft: &mut RequestDraft<'_>, fields: &ThinkingFields) -> bool {
    let requested = fields.thinking.as_ref().and_then(|thinking| thinking.get("budget_tokens")?.as_u64());
    let Some(requested) = requested.filter(|_| fields.thinking_type() == Some("enabled")) else {
        return false;
    };
    let Some(budget) = clamp_budget(draft, requested) else { return false };
    if budget != requested {
        draft.set(rules::THINKING_BUDGET, "thinking", render_budget(budget));
    }
    true
}

/// A budget for a model without levels.
pub(crate) fn choose_budget(draft: &RequestDraft<'_>, requested: ThinkingRequest) -> Option<u64> {
    let effort = match requested {
        ThinkingRequest::Level(level) => level.as_str(),
        _ => "high",
    };
    clamp_budget(draft, effort_budget(effort)?)
}

/// The budget within its bounds. `None` where the output limit is too small for the smallest budget.
fn clamp_budget(draft: &RequestDraft<'_>, budget: u64) -> Option<u64> {
    let limit: Option<u64> = draft.parsed_value("max_tokens");
    let most = limit.map_or(u64::MAX, |limit| limit.saturating_sub(1));
    (most >= MIN_BUDGET_TOKENS).then(|| budget.clamp(MIN_BUDGET_TOKENS, most))
}

pub(crate) fn render_budget(budget: u64) -> String {
    format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#)
}

/// The effort words of the K3 family (Moonshot's model pages, 2026-09-23).
const fn kimi_effort(level: ThinkingLevel) -> &'static str {
    match level {
        ThinkingLevel::Minimal | ThinkingLevel::Low => "low",
        ThinkingLevel::Xhigh | ThinkingLevel::Max => "max",
        _ => "high",
    }
}

/// OpenAI's words end at `xhigh` (API reference, 2026), Anthropic's at `max`.
pub(crate) const fn effort_name(api: Api, level: ThinkingLevel) -> &'static str {
    match (api, level) {
        (Api::Messages, ThinkingLevel::Minimal) => "low",
        (Api::Messages, ThinkingLevel::Xhigh) => "max",
        (Api::ChatCompletions | Api::Responses, ThinkingLevel::Max) => "xhigh",
        _ => level.as_str(),
    }
}

/// Sets or removes the effort, by its name in the API.
pub(crate) fn set_effort(draft: &mut RequestDraft<'_>, rule: Rule, level: Option<&str>) {
    let level = level.map(|level| format!("\"{level}\""));
    match (draft.body().api, level) {
        (Api::ChatCompletions, Some(level)) => draft.set(rule, "reasoning_effort", level),
        (Api::ChatCompletions, None) => _ = draft.remove(rule, "reasoning_effort"),
        (Api::Messages, level) => draft.set_member(rule, "output_config", "effort", level.as_deref()),
        (Api::Responses, level) => draft.set_member(rule, "reasoning", "effort", level.as_deref()),
    }
}
