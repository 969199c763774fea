//! Answers as they come from a provider, in any face, become events.

mod chat;
mod messages;
mod pieces;
mod responses;

use super::event::Event;
use crate::protocol::face::Face;

/// Reads one answer: the payloads of its frames in order, or its whole body. What it does not know it passes over, and
/// nothing makes it fail: whether an answer is one at all, and whether it is complete, is judged before.
#[derive(Debug)]
pub struct Decoder {
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Chat(chat::Reader),
    Messages(messages::Reader),
    Responses(Box<responses::Reader>),
}

impl Decoder {
    /// For an answer of this face.
    #[must_use]
    pub fn new(face: Face) -> Self {
        let reader = match face {
            Face::Chat => Reader::Chat(chat::Reader::default()),
            Face::Messages => Reader::Messages(messages::Reader::default()),
            Face::Responses => Reader::Responses(Box::default()),
        };
        Self { reader }
    }

    /// Takes the payload of one frame (its `data`).
    pub fn frame(&mut self, payload: &[u8], out: &mut Vec<Event>) {
        match &mut self.reader {
            Reader::Chat(reader) => reader.frame(payload, out),
            Reader::Messages(reader) => reader.frame(payload, out),
            Reader::Responses(reader) => reader.frame(payload, out),
        }
    }

    /// Takes a whole body.
    pub(super) fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) {
        match &mut self.reader {
            // A whole chat answer has a message where a chunk has a delta.
            Reader::Chat(reader) => reader.frame(body, out),
            Reader::Messages(reader) => reader.whole(body, out),
            Reader::Responses(reader) => reader.whole(body, out),
        }
        self.end(out);
    }

    /// The answer has ended as its provider meant it to: what waited comes, and the [`Event::Finish`] that it gave. Not
    /// to be called for an answer that broke off. Again, it does nothing.
    pub fn end(&mut self, out: &mut Vec<Event>) {
        match &mut self.reader {
            Reader::Chat(reader) => reader.end(out),
            Reader::Messages(reader) => reader.end(out),
            Reader::Responses(reader) => reader.end(out),
        }
    }
}
