//! Thinking as Kimi Code takes it (its model page, 2026-09): its models always think, to disable that is a 400, and so
//! is an effort that it does not know.

use crate::catalog::ThinkingControl;
use crate::provider::moonshot::thinking::{
    apply_always, apply_switch, remove_fields, resolve_thinking, set_effort,
};
use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::rules;
use crate::provider::rewrite::thinking::{ThinkingFields, ThinkingRequest};

/// Writes the thinking setting as the model accepts it; returns whether the model may think.
pub(super) fn apply_thinking(draft: &mut RequestDraft<'_>) -> bool {
    match draft.request().model.thinking_control {
        ThinkingControl::Always => apply_always(draft),
        ThinkingControl::Switch => apply_switch(draft),
        // Which models there are depends on the account: one that the catalog does not know is like the others.
        ThinkingControl::Effort | ThinkingControl::Unknown | ThinkingControl::None => apply_effort(draft),
    }
}

fn apply_effort(draft: &mut RequestDraft<'_>) -> bool {
    let spelled = ThinkingFields::read(draft);
    let (wish, rule) = resolve_thinking(draft, &spelled);
    remove_fields(draft, &["reasoning"], rules::THINKING);
    // Its own client sends {"type":"enabled","keep":"all"}.
    let is_its_own_form = spelled.type_if_only(&["type", "keep"]) == Some("enabled");
    if wish == ThinkingRequest::Off || !is_its_own_form {
        remove_fields(draft, &["thinking"], rules::THINKING);
    }
    set_effort(draft, wish, rule);
    true
}
