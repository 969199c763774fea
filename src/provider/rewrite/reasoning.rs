//! Reasoning in the history: its name, and Moonshot's demand for it.

use super::draft::Draft;
use super::rules;
use crate::protocol::request::{Message, RequestBody};

/// A string with something in it.
fn says_something(body: &RequestBody, message: &Message, key: &str) -> bool {
    body.field(message, key).is_some_and(|value| value.starts_with(b"\"") && value != b"\"\"")
}

/// `reasoning`, as OpenRouter has it, becomes `reasoning_content` where that is missing.
pub(in crate::provider) fn as_reasoning_content(draft: &mut Draft<'_>) {
    rename(draft, "reasoning", "reasoning_content");
}

/// `reasoning_content`, as Moonshot has it, becomes `reasoning` where that is missing.
pub(in crate::provider) fn as_reasoning(draft: &mut Draft<'_>) {
    rename(draft, "reasoning_content", "reasoning");
}

fn rename(draft: &mut Draft<'_>, from: &str, to: &str) {
    let body = draft.body();
    for (index, message) in body.messages.iter().enumerate() {
        if says_something(body, message, from)
            && !says_something(body, message, to)
            && body.role_is(message, "assistant")
            && let Some(patch) = draft.message(index)
        {
            patch.rename(from, to);
            draft.fire(rules::REASONING_NAME);
        }
    }
}

/// Assistant messages with tool calls and without `reasoning_content` get one space: any text that is not empty passes.
pub(in crate::provider) fn fill(draft: &mut Draft<'_>) {
    let body = draft.body();
    let lacking: Vec<usize> = draft
        .calls()
        .keys()
        .copied()
        .filter(|index| {
            body.messages.get(*index).is_some_and(|message| {
                !says_something(body, message, "reasoning_content")
                    && !says_something(body, message, "reasoning")
            })
        })
        .collect();
    for index in lacking {
        if let Some(patch) = draft.message(index) {
            patch.set("reasoning_content", "\" \"");
            draft.fire(rules::REASONING_FILLER);
        }
    }
}
