//! Tool calls in answers: names as the client knows them, and calls found in text written as real ones.

use super::leak::LeakedCall;
use crate::dialect::rewrite::AnswerPlan;
use crate::wire::chunk::{self, Chunk};
use crate::wire::edit::Edits;
use crate::wire::json::{self, Malformed, write_string};

/// Gives every tool call the name that the client knows.
///
/// # Errors
/// When `tool_calls` is not JSON all through.
pub(super) fn restore_names(
    text: &[u8],
    chunk: &Chunk,
    plan: &AnswerPlan,
    edits: &mut Edits,
) -> Result<(), Malformed> {
    if plan.tool_names.is_empty() {
        return Ok(());
    }
    for calls in chunk.choice.iter().filter_map(|choice| choice.tool_calls.as_ref()) {
        for name in chunk::tool_names(text, calls)? {
            let literal = text.get(name.clone()).unwrap_or_default();
            let known = plan.tool_names.iter().find(|(sent, _)| json::literal_is(literal, sent));
            if let Some((_, original)) = known {
                edits.replace(name, json::string_literal(original));
            }
        }
    }
    Ok(())
}

/// The elements of a `tool_calls` array, without its brackets. `index` numbers them on, as chunks need it.
pub(super) fn render(calls: &[LeakedCall], plan: &AnswerPlan, mut index: Option<usize>) -> Vec<u8> {
    let mut out = Vec::new();
    for call in calls {
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'{');
        if let Some(index) = &mut index {
            out.extend_from_slice(format!("\"index\":{index},").as_bytes());
            *index += 1;
        }
        out.extend_from_slice(b"\"id\":");
        write_string(&mut out, &call.id);
        out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
        let known = plan.tool_names.iter().find(|(sent, _)| *sent == call.name);
        write_string(&mut out, known.map_or(&call.name, |(_, original)| original));
        out.extend_from_slice(b",\"arguments\":\"");
        out.extend_from_slice(&call.arguments);
        out.extend_from_slice(b"\"}}");
    }
    out
}
