//! Chunks of chat completions.

use super::{Said, inner};
use crate::protocol::alike::Lone;
use crate::protocol::chunk::{Choice, Chunk};
use crate::protocol::json::{self, Span};

/// What is no chunk is the end.
pub(super) fn read(payload: &[u8]) -> Option<Said<'_>> {
    Chunk::parse(payload).ok().map(|chunk| Said::of(payload, &chunk))
}

impl<'t> Said<'t> {
    /// Of a chunk.
    pub(in crate::routing::continuation) fn of(payload: &'t [u8], chunk: &Chunk) -> Self {
        let [choice] = chunk.choice.as_slice() else {
            return Self { foreign: !chunk.choice.is_empty(), ..Self::default() };
        };
        let at = |span: &Option<Span>| payload.get(span.clone()?);
        let content = at(&choice.content).filter(|literal| literal.starts_with(b"\""));
        let is_first = at(&choice.index).is_none_or(|index| index == b"0");
        Self {
            text: content.map(inner).unwrap_or_default(),
            calls: choice.tool_calls.is_some(),
            finish: choice.finish.is_some(),
            role: choice.role.is_some(),
            foreign: !is_first
                || choice.speaks
                || (choice.says_something && content.is_none())
                || is_signed(payload, choice),
            lone: Lone::of_chunk(payload, chunk),
            ..Self::default()
        }
    }
}

/// A signature binds thinking to the model that thought it, and so does encryption. In chat its parts come one by one,
/// and nobody could tell whether the thinking is complete.
fn is_signed(payload: &[u8], choice: &Choice) -> bool {
    let Some(details) = &choice.reasoning_details else { return false };
    let Ok((elements, _)) = json::elements(payload, details.start) else { return true };
    elements.iter().any(|element| {
        let Ok((members, _)) = json::members(payload, element.start) else { return true };
        let value = |key| payload.get(json::find(payload, &members, key)?.value.clone());
        value("signature").is_some_and(|signature| !matches!(signature, b"null" | b"\"\""))
            || value("type").is_some_and(|kind| json::literal_is(kind, "reasoning.encrypted"))
    })
}
