//! What one event of a stream says, as far as going on with it is concerned.

mod chat;
mod messages;
mod responses;

use bytes::Bytes;

use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::sse::{Frame, FrameReader};
use crate::protocol::template_learner::SingleDelta;

/// The events of a step, which are whole.
pub(in crate::routing) fn read_frames(out: &Segments) -> Vec<Frame> {
    let mut reader = frame_reader(out.to_bytes());
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(frame);
    }
    frames.extend(reader.finish());
    frames
}

/// Reads the events of a step.
pub(in crate::routing) fn frame_reader(events: Bytes) -> FrameReader {
    let mut reader = FrameReader::for_accepted_frames();
    reader.feed(events);
    reader
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct EventContent<'t> {
    /// What the answer's text gains, as it stands between the quotes.
    pub(super) text: &'t [u8],
    /// A part of a tool call.
    pub(super) has_tool_calls: bool,
    /// A finish. Nothing is missing behind it but form.
    pub(super) is_finish: bool,
    /// The role; only chat says it apart.
    pub(super) has_role: bool,
    /// What no other model could take up: another choice, a refusal, sound, citations, work on the provider's side.
    pub(super) is_foreign: bool,
    /// A block begins without a word, or ends. Whether the client may have that is for the next event to tell: an answer
    /// that goes on adds to the block that is open, and an empty block is none.
    pub(super) is_block_boundary: bool,
    /// It says that the provider is alive, and nothing else.
    pub(super) is_keep_alive: bool,
    /// The text, or reasoning, where there is nothing else. Not of responses: each of their events has a number of its own.
    pub(super) single_delta: Option<SingleDelta>,
}

impl EventContent<'_> {
    fn foreign() -> Self {
        Self { is_foreign: true, ..Self::default() }
    }

    fn tool_calls() -> Self {
        Self { has_tool_calls: true, ..Self::default() }
    }

    fn finish() -> Self {
        Self { is_finish: true, ..Self::default() }
    }

    fn block_boundary() -> Self {
        Self { is_block_boundary: true, ..Self::default() }
    }
}

/// Reads the events of one stream in the client's face.
#[derive(Debug)]
pub(super) enum EventReader {
    ChatCompletions,
    Messages,
    Responses(responses::ResponsesEventReader),
}

impl EventReader {
    pub(super) fn new(face: Api) -> Self {
        match face {
            Api::ChatCompletions => Self::ChatCompletions,
            Api::Messages => Self::Messages,
            Api::Responses => Self::Responses(responses::ResponsesEventReader::default()),
        }
    }

    /// What the payload of an event says; `None` where it is the end of the stream, or nothing that can be read.
    pub(super) fn read<'t>(&mut self, payload: &'t [u8]) -> Option<EventContent<'t>> {
        match self {
            Self::ChatCompletions => chat::read_chunk(payload),
            Self::Messages => messages::read_event(payload),
            Self::Responses(reading) => reading.read(payload),
        }
    }
}

/// What stands between the quotes of a string literal.
fn unquote(literal: &[u8]) -> &[u8] {
    literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default()
}
