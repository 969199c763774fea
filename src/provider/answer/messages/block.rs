//! Content blocks and their pieces.

use super::{Volume, length};
use crate::protocol::edit::Edits;
use crate::protocol::object::Object;
use crate::provider::answer::names;
use crate::provider::rewrite::AnswerPlan;

/// Reads a block, whole or at its start; tells whether it says something by itself.
pub(super) fn read(text: &[u8], block: &Object<'_>, volume: &mut Volume) -> bool {
    match &*block.word("type") {
        "text" => {
            volume.text += length(text, block.span("text").as_ref());
            block.says("text")
        }
        "thinking" => {
            volume.reasoning += length(text, block.span("thinking").as_ref());
            block.says("thinking") || block.says("signature")
        }
        "redacted_thinking" => true,
        kind if kind.ends_with("tool_use") => {
            volume.calls += length(text, block.span("name").as_ref());
            volume.calls += length(text, block.span("input").as_ref());
            true
        }
        // Results of tools on the provider's side, and what comes after this was written.
        kind => !kind.is_empty(),
    }
}

/// Reads a piece of a block; tells whether it says something.
pub(super) fn read_delta(text: &[u8], delta: &Object<'_>, volume: &mut Volume) -> bool {
    let (key, count) = match &*delta.word("type") {
        "text_delta" => ("text", &mut volume.text),
        "thinking_delta" => ("thinking", &mut volume.reasoning),
        "input_json_delta" => ("partial_json", &mut volume.calls),
        "signature_delta" => return delta.says("signature"),
        _ => return true,
    };
    *count += length(text, delta.span(key).as_ref());
    delta.says(key)
}

/// Gives a tool call the name that the client knows.
pub(super) fn restore_name(text: &[u8], block: &Object<'_>, plan: &AnswerPlan, edits: &mut Edits) {
    if block.word("type") == "tool_use" {
        names::restore(text, block.span("name").as_ref(), plan, edits);
    }
}

/// With these an empty answer is a broken one; the output limit, a filter or a stop sequence may leave nothing.
pub(super) fn promises_substance(stop_reason: Option<&str>) -> bool {
    matches!(stop_reason, Some("end_turn" | "tool_use"))
}
