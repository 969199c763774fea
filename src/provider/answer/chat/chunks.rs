//! Reads and writes parts of one chunk: text, tool calls, finish, usage.

use bytes::Bytes;

use crate::protocol::api::Api;
use crate::protocol::chat::chunk::{self, ChatChunk, ChunkChoice};
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json::{self, Span, write_string};
use crate::protocol::object::ObjectView;
use crate::protocol::sse;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::leak::{FilteredPiece, LeakedCall};
use crate::provider::rewrite::AnswerPlan;

/// The position of the content and the text between its quotes, when it is a string.
pub(super) fn read_text<'t>(payload: &'t [u8], choice: &ChunkChoice) -> Option<(Span, &'t [u8])> {
    let place = choice.content.clone()?;
    let escaped = inner_text(payload, &place)?;
    Some((place, escaped))
}

/// The values of `reasoning_content` and `reasoning` that are strings; providers that send both repeat themselves.
pub(super) fn reasoning_spans(payload: &[u8], choice: &ChunkChoice) -> Vec<Span> {
    let delta = choice.delta.as_ref().and_then(|span| ObjectView::parse_at(payload, span.start));
    let Some(delta) = delta else { return Vec::new() };
    let keys = ["reasoning_content", "reasoning"].into_iter();
    keys.filter_map(|key| delta.span(key)).filter(|span| inner_text(payload, span).is_some()).collect()
}

/// The text between the quotes of a string.
pub(super) fn inner_text<'t>(payload: &'t [u8], span: &Span) -> Option<&'t [u8]> {
    payload.get(span.clone())?.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The index of a choice; 0 without an index.
pub(super) fn read_index(payload: &[u8], choice: &ChunkChoice) -> u64 {
    let literal =
        choice.index.as_ref().and_then(|index| std::str::from_utf8(payload.get(index.clone())?).ok());
    literal.and_then(|literal| literal.parse().ok()).unwrap_or_default()
}

/// Whether an empty response is a failure: with `stop` or `tool_calls` it is, with
/// `length` or `content_filter` it is not.
pub(super) fn requires_content(payload: &[u8], chunk: &ChatChunk) -> bool {
    chunk.parsed_choices.iter().filter_map(|choice| payload.get(choice.finish_reason.clone()?)).all(
        |finish| {
            ["stop", "tool_calls", "function_call"].iter().any(|word| json::literal_equals(finish, word))
        },
    )
}

/// A response with calls finishes with `tool_calls`.
pub(super) fn set_tool_calls_finish(payload: &[u8], chunk: &ChatChunk, edits: &mut Edits) {
    for finish in chunk.parsed_choices.iter().filter_map(|choice| choice.finish_reason.clone()) {
        if payload.get(finish.clone()).is_some_and(|literal| json::literal_equals(literal, "stop")) {
            edits.replace(finish, Bytes::from_static(b"\"tool_calls\""));
        }
    }
}

/// Appends text to the pieces.
pub(super) fn append_text(pieces: &mut Vec<FilteredPiece>, text: Vec<u8>) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(FilteredPiece::Text(before)) => before.extend_from_slice(&text),
        _ => pieces.push(FilteredPiece::Text(text)),
    }
}

/// A chunk with this one's id, model and so on, and another delta; without finish and usage.
pub(super) fn chunk_with_delta(payload: &Bytes, delta: Vec<u8>) -> Segments {
    let choices = [b"[{\"index\":0,\"delta\":", &*delta, b",\"finish_reason\":null}]"].concat();
    patch_chunk(payload, choices, None)
}

/// A chunk whose delta has only text. `text` must be escaped as in a JSON string, without the quotes.
pub(super) fn chunk_with_text(payload: &Bytes, text: &[u8]) -> Segments {
    chunk_with_delta(payload, [b"{\"content\":\"", text, b"\"}"].concat())
}

