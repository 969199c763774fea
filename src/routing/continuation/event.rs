//! What one event of a stream says, as far as going on with it is concerned.

mod chat;
mod messages;
mod responses;

use bytes::Bytes;

use crate::protocol::alike::Lone;
use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::sse::{Frame, FrameReader};

/// The events of a step, which are whole.
pub(in crate::routing) fn frames(out: &Segments) -> Vec<Frame> {
    let mut reader = reader(out.to_bytes());
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(frame);
    }
    frames.extend(reader.end());
    frames
}

/// Reads the events of a step.
pub(in crate::routing) fn reader(events: Bytes) -> FrameReader {
    let mut reader = FrameReader::again();
    reader.feed(events);
    reader
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Said<'t> {
    /// What the answer's text gains, as it stands between the quotes.
    pub(super) text: &'t [u8],
    /// A part of a tool call.
    pub(super) calls: bool,
    /// A finish. Nothing is missing behind it but form.
    pub(super) finish: bool,
    /// The role; only chat says it apart.
    pub(super) role: bool,
    /// What no other model could take up: another choice, a refusal, sound, citations, work on the provider's side.
    pub(super) foreign: bool,
    /// A block begins without a word, or ends. Whether the client may have that is for the next event to tell: an answer
    /// that goes on adds to the block that is open, and an empty block is none.
    pub(super) edge: bool,
    /// It says that the provider is alive, and nothing else.
    pub(super) idle: bool,
    /// The text, or reasoning, where there is nothing else. Not of responses: each of their events has a number of its own.
    pub(super) lone: Option<Lone>,
}

impl Said<'_> {
    fn foreign() -> Self {
        Self { foreign: true, ..Self::default() }
    }

    fn calls() -> Self {
        Self { calls: true, ..Self::default() }
    }

    fn finish() -> Self {
        Self { finish: true, ..Self::default() }
    }

    fn edge() -> Self {
        Self { edge: true, ..Self::default() }
    }
}

/// Reads the events of one stream in the client's face.
#[derive(Debug)]
pub(super) enum Reading {
    Chat,
    Messages,
    Responses(responses::Reading),
}

impl Reading {
    pub(super) fn of(face: Face) -> Self {
        match face {
            Face::Chat => Self::Chat,
            Face::Messages => Self::Messages,
            Face::Responses => Self::Responses(responses::Reading::default()),
        }
    }

    /// What the payload of an event says; `None` where it is the end of the stream, or nothing that can be read.
    pub(super) fn read<'t>(&mut self, payload: &'t [u8]) -> Option<Said<'t>> {
        match self {
            Self::Chat => chat::read(payload),
            Self::Messages => messages::read(payload),
            Self::Responses(reading) => reading.read(payload),
        }
    }
}

/// What stands between the quotes of a string literal.
fn inner(literal: &[u8]) -> &[u8] {
    literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default()
}
