//! Thinking as each family of Kimi models takes it (Moonshot's model pages and API reference, 2026-09-23).

use serde_json::Value;

use crate::catalog::{Thinking, ThinkingLevel};
use crate::provider::rewrite::draft::Draft;
use crate::provider::rewrite::rules::{self, Rule};
use crate::provider::rewrite::thinking::{Spellings, Wish};
use crate::provider::rewrite::tool_choice::{self, Forced};
use crate::provider::rewrite::tools;

/// The only model that takes `keep: "all"`.
const KEEPS_REASONING: &str = "kimi-k2.6";

/// What is wished for, and the rule to name for what follows from it.
pub(in crate::provider) fn wish(draft: &Draft<'_>, spelled: &Spellings) -> (Wish, Rule) {
    match (spelled.wish(), draft.request().thinking) {
        (Wish::Unsaid, Some(level)) => (level.into(), rules::THINKING_DEFAULT),
        (wish, _) => (wish, rules::THINKING),
    }
}

/// Makes the request say it as the model takes it; tells whether the model may think then.
pub(super) fn settle(draft: &mut Draft<'_>) -> bool {
    match draft.request().model.thinking {
        Thinking::Always => always(draft),
        Thinking::Switch => switch(draft),
        Thinking::Effort => effort(draft),
        Thinking::None | Thinking::Unknown => as_it_came(draft),
    }
}

/// Whether thinking can be switched off.
pub(super) const fn can_be_off(draft: &Draft<'_>) -> bool {
    matches!(draft.request().model.thinking, Thinking::Switch | Thinking::Effort)
}

/// K2.7 Code: `thinking` is omitted, an effort means nothing.
pub(in crate::provider) fn always(draft: &mut Draft<'_>) -> bool {
    without(draft, &["thinking", "reasoning_effort", "reasoning"], rules::THINKING);
    true
}

/// K2.6: `thinking.type`; thinking is on unless it is disabled.
pub(in crate::provider) fn switch(draft: &mut Draft<'_>) -> bool {
    let spelled = Spellings::of(draft);
    let (wish, rule) = wish(draft, &spelled);
    without(draft, &["reasoning_effort", "reasoning"], rules::THINKING);
    let value = match wish {
        Wish::Off if spelled.kind_if_only(&["type"]) == Some("disabled") => None,
        Wish::Off => Some(r#"{"type":"disabled"}"#),
        Wish::Unsaid => {
            without(draft, &["thinking"], rules::THINKING);
            None
        }
        // An effort alone asks for what is the default anyway.
        Wish::Level(_) if spelled.thinking.is_none() && rule == rules::THINKING => None,
        Wish::On | Wish::Level(_) => enabled(&spelled, draft.request().wire_model),
    };
    if value.is_some_and(|value| draft.set("thinking", value)) {
        draft.fire(rule);
    }
    wish != Wish::Off
}

/// `enabled`, with `keep` where the model takes it; `None` where the client's own form will do.
fn enabled(spelled: &Spellings, model: &str) -> Option<&'static str> {
    let keeps = model == KEEPS_REASONING;
    let keep_all = keeps && spelled.keep().is_some_and(|keep| keep == "all");
    let allowed: &[&str] = if keeps && (keep_all || spelled.keep().is_some_and(Value::is_null)) {
        &["type", "keep"]
    } else {
        &["type"]
    };
    if spelled.kind_if_only(allowed) == Some("enabled") {
        return None;
    }
    Some(if keep_all { r#"{"type":"enabled","keep":"all"}"# } else { r#"{"type":"enabled"}"# })
}

/// K3: `reasoning_effort`; `thinking` only to switch it off, which is not documented and works.
fn effort(draft: &mut Draft<'_>) -> bool {
    let spelled = Spellings::of(draft);
    let (wish, rule) = wish(draft, &spelled);
    without(draft, &["reasoning"], rules::THINKING);
    if wish == Wish::Off {
        without(draft, &["reasoning_effort"], rules::THINKING);
        if spelled.kind_if_only(&["type"]) != Some("disabled")
            && draft.set("thinking", r#"{"type":"disabled"}"#)
        {
            draft.fire(rule);
        }
        return false;
    }
    without(draft, &["thinking"], rules::THINKING);
    set_effort(draft, wish, rule);
    true
}

/// `reasoning_effort` as the K3 family has it; none where the wish names no level.
pub(in crate::provider) fn set_effort(draft: &mut Draft<'_>, wish: Wish, rule: Rule) {
    let Wish::Level(level) = wish else {
        without(draft, &["reasoning_effort"], rules::THINKING);
        return;
    };
    let word = match level {
        ThinkingLevel::Minimal | ThinkingLevel::Low => "\"low\"",
        ThinkingLevel::Xhigh | ThinkingLevel::Max => "\"max\"",
        _ => "\"high\"",
    };
    if draft.set("reasoning_effort", word) {
        draft.fire(rule);
    }
}

/// A model that the catalog does not know: what the client says goes on.
fn as_it_came(draft: &Draft<'_>) -> bool {
    Spellings::of(draft).wish() != Wish::Off
}

/// Removes keys.
pub(in crate::provider) fn without(draft: &mut Draft<'_>, keys: &[&str], rule: Rule) {
    for key in keys {
        if draft.remove(key) {
            draft.fire(rule);
        }
    }
}

/// Settles the builtin `$web_search` beside thinking; tells whether the model may think then.
pub(super) fn settle_web_search(draft: &mut Draft<'_>, may_think: bool) -> bool {
    let clashes = draft.request().model.thinking == Thinking::Switch && may_think;
    if !clashes || !tools::has_builtin(draft, "$web_search") {
        return may_think;
    }
    draft.set("thinking", r#"{"type":"disabled"}"#);
    draft.fire(rules::WEB_SEARCH);
    false
}

/// Settles a forced tool call beside thinking; tells whether the model may think then.
pub(in crate::provider) fn settle_tool_choice(
    draft: &mut Draft<'_>,
    may_think: bool,
    can_be_off: bool,
) -> bool {
    let forced = tool_choice::forced(draft);
    let is_known_to_think = match draft.request().model.thinking {
        Thinking::None | Thinking::Unknown => {
            !matches!(Spellings::of(draft).wish(), Wish::Off | Wish::Unsaid)
        }
        Thinking::Switch | Thinking::Always | Thinking::Effort => may_think,
    };
    match forced {
        Forced::Any if is_known_to_think => tool_choice::let_it_choose(draft, rules::TOOL_CHOICE),
        Forced::Pinned if is_known_to_think && can_be_off => {
            draft.set("thinking", r#"{"type":"disabled"}"#);
            draft.remove("reasoning_effort");
            draft.fire(rules::TOOL_CHOICE_PINNED);
            return false;
        }
        Forced::Pinned if is_known_to_think => {
            tool_choice::let_it_choose(draft, rules::TOOL_CHOICE_PINNED);
        }
        _ => {}
    }
    may_think
}
