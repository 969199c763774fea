//! Whole chat answers.

use bytes::Bytes;

use super::{calls, delta};
use crate::failure::Failure;
use crate::protocol::chunk::Choice;
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json;
use crate::provider::answer::Meter;
use crate::provider::answer::leak::{LeakFilter, Piece, may_leak};
use crate::provider::answer::refusal::{self, EMPTY, NOT_JSON, server};
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

/// Reads one.
///
/// # Errors
/// When it holds an error object, is not JSON, or is empty.
pub(in crate::provider::answer) fn whole(
    classifier: &Classifier,
    plan: &AnswerPlan,
    body: &Bytes,
) -> Result<(Segments, Meter), Failure> {
    let chunk = refusal::parse(body)?;
    if let Some(failure) = refusal::in_chunk(classifier, body, &chunk) {
        return Err(failure);
    }
    if chunk.choice.is_empty() {
        return Err(server("the answer has no choices"));
    }
    if !chunk.has_substance() && delta::promises_substance(body, &chunk) {
        return Err(server(EMPTY));
    }
    let mut meter = Meter::default();
    meter.read(body, &chunk);
    let mut edits = Edits::new();
    calls::restore_names(body, &chunk, plan, &mut edits).map_err(|_| server(NOT_JSON))?;
    if plan.offers_tools {
        for choice in &chunk.choice {
            if find_calls(body, choice, plan, &mut edits) {
                meter.finish = Some("tool_calls".to_owned());
            }
        }
    }
    Ok((edits.apply(body), meter))
}

/// Turns leaked calls in a message's content into real ones; tells whether there were any.
fn find_calls(body: &[u8], choice: &Choice, plan: &AnswerPlan, edits: &mut Edits) -> bool {
    let Some((place, escaped)) = delta::text(body, choice) else { return false };
    if !may_leak(escaped) {
        return false;
    }
    let mut filter = LeakFilter::default();
    let mut pieces = filter.push(escaped);
    delta::add_text(&mut pieces, filter.flush());
    let mut text = Vec::new();
    let mut found = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(part) => text.extend_from_slice(&part),
            Piece::Calls(calls) => found.extend(calls),
        }
    }
    if found.is_empty() {
        return false;
    }
    edits.replace(place, [b"\"", &*text, b"\""].concat());
    add_calls(body, choice, calls::render(&found, plan, None), edits);
    if let Some(finish) = choice.finish.clone()
        && body.get(finish.clone()).is_some_and(|literal| json::literal_is(literal, "stop"))
    {
        edits.replace(finish, Bytes::from_static(b"\"tool_calls\""));
    }
    true
}

fn add_calls(body: &[u8], choice: &Choice, rendered: Vec<u8>, edits: &mut Edits) {
    if let Some(calls) = &choice.tool_calls {
        let at = calls.end.saturating_sub(1);
        edits.replace(at..at, [b",", &*rendered].concat());
        return;
    }
    let Some(message) = &choice.delta else { return };
    if let Ok((members, _)) = json::members(body, message.start) {
        let mut patch = ObjectPatch::new(body, message.start, &members);
        patch.set("tool_calls", [b"[", &*rendered, b"]"].concat());
        patch.finish(edits);
    }
}
