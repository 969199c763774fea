//! Events become the answer that a client expects, in its face, at once.

mod arguments;
mod chat;
mod frame;
mod messages;
mod responses;
mod sequence;

use std::collections::BTreeMap;

use super::echo::Echo;
use super::event::Event;
use crate::protocol::error::ErrorBody;
use crate::protocol::face::Face;

/// Writes one streamed answer, as whole frames.
///
/// It may write all of it, or take over where another's frames ended ([`Self::follow`]). An [`Event::Start`] in the
/// middle tells that another provider goes on with the answer: calls are counted from 0 again there, text goes on in the
/// block that is open.
#[derive(Debug)]
pub struct Encoder {
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Chat(Box<chat::Writer>),
    Messages(Box<messages::Writer>),
    Responses(Box<responses::Writer>),
}

impl Encoder {
    /// For a client of this face.
    #[must_use]
    pub fn new(face: Face, echo: Echo) -> Self {
        let writer = match face {
            Face::Chat => Writer::Chat(Box::new(chat::Writer::new(echo))),
            Face::Messages => Writer::Messages(Box::new(messages::Writer::new(echo))),
            Face::Responses => Writer::Responses(Box::new(responses::Writer::new(echo))),
        };
        Self { writer }
    }

    /// From here on the calls may bear these names too: namespace and name by the name that was sent. They are known only
    /// when a provider goes on that was sent another form of the request.
    pub fn know(&mut self, namespaced: &BTreeMap<String, (String, String)>) {
        if let Writer::Responses(writer) = &mut self.writer {
            writer.know(namespaced);
        }
    }

    /// Writes what an event leads to.
    pub fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match &mut self.writer {
            Writer::Chat(writer) => writer.write(event, out),
            Writer::Messages(writer) => writer.write(event, out),
            Writer::Responses(writer) => writer.write(event, out),
        }
    }

    /// Ends the answer: what is open is closed, the finish and the usage are told. Nothing may follow, and again it
    /// writes nothing.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.writer {
            Writer::Chat(writer) => writer.finish(out),
            Writer::Messages(writer) => writer.finish(out),
            Writer::Responses(writer) => writer.finish(out),
        }
    }

    /// Ends an answer that broke, with an error. After an answer that has ended it writes nothing.
    pub fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        match &mut self.writer {
            Writer::Chat(writer) => writer.fail(error, out),
            Writer::Messages(writer) => writer.fail(error, out),
            Writer::Responses(writer) => writer.fail(error, out),
        }
    }

    /// Learns from the payload of a frame of its own face that went to the client without it.
    pub fn follow(&mut self, payload: &[u8]) {
        match &mut self.writer {
            Writer::Chat(writer) => writer.follow(payload),
            Writer::Messages(writer) => writer.follow(payload),
            Writer::Responses(writer) => writer.follow(payload),
        }
    }

    /// Whether it writes this face.
    #[must_use]
    pub const fn is_of(&self, face: Face) -> bool {
        matches!(
            (&self.writer, face),
            (Writer::Chat(_), Face::Chat)
                | (Writer::Messages(_), Face::Messages)
                | (Writer::Responses(_), Face::Responses)
        )
    }

    /// Bytes that it keeps of the answer: with responses all that was said, as the last event has it again; else what
    /// waits of parallel calls.
    #[must_use]
    pub fn kept(&self) -> usize {
        match &self.writer {
            Writer::Chat(_) => 0,
            Writer::Messages(writer) => writer.kept(),
            Writer::Responses(writer) => writer.kept(),
        }
    }

    /// Keeps nothing of what others write from here on, and drops what it kept: the end it may have to write has no
    /// items. Numbers, ids and what is open stay known.
    pub fn forget(&mut self) {
        if let Writer::Responses(writer) = &mut self.writer {
            writer.forget();
        }
    }

    /// What keeps a client of this face waiting. It may stand between any two frames.
    #[must_use]
    pub const fn ping(face: Face) -> &'static [u8] {
        match face {
            Face::Chat | Face::Responses => b": keep-alive\n\n",
            Face::Messages => b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
        }
    }
}

/// The body of a whole answer.
pub(super) fn whole(events: &[Event], face: Face, echo: &Echo) -> Vec<u8> {
    match face {
        Face::Chat => chat::whole(events, echo),
        Face::Messages => messages::whole(events, echo),
        Face::Responses => responses::whole(events, echo),
    }
}
