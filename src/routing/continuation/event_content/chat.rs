//! Parses events of the Chat Completions API.

use super::{EventContent, unquote};
use crate::protocol::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::json::{self, Span};
use crate::protocol::template_learner::SingleDelta;

/// A payload that is not a chunk is the end of the stream.
pub(super) fn read_chunk(payload: &[u8]) -> Option<EventContent<'_>> {
    ChatChunk::parse(payload).ok().map(|chunk| EventContent::from_chunk(payload, &chunk))
}

impl<'t> EventContent<'t> {
    /// The content of a chunk.
    pub(in crate::routing::continuation) fn from_chunk(payload: &'t [u8], chunk: &ChatChunk) -> Self {
        let [choice] = chunk.parsed_choices.as_slice() else {
            return Self { is_foreign: !chunk.parsed_choices.is_empty(), ..Self::default() };
        };
        let at = |span: &Option<Span>| payload.get(span.clone()?);
        let content = at(&choice.content).filter(|literal| literal.starts_with(b"\""));
        let is_first = at(&choice.index).is_none_or(|index| index == b"0");
        Self {
            text: content.map(unquote).unwrap_or_default(),
            has_tool_calls: choice.tool_calls.is_some(),
            is_finish: choice.finish_reason.is_some(),
            has_role: choice.role.is_some(),
            is_foreign: !is_first
                || choice.has_other_output
                || (choice.has_content && content.is_none())
                || is_signed(payload, choice),
            single_delta: SingleDelta::from_chat_chunk(payload, chunk),
            ..Self::default()
        }
    }
}

/// A signature or encryption binds thinking to its model. Chat Completions sends its parts one by one, so the
/// gateway cannot know whether the thinking is complete.
fn is_signed(payload: &[u8], choice: &ChunkChoice) -> bool {
    let Some(details) = &choice.reasoning_details else { return false };
    let Ok((elements, _)) = json::parse_elements(payload, details.start) else { return true };
    elements.iter().any(|element| {
        let Ok((members, _)) = json::parse_members(payload, element.start) else { return true };
        let value = |key| payload.get(json::find_member(payload, &members, key)?.value.clone());
        value("signature").is_some_and(|signature| !matches!(signature, b"null" | b"\"\""))
            || value("type").is_some_and(|kind| json::literal_equals(kind, "reasoning.encrypted"))
    })
}
