//! Small readings and writings of one chunk.

use bytes::Bytes;

use crate::protocol::api::Api;
use crate::protocol::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json::{self, Span};
use crate::protocol::sse;
use crate::protocol::usage::TokenUsage;
use crate::provider::answer::leak::FilteredPiece;

/// The position of the content and the text between its quotes, when it is a string.
pub(super) fn read_text<'t>(payload: &'t [u8], choice: &ChunkChoice) -> Option<(Span, &'t [u8])> {
    let place = choice.content.clone()?;
    let escaped = payload.get(place.clone())?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Some((place, escaped))
}

/// Which choice it is; without an index, the first one.
pub(super) fn read_index(payload: &[u8], choice: &ChunkChoice) -> u64 {
    let literal =
        choice.index.as_ref().and_then(|index| std::str::from_utf8(payload.get(index.clone())?).ok());
    literal.and_then(|literal| literal.parse().ok()).unwrap_or_default()
}

/// Whether a finish says that something was said: with `stop` or `tool_calls` an empty answer is a broken one, with
/// `length` or `content_filter` it is not.
pub(super) fn requires_content(payload: &[u8], chunk: &ChatChunk) -> bool {
    chunk.parsed_choices.iter().filter_map(|choice| payload.get(choice.finish_reason.clone()?)).all(
        |finish| {
            ["stop", "tool_calls", "function_call"].iter().any(|word| json::literal_equals(finish, word))
        },
    )
}

/// An answer that makes calls finishes with `tool_calls`.
pub(super) fn set_tool_calls_finish(payload: &[u8], chunk: &ChatChunk, edits: &mut Edits) {
    for finish in chunk.parsed_choices.iter().filter_map(|choice| choice.finish_reason.clone()) {
        if payload.get(finish.clone()).is_some_and(|literal| json::literal_equals(literal, "stop")) {
            edits.replace(finish, Bytes::from_static(b"\"tool_calls\""));
        }
    }
}

/// Adds text at the end of the pieces.
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
