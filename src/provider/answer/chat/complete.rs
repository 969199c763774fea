//! Whole Chat Completions responses.

use bytes::Bytes;

use super::chunks;
use crate::failure::Failure;
use crate::protocol::chat::chunk::ChunkChoice;
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json;
use crate::provider::answer::body::{self, EMPTY_ANSWER, server_failure};
use crate::provider::answer::leak::{FilteredPiece, LeakFilter, may_leak};
use crate::provider::answer::meter::Meter;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Reads one.
///
/// # Errors
/// When it holds an error object, is not JSON, or is empty.
pub(in crate::provider::answer) fn read_complete(
    classifier: &Classifier,
    plan: &AnswerPlan,
    body: &Bytes,
) -> Result<(Segments, Meter), Failure> {
    let chunk = body::parse_chunk(body)?;
    if let Some(failure) = body::find_failure(classifier, body, &chunk) {
        return Err(failure);
    }
    if chunk.parsed_choices.is_empty() {
        return Err(server_failure("the response has no choices"));
    }
    if !chunk.has_output() && chunks::requires_content(body, &chunk) {
        return Err(server_failure(EMPTY_ANSWER));
    }
    let mut meter = Meter::default();
    meter.read(body, &chunk);
    let mut edits = Edits::new();
    chunks::restore_names(body, &chunk, plan, &mut edits);
    chunks::write_origins(body, &chunk, plan, &mut edits);
    if plan.offers_tools {
        for choice in &chunk.parsed_choices {
            if extract_leaked_calls(body, choice, plan, &mut edits) {
                meter.finish_reason = Some("tool_calls".to_owned());
            }
        }
    }
    Ok((edits.apply(body), meter))
}

/// Converts leaked calls in a message's content to tool calls; returns whether there were any.
fn extract_leaked_calls(body: &[u8], choice: &ChunkChoice, plan: &AnswerPlan, edits: &mut Edits) -> bool {
    let Some((place, escaped)) = chunks::read_text(body, choice) else { return false };
    if !may_leak(escaped) {
        return false;
    }
    let mut filter = LeakFilter::default();
    let mut pieces = filter.push(escaped);
    chunks::append_text(&mut pieces, filter.flush());
    let mut text = Vec::new();
    let mut found = Vec::new();
    for piece in pieces {
        match piece {
            FilteredPiece::Text(part) => text.extend_from_slice(&part),
            FilteredPiece::Calls(calls) => found.extend(calls),
        }
    }
    if found.is_empty() {
        return false;
    }
    edits.replace(place, [b"\"", &*text, b"\""].concat());
    append_tool_calls(body, choice, chunks::render_tool_calls(&found, plan, None), edits);
    if let Some(finish) = choice.finish_reason.clone()
        && body.get(finish.clone()).is_some_and(|literal| json::literal_equals(literal, "stop"))
    {
        edits.replace(finish, Bytes::from_static(b"\"tool_calls\""));
    }
    true
}

fn append_tool_calls(body: &[u8], choice: &ChunkChoice, rendered: Vec<u8>, edits: &mut Edits) {
    if let Some(calls) = &choice.tool_calls {
        let at = calls.end.saturating_sub(1);
        edits.replace(at..at, [b",", &*rendered].concat());
        return;
    }
    let Some(message) = &choice.delta else { return };
    if let Ok((members, _)) = json::parse_members(body, message.start) {
        let mut patch = ObjectPatch::new(body, message.start, &members);
        patch.set("tool_calls", [b"[", &*rendered, b"]"].concat());
        patch.write_edits(edits);
    }
}
