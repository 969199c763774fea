//! Whole answers.

use bytes::Bytes;

use super::decoder::Decoder;
use super::echo::Echo;
use super::encoder;
use super::event::Event;
use crate::protocol::face::Face;

/// The events of a whole answer of this face. A body that is none has no events.
#[must_use]
pub fn decode(face: Face, body: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    Decoder::new(face).whole(body, &mut events);
    events
}

/// The body of a whole answer.
#[must_use]
pub fn encode(events: &[Event], face: Face, echo: &Echo) -> Bytes {
    encoder::whole(events, face, echo).into()
}
