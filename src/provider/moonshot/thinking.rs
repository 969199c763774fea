//! Thinking as each family of Kimi models takes it (Moonshot's model pages and API reference, 2026-09-23).

use serde_json::Value;

use crate::catalog::{ThinkingControl, ThinkingLevel};
use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::rules::{self, Rule};
use crate::provider::rewrite::thinking::{ThinkingFields, ThinkingRequest};
use crate::provider::rewrite::tool_choice::{self, ForcedToolChoice};
use crate::provider::rewrite::tools;

/// The only model that takes `keep: "all"`.
const KEEP_ALL_MODEL: &str = "kimi-k2.6";

/// What is wished for, and the rule to name for what follows from it.
pub(in crate::provider) fn resolve_thinking(
    draft: &RequestDraft<'_>,
    spelled: &ThinkingFields,
) -> (ThinkingRequest, Rule) {
    match (spelled.resolve(), draft.request().default_thinking) {
        (ThinkingRequest::Unspecified, Some(level)) => (level.into(), rules::THINKING_DEFAULT),
        (wish, _) => (wish, rules::THINKING),
    }
}

/// Writes the thinking setting as the model accepts it; returns whether the model may think.
pub(super) fn apply_thinking(draft: &mut RequestDraft<'_>) -> bool {
    match draft.request().model.thinking_control {
        ThinkingControl::Always => apply_always(draft),
        ThinkingControl::Switch => apply_switch(draft),
        ThinkingControl::Effort => apply_effort(draft),
        ThinkingControl::None | ThinkingControl::Unknown => may_think_unchanged(draft),
    }
}

/// Whether thinking can be switched off.
pub(super) const fn can_disable_thinking(draft: &RequestDraft<'_>) -> bool {
    matches!(draft.request().model.thinking_control, ThinkingControl::Switch | ThinkingControl::Effort)
}

/// K2.7 Code: `thinking` is omitted, an effort means nothing.
pub(in crate::provider) fn apply_always(draft: &mut RequestDraft<'_>) -> bool {
    remove_fields(draft, &["thinking", "reasoning_effort", "reasoning"], rules::THINKING);
    true
}

