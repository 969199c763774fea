//! Small readings and writings of one chunk.

use bytes::Bytes;

use crate::protocol::chunk::{Choice, Chunk};
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::face::Face;
use crate::protocol::json::{self, Span};
use crate::protocol::sse;
use crate::protocol::usage::Usage;
use crate::provider::answer::leak::Piece;

/// The content's place and what stands between its quotes, when it is a string.
pub(super) fn text<'t>(payload: &'t [u8], choice: &Choice) -> Option<(Span, &'t [u8])> {
    let place = choice.content.clone()?;
    let escaped = payload.get(place.clone())?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Some((place, escaped))
}

/// Which choice it is; without an index, the first one.
pub(super) fn index(payload: &[u8], choice: &Choice) -> u64 {
    let literal =
        choice.index.as_ref().and_then(|index| std::str::from_utf8(payload.get(index.clone())?).ok());
    literal.and_then(|literal| literal.parse().ok()).unwrap_or_default()
}

/// Whether a finish says that something was said: with `stop` or `tool_calls` an empty answer is a broken one, with
/// `length` or `content_filter` it is not.
pub(super) fn promises_substance(payload: &[u8], chunk: &Chunk) -> bool {
    chunk.choice.iter().filter_map(|choice| payload.get(choice.finish.clone()?)).all(|finish| {
        ["stop", "tool_calls", "function_call"].iter().any(|word| json::literal_is(finish, word))
    })
}

/// An answer that makes calls finishes with `tool_calls`.
pub(super) fn finish_with_calls(payload: &[u8], chunk: &Chunk, edits: &mut Edits) {
    for finish in chunk.choice.iter().filter_map(|choice| choice.finish.clone()) {
        if payload.get(finish.clone()).is_some_and(|literal| json::literal_is(literal, "stop")) {
            edits.replace(finish, Bytes::from_static(b"\"tool_calls\""));
        }
    }
}

/// Adds text at the end of the pieces.
pub(super) fn add_text(pieces: &mut Vec<Piece>, text: Vec<u8>) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.extend_from_slice(&text),
        _ => pieces.push(Piece::Text(text)),
    }
}

/// A chunk with this one's id, model and so on, and another delta; without finish and usage.
pub(super) fn like(payload: &Bytes, delta: Vec<u8>) -> Segments {
    let choices = [b"[{\"index\":0,\"delta\":", &*delta, b",\"finish_reason\":null}]"].concat();
    with(payload, choices, None)
}

/// As [`like`], with nothing but text, which stands as in JSON without quotes.
pub(super) fn text_like(payload: &Bytes, text: &[u8]) -> Segments {
    like(payload, [b"{\"content\":\"", text, b"\"}"].concat())
}

/// The last chunk of a stream, with nothing but usage.
pub(super) fn usage_like(payload: &Bytes, usage: &Usage) -> Segments {
    with(payload, b"[]".to_vec(), Some(usage))
}

fn with(payload: &Bytes, choices: Vec<u8>, usage: Option<&Usage>) -> Segments {
    let open = json::skip_space(payload, 0);
    let mut edits = Edits::new();
    if let Ok((members, _)) = json::members(payload, open) {
        let mut patch = ObjectPatch::new(payload, open, &members);
        patch.set("choices", choices);
        match usage {
            Some(usage) => patch.set("usage", usage.to_json(Face::Chat)),
            None => {
                patch.remove("usage");
            }
        }
        patch.finish(&mut edits);
    }
    Segments::whole(sse::event(&edits.apply(payload).to_bytes()))
}
