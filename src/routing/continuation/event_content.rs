//! Parses the content of stream events that matters to a continuation.

mod chat;
mod messages;
mod responses;

use bytes::Bytes;

use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::sse::{Frame, FrameReader};
use crate::protocol::template_learner::SingleDelta;

/// The complete events of a read.
pub(in crate::routing) fn read_frames(out: &Segments) -> Vec<Frame> {
    let mut reader = frame_reader(out.to_bytes());
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(frame);
    }
    frames.extend(reader.finish());
    frames
}

/// Parses the events of a read.
pub(in crate::routing) fn frame_reader(events: Bytes) -> FrameReader {
    let mut reader = FrameReader::for_accepted_frames();
    reader.feed(events);
    reader
}

/// The content of one event.
#[derive(Debug, Default)]
pub(super) struct EventContent<'t> {
    /// Text that the event adds to the response, still escaped as in its JSON string.
    pub(super) text: &'t [u8],
    /// A part of a tool call.
    pub(super) has_tool_calls: bool,
    /// The finish. Only framing events may follow it.
    pub(super) is_finish: bool,
    /// The role; only Chat Completions sends it separately.
    pub(super) has_role: bool,
    /// Content that no other model can continue: another choice, a refusal, audio, citations, work on the
    /// provider's side.
    pub(super) is_foreign: bool,
    /// A block begins without text, or ends. The next event decides whether the client may have it: a
    /// continuation adds to the open block, and an empty block must not be sent.
    pub(super) is_block_boundary: bool,
    /// A keepalive without content.
    pub(super) is_keep_alive: bool,
    /// Text or reasoning only. Not used for the Responses API: each of its events has a sequence number.
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

/// Reads the events of one stream in the client's API.
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

    /// Parses an event's payload; `None` for the end of the stream and for an unreadable payload.
    pub(super) fn read<'t>(&mut self, payload: &'t [u8]) -> Option<EventContent<'t>> {
        match self {
            Self::ChatCompletions => chat::read_chunk(payload),
            Self::Messages => messages::read_event(payload),
            Self::Responses(reading) => reading.read(payload),
        }
    }
}

/// The content between the quotes of a string literal.
fn unquote(literal: &[u8]) -> &[u8] {
    literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default()
}