/// K2.6: `thinking.type`; thinking is on unless it is disabled.
pub(in crate::provider) fn apply_switch(draft: &mut RequestDraft<'_>) -> bool {
    let spelled = ThinkingFields::read(draft);
    let (wish, rule) = resolve_thinking(draft, &spelled);
    remove_fields(draft, &["reasoning_effort", "reasoning"], rules::THINKING);
    let value = match wish {
        ThinkingRequest::Off if spelled.type_if_only(&["type"]) == Some("disabled") => None,
        ThinkingRequest::Off => Some(r#"{"type":"disabled"}"#),
        ThinkingRequest::Unspecified => {
            remove_fields(draft, &["thinking"], rules::THINKING);
            None
        }
        // An effort alone requests what is already the default.
        ThinkingRequest::Level(_) if spelled.thinking.is_none() && rule == rules::THINKING => None,
        ThinkingRequest::On | ThinkingRequest::Level(_) => {
            choose_enabled_form(&spelled, draft.request().wire_model)
        }
    };
    if value.is_some_and(|value| draft.set("thinking", value)) {
        draft.record_rule(rule);
    }
    wish != ThinkingRequest::Off
}

/// `enabled`, with `keep` where the model takes it; `None` where the client's own form will do.
fn choose_enabled_form(spelled: &ThinkingFields, model: &str) -> Option<&'static str> {
    let keeps = model == KEEP_ALL_MODEL;
    let keep_all = keeps && spelled.keep().is_some_and(|keep| keep == "all");
    let allowed: &[&str] = if keeps && (keep_all || spelled.keep().is_some_and(Value::is_null)) {
        &["type", "keep"]
    } else {
        &["type"]
    };
    if spelled.type_if_only(allowed) == Some("enabled") {
        return None;
    }
    Some(if keep_all { r#"{"type":"enabled","keep":"all"}"# } else { r#"{"type":"enabled"}"# })
}

/// K3: `reasoning_effort`; `thinking` only to switch it off, which is not documented and works.
fn apply_effort(draft: &mut RequestDraft<'_>) -> bool {
    let spelled = ThinkingFields::read(draft);
    let (wish, rule) = resolve_thinking(draft, &spelled);
    remove_fields(draft, &["reasoning"], rules::THINKING);
    if wish == ThinkingRequest::Off {
        remove_fields(draft, &["reasoning_effort"], rules::THINKING);
        if spelled.type_if_only(&["type"]) != Some("disabled")
            && draft.set("thinking", r#"{"type":"disabled"}"#)
        {
            draft.record_rule(rule);
        }
        return false;
    }
    remove_fields(draft, &["thinking"], rules::THINKING);
    set_effort(draft, wish, rule);
    true
}

/// `reasoning_effort` as the K3 family has it; none where the wish names no level.
pub(in crate::provider) fn set_effort(draft: &mut RequestDraft<'_>, wish: ThinkingRequest, rule: Rule) {
    let ThinkingRequest::Level(level) = wish else {
        remove_fields(draft, &["reasoning_effort"], rules::THINKING);
        return;
    };
    let word = match level {
        ThinkingLevel::Minimal | ThinkingLevel::Low => "\"low\"",
        ThinkingLevel::Xhigh | ThinkingLevel::Max => "\"max\"",
        _ => "\"high\"",
    };
    if draft.set("reasoning_effort", word) {
        draft.record_rule(rule);
    }
}

/// A model that is not in the catalog: the client's setting is forwarded.
fn may_think_unchanged(draft: &RequestDraft<'_>) -> bool {
    ThinkingFields::read(draft).resolve() != ThinkingRequest::Off
}

/// Removes keys.
pub(in crate::provider) fn remove_fields(draft: &mut RequestDraft<'_>, keys: &[&str], rule: Rule) {
    for key in keys {
        if draft.remove(key) {
            draft.record_rule(rule);
        }
    }
}

/// Resolves the conflict of the builtin `$web_search` with thinking. Returns whether the model may think
/// afterwards.
pub(super) fn resolve_web_search(draft: &mut RequestDraft<'_>, may_think: bool) -> bool {
    let clashes = draft.request().model.thinking_control == ThinkingControl::Switch && may_think;
    if !clashes || !tools::has_builtin(draft, "$web_search") {
        return may_think;
    }
    draft.set("thinking", r#"{"type":"disabled"}"#);
    draft.record_rule(rules::WEB_SEARCH);
    false
}

/// Resolves the conflict of a forced tool call with thinking. Returns whether the model may think afterwards.
pub(in crate::provider) fn resolve_tool_choice(
    draft: &mut RequestDraft<'_>,
    may_think: bool,
    can_be_off: bool,
) -> bool {
    let forced = tool_choice::read_forced_choice(draft);
    let is_known_to_think = match draft.request().model.thinking_control {
        ThinkingControl::None | ThinkingControl::Unknown => !matches!(
            ThinkingFields::read(draft).resolve(),
            ThinkingRequest::Off | ThinkingRequest::Unspecified
        ),
        ThinkingControl::Switch | ThinkingControl::Always | ThinkingControl::Effort => may_think,
    };
    match forced {
        ForcedToolChoice::AnyTool if is_known_to_think => {
            tool_choice::reset_to_auto(draft, rules::TOOL_CHOICE)
        }
        ForcedToolChoice::PinnedTool if is_known_to_think && can_be_off => {
            draft.set("thinking", r#"{"type":"disabled"}"#);
            draft.remove("reasoning_effort");
            draft.record_rule(rules::TOOL_CHOICE_PINNED);
            return false;
        }
        ForcedToolChoice::PinnedTool if is_known_to_think => {
            tool_choice::reset_to_auto(draft, rules::TOOL_CHOICE_PINNED);
        }
        _ => {}
    }
    may_think
}
