//! Content blocks and their pieces.

use super::{ContentBytes, decoded_length};
use crate::protocol::edit::Edits;
use crate::protocol::object::ObjectView;
use crate::provider::answer::tool_names;
use crate::provider::rewrite::AnswerPlan;

/// Reads a block, complete or at its start; returns whether it has content by itself.
pub(super) fn read_block(text: &[u8], block: &ObjectView<'_>, volume: &mut ContentBytes) -> bool {
    match &*block.string_or_empty("type") {
        "text" => {
            volume.text += decoded_length(text, block.span("text").as_ref());
            block.has_text("text")
        }
        "thinking" => {
            volume.reasoning += decoded_length(text, block.span("thinking").as_ref());
            block.has_text("thinking") || block.has_text("signature")
        }
        "redacted_thinking" => true,
        kind if kind.ends_with("tool_use") => {
            volume.tool_calls += decoded_length(text, block.span("name").as_ref());
            volume.tool_calls += decoded_length(text, block.span("input").as_ref());
            true
        }
        // Results of tools on the provider's side, and what comes after this was written.
        kind => !kind.is_empty(),
    }
}

/// Reads a delta of a block; returns whether it has content.
pub(super) fn read_delta(text: &[u8], delta: &ObjectView<'_>, volume: &mut ContentBytes) -> bool {
    let (key, count) = match &*delta.string_or_empty("type") {
        "text_delta" => ("text", &mut volume.text),
        "thinking_delta" => ("thinking", &mut volume.reasoning),
        "input_json_delta" => ("partial_json", &mut volume.tool_calls),
        "signature_delta" => return delta.has_text("signature"),
        _ => return true,
    };
    *count += decoded_length(text, delta.span(key).as_ref());
    delta.has_text(key)
}

/// Gives a tool call the name that the client knows.
pub(super) fn restore_name(text: &[u8], block: &ObjectView<'_>, plan: &AnswerPlan, edits: &mut Edits) {
    if block.string_or_empty("type") == "tool_use" {
        tool_names::restore_name(text, block.span("name").as_ref(), plan, edits);
    }
}

/// With these an empty answer is a broken one; the output limit, a filter or a stop sequence may leave nothing.
pub(super) fn requires_content(stop_reason: Option<&str>) -> bool {
    matches!(stop_reason, Some("end_turn" | "tool_use"))
}
