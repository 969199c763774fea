//! Reasoning in the history: its name, and Moonshot's demand for it.

use super::draft::RequestDraft;
use super::rules;
use crate::protocol::request::{RequestBody, RequestMessage};

/// A string with something in it.
fn has_text(body: &RequestBody, message: &RequestMessage, key: &str) -> bool {
    body.field(message, key).is_some_and(|value| value.starts_with(b"\"") && value != b"\"\"")
}

/// `reasoning`, as OpenRouter has it, becomes `reasoning_content` where that is missing.
pub(in crate::provider) fn rename_to_reasoning_content(draft: &mut RequestDraft<'_>) {
    rename_field(draft, "reasoning", "reasoning_content");
}

/// `reasoning_content`, as Moonshot has it, becomes `reasoning` where that is missing.
pub(in crate::provider) fn rename_to_reasoning(draft: &mut RequestDraft<'_>) {
    rename_field(draft, "reasoning_content", "reasoning");
}

fn rename_field(draft: &mut RequestDraft<'_>, from: &str, to: &str) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if has_text(body, message, from)
            && !has_text(body, message, to)
            && body.has_role(message, "assistant")
            && let Some(patch) = draft.message_patch(index)
        {
            patch.rename(from, to);
            draft.record_rule(rules::REASONING_NAME);
        }
    }
}

/// Assistant messages with tool calls and without `reasoning_content` get one space: any text that is not empty passes.
pub(in crate::provider) fn fill_missing(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let lacking: Vec<usize> = draft
        .calls()
        .keys()
        .copied()
        .filter(|index| {
            body.messages.get(*index).is_some_and(|message| {
                !has_text(body, message, "reasoning_content") && !has_text(body, message, "reasoning")
            })
        })
        .collect();
    for index in lacking {
        if let Some(patch) = draft.message_patch(index) {
            patch.set("reasoning_content", "\" \"");
            draft.record_rule(rules::REASONING_FILLER);
        }
    }
}
