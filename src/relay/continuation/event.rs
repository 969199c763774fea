//! What one event of a stream says, as far as going on with it is concerned.

use crate::wire::chunk::{Choice, Chunk};
use crate::wire::edit::Segments;
use crate::wire::json::{self, Span};
use crate::wire::sse::{Frame, FrameReader};

/// The events of a step, which are whole.
pub(in crate::relay) fn frames(out: &Segments) -> Vec<Frame> {
    // The reader of the provider's bytes has a cap; what it let pass is not lost here.
    let mut reader = FrameReader::with_cap(usize::MAX);
    reader.feed(out.to_bytes());
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(frame);
    }
    frames.extend(reader.end());
    frames
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Said<'t> {
    /// What stands between the quotes of `delta.content`.
    pub(super) text: &'t [u8],
    /// A fragment of a tool call.
    pub(super) calls: bool,
    /// A `finish_reason`.
    pub(super) finish: bool,
    /// The role.
    pub(super) role: bool,
    /// What no other model could take up: another choice, a refusal, sound, content in parts, signed thinking.
    pub(super) foreign: bool,
}

impl<'t> Said<'t> {
    pub(super) fn read(payload: &'t [u8], chunk: &Chunk) -> Self {
        let [choice] = chunk.choice.as_slice() else {
            return Self { foreign: !chunk.choice.is_empty(), ..Self::default() };
        };
        let at = |span: &Option<Span>| payload.get(span.clone()?);
        let content =
            at(&choice.content).and_then(|literal| literal.strip_prefix(b"\"")?.strip_suffix(b"\""));
        let is_first = at(&choice.index).is_none_or(|index| index == b"0");
        Self {
            text: content.unwrap_or_default(),
            calls: choice.tool_calls.is_some(),
            finish: choice.finish.is_some(),
            role: choice.role.is_some(),
            foreign: !is_first
                || choice.speaks
                || (choice.says_something && content.is_none())
                || is_signed(payload, choice),
        }
    }
}

/// A signature binds thinking to the model that thought it, and so does encryption.
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
