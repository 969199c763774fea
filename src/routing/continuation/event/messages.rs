//! Events of messages.
//!
//! Thinking that is signed and complete is a block of its own in the client's history, and stays valid there whoever says
//! the rest; a block of thinking that broke ends without a signature, as those of models do that never sign.

use super::{Said, inner};
use crate::protocol::alike::Lone;
use crate::protocol::object::Object;

pub(super) fn read(payload: &[u8]) -> Option<Said<'_>> {
    let top = Object::read(payload)?;
    let said = match &*top.string("type")? {
        "message_start" => Said::default(),
        "ping" => Said { idle: true, ..Said::default() },
        "content_block_start" => {
            top.object("content_block").map_or_else(Said::foreign, |block| begin(&block))
        }
        "content_block_delta" => top.object("delta").map_or_else(Said::foreign, |delta| piece(&delta)),
        "content_block_stop" => Said::edge(),
        "message_delta" => {
            let finish = top.object("delta").is_some_and(|delta| delta.value("stop_reason").is_some());
            Said { finish, ..Said::default() }
        }
        "message_stop" | "error" => Said::finish(),
        _ => Said::foreign(),
    };
    Some(said)
}

fn begin<'t>(block: &Object<'t>) -> Said<'t> {
    let literal = |key| inner(block.literal(key).unwrap_or_default());
    match block.string("type").as_deref() {
        Some("text") if !block.elements("citations").is_empty() => Said::foreign(),
        Some("text") => match literal("text") {
            b"" => Said::edge(),
            text => Said { text, ..Said::default() },
        },
        Some("thinking") if literal("thinking").is_empty() && literal("signature").is_empty() => Said::edge(),
        Some("thinking" | "redacted_thinking") => Said::default(),
        Some("tool_use") => Said::calls(),
        _ => Said::foreign(),
    }
}

fn piece<'t>(delta: &Object<'t>) -> Said<'t> {
    match delta.string("type").as_deref() {
        Some("text_delta") => {
            let text = inner(delta.literal("text").unwrap_or_default());
            Said { text, lone: Lone::of_delta(delta), ..Said::default() }
        }
        Some("thinking_delta") => Said { lone: Lone::of_delta(delta), ..Said::default() },
        Some("signature_delta") => Said::default(),
        Some("input_json_delta") => Said::calls(),
        _ => Said::foreign(),
    }
}
