//! Parses events of the Messages API.
//!
//! Thinking that is signed and complete is a separate block of the client's history, and stays valid if another
//! model continues. An interrupted thinking block ends without a signature, as thinking of models that never
//! sign does.

use super::{EventContent, unquote};
use crate::protocol::object::ObjectView;
use crate::protocol::template_learner::SingleDelta;

pub(super) fn read_event(payload: &[u8]) -> Option<EventContent<'_>> {
    let top = ObjectView::parse(payload)?;
    let said = match &*top.string("type")? {
        "message_start" => EventContent::default(),
        "ping" => EventContent { is_keep_alive: true, ..EventContent::default() },
        "content_block_start" => {
            top.object("content_block").map_or_else(EventContent::foreign, |block| read_block_start(&block))
        }
        "content_block_delta" => {
            top.object("delta").map_or_else(EventContent::foreign, |delta| read_delta(&delta))
        }
        "content_block_stop" => EventContent::block_boundary(),
        "message_delta" => {
            let finish = top.object("delta").is_some_and(|delta| delta.value("stop_reason").is_some());
            EventContent { is_finish: finish, ..EventContent::default() }
        }
        "message_stop" | "error" => EventContent::finish(),
        _ => EventContent::foreign(),
    };
    Some(said)
}

fn read_block_start<'t>(block: &ObjectView<'t>) -> EventContent<'t> {
    let literal = |key| unquote(block.literal(key).unwrap_or_default());
    match block.string("type").as_deref() {
        Some("text") if !block.elements("citations").is_empty() => EventContent::foreign(),
        Some("text") => match literal("text") {
            b"" => EventContent::block_boundary(),
            text => EventContent { text, ..EventContent::default() },
        },
        Some("thinking") if literal("thinking").is_empty() && literal("signature").is_empty() => {
            EventContent::block_boundary()
        }
        Some("thinking" | "redacted_thinking") => EventContent::default(),
        Some("tool_use") => EventContent::tool_calls(),
        _ => EventContent::foreign(),
    }
}

fn read_delta<'t>(delta: &ObjectView<'t>) -> EventContent<'t> {
    match delta.string("type").as_deref() {
        Some("text_delta") => {
            let text = unquote(delta.literal("text").unwrap_or_default());
            EventContent {
                text,
                single_delta: SingleDelta::from_messages_delta(delta),
                ..EventContent::default()
            }
        }
        Some("thinking_delta") => {
            EventContent { single_delta: SingleDelta::from_messages_delta(delta), ..EventContent::default() }
        }
        Some("signature_delta") => EventContent::default(),
        Some("input_json_delta") => EventContent::tool_calls(),
        _ => EventContent::foreign(),
    }
}
