//! Whole Chat Completions responses.

use bytes::Bytes;

use super::chunks;
use crate::failure::Failure;
use crate::protocol::chat::chunk::ChunkChoice;
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json::{self, Span};
use crate::provider::answer::body::{self, EMPTY_ANSWER, server_failure};
use crate::provider::answer::leak::{FilteredPiece, LeakFilter, LeakedCall, broken_section, may_leak};
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
    plan.complete_usage(&mut meter.usage);
    let mut edits = Edits::new();
    chunks::restore_names(body, &chunk, plan, &mut edits);
    let mut drops_details = false;
    if plan.offers_tools {
        for choice in &chunk.parsed_choices {
            let found = extract_leaked_calls(body, choice, plan, &mut edits)?;
            drops_details |= found.drops_details;
            if found.has_calls {
                meter.finish_reason = Some("tool_calls".to_owned());
            }
        }
    }
    if !drops_details {
        chunks::write_origins(body, &chunk, plan, &mut edits);
    }
    Ok((edits.apply(body), meter))
}

/// What was done about leaked calls of a message.
#[derive(Clone, Copy, Debug, Default)]
struct LeakedCalls {
    has_calls: bool,
    /// `reasoning_details`, which repeat the reasoning, were removed.
    drops_details: bool,
}

/// Converts leaked calls in a message's content and reasoning to tool calls.
///
/// # Errors
/// When one of them begins with markup that cannot be read as tool calls.
fn extract_leaked_calls(
    body: &[u8],
    choice: &ChunkChoice,
    plan: &AnswerPlan,
    edits: &mut Edits,
) -> Result<LeakedCalls, Failure> {
    let content = choice.content.clone().filter(|span| chunks::inner_text(body, span).is_some());
    let mut found = extract_calls(body, content.as_slice(), edits)?;
    let from_reasoning = extract_calls(body, &chunks::reasoning_spans(body, choice), edits)?;
    let details = choice.reasoning_details.as_ref().filter(|_| !from_reasoning.is_empty());
    if let Some(details) = details {
        edits.replace(details.clone(), Bytes::from_static(b"[]"));
    }
    let drops_details = details.is_some();
    found.extend(from_reasoning);
    if found.is_empty() {
        return Ok(LeakedCalls::default());
    }
    append_tool_calls(body, choice, chunks::render_tool_calls(&found, plan, None), edits);
    if let Some(finish) = choice.finish_reason.clone()
        && body.get(finish.clone()).is_some_and(|literal| json::literal_equals(literal, "stop"))
    {
        edits.replace(finish, Bytes::from_static(b"\"tool_calls\""));
    }
    Ok(LeakedCalls { has_calls: true, drops_details })
}

/// Removes leaked calls from strings that have the same text, and returns them.
///
/// # Errors
/// When the text begins with markup that cannot be read as tool calls.
fn extract_calls(body: &[u8], spans: &[Span], edits: &mut Edits) -> Result<Vec<LeakedCall>, Failure> {
    let escaped = spans.first().and_then(|span| chunks::inner_text(body, span)).unwrap_or_default();
    if !may_leak(escaped) {
        return Ok(Vec::new());
    }
    let mut filter = LeakFilter::default();
    let mut pieces = filter.push(escaped);
    chunks::append_text(&mut pieces, filter.flush());
    let (mut text, mut found) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            FilteredPiece::Text(part) => text.extend_from_slice(&part),
            FilteredPiece::Calls(calls) => found.extend(calls),
        }
    }
    if filter.is_broken() && found.is_empty() {
        return Err(broken_section());
    }
    for span in spans.iter().filter(|_| !found.is_empty()) {
        edits.replace(span.clone(), [b"\"", &*text, b"\""].concat());
    }
    Ok(found)
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