/// A chunk whose delta has only reasoning, escaped without the quotes.
pub(super) fn chunk_with_reasoning(payload: &Bytes, text: &[u8]) -> Segments {
    chunk_with_delta(payload, [b"{\"reasoning_content\":\"", text, b"\"}"].concat())
}

/// The last chunk of a stream, with nothing but usage.
pub(super) fn chunk_with_usage(payload: &Bytes, usage: &TokenUsage) -> Segments {
    patch_chunk(payload, b"[]".to_vec(), Some(usage))
}

fn patch_chunk(payload: &Bytes, choices: Vec<u8>, usage: Option<&TokenUsage>) -> Segments {
    let open = json::skip_whitespace(payload, 0);
    let mut edits = Edits::new();
    if let Ok((members, _)) = json::parse_members(payload, open) {
        let mut patch = ObjectPatch::new(payload, open, &members);
        patch.set("choices", choices);
        match usage {
            Some(usage) => patch.set("usage", usage.to_json(Api::ChatCompletions)),
            None => {
                patch.remove("usage");
            }
        }
        patch.write_edits(&mut edits);
    }
    Segments::from_bytes(sse::encode_event(&edits.apply(payload).to_bytes()))
}

pub(super) fn restore_names(text: &[u8], chunk: &ChatChunk, plan: &AnswerPlan, edits: &mut Edits) {
    if plan.tool_names.is_empty() {
        return;
    }
    for calls in chunk.parsed_choices.iter().filter_map(|choice| choice.tool_calls.as_ref()) {
        for name in chunk::find_tool_names(text, calls) {
            let literal = text.get(name.clone()).unwrap_or_default();
            if let Some(original) = plan.original_literal(literal) {
                edits.replace(name, original);
            }
        }
    }
}

/// Gives the sealed values of `reasoning_details` their origin.
pub(super) fn write_origins(text: &[u8], chunk: &ChatChunk, plan: &AnswerPlan, edits: &mut Edits) {
    if plan.seal_origin.is_none() {
        return;
    }
    for details in chunk.parsed_choices.iter().filter_map(|choice| choice.reasoning_details.as_ref()) {
        for detail in ObjectView::parse_array_at(text, details.start) {
            plan.write_origin(&detail, "signature", edits);
            plan.write_origin(&detail, "data", edits);
        }
    }
}

/// Renumbers real calls after `leaked` ones, whose indexes start at `start`. Returns the
/// index after the last.
pub(super) fn renumber(text: &[u8], calls: &Span, start: usize, leaked: usize, edits: &mut Edits) -> usize {
    let Ok((elements, _)) = json::parse_elements(text, calls.start) else { return 0 };
    let mut after = 0;
    for (position, element) in elements.into_iter().enumerate() {
        let index = read_call_index(text, &element);
        let number = index.as_ref().map_or(position, |(_, number)| *number);
        let shift = if number >= start { leaked } else { 0 };
        if let (Some((place, _)), 1..) = (index, shift) {
            edits.replace(place, number.saturating_add(shift).to_string());
        }
        after = after.max(number.saturating_add(shift).saturating_add(1));
    }
    after
}

fn read_call_index(text: &[u8], call: &Span) -> Option<(Span, usize)> {
    let (members, _) = json::parse_members(text, call.start).ok()?;
    let place = json::find_member(text, &members, "index")?.value.clone();
    let number = std::str::from_utf8(text.get(place.clone())?).ok()?.parse().ok()?;
    Some((place, number))
}

/// The elements of a `tool_calls` array, without its brackets. `index` numbers them on, as chunks need it.
pub(super) fn render_tool_calls(
    calls: &[LeakedCall],
    plan: &AnswerPlan,
    mut index: Option<usize>,
) -> Vec<u8> {
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
        write_string(&mut out, plan.original_name(&call.name));
        out.extend_from_slice(b",\"arguments\":\"");
        out.extend_from_slice(&call.arguments);
        out.extend_from_slice(b"\"}}");
    }
    out
}
