//! Where an answer leaves for the client: what it has of it, and the end of one that broke.
//!
//! Clients of the Messages and Responses faces count blocks, items and sequence numbers over the whole answer. So one
//! encoder follows all that they get, and it alone knows how more can be added: the rest that another stream says, an
//! error, a finish. Chat has no such numbers, and what goes on with a chat answer is made to fit by
//! `relay::continuation`.

use bytes::Bytes;

use super::speech::echo;
use crate::failure::Reason;
use crate::protocol::alike::{Alike, Lone};
use crate::protocol::edit::Segments;
use crate::protocol::error::ErrorBody;
use crate::protocol::face::Face;
use crate::protocol::held::{Full, Room};
use crate::protocol::object::Object;
use crate::protocol::translate::decoder::Decoder;
use crate::protocol::translate::encoder::Encoder;
use crate::protocol::translate::event::Event;
use crate::protocol::usage::Usage;
use crate::record::{Attempt, attempt_lines};
use crate::routing::attempt::Run;
use crate::routing::bodies::Said;
use crate::routing::continuation::{frames, reader};
use crate::routing::held;

/// See the module.
#[derive(Debug)]
pub(in crate::routing) struct Outlet {
    /// `None` for chat.
    encoder: Option<Encoder>,
    /// What comes is more of the answer, as chat, and this reads it.
    rest: Option<Box<Decoder>>,
    /// What the encoder keeps takes this.
    room: Room,
    /// There was no room for it.
    forgot: bool,
    /// Events from which the encoder learns nothing.
    alike: Alike,
}

impl Outlet {
    /// Nothing was said.
    pub(in crate::routing) fn new(run: &Run) -> Self {
        let body = run.bodies.own();
        let (encoder, alike) = (|| Encoder::new(body.face, echo(run.request.id, body)), Alike::default());
        Self {
            encoder: (body.face != Face::Chat).then(encoder),
            rest: None,
            room: run.room(),
            forgot: false,
            alike,
        }
    }

    /// Whether more can be added to the answer: only who knows all of it can write its end.
    pub(super) const fn can_go_on(&self) -> bool {
        !self.forgot
    }

    /// From here on what comes is the rest of the answer, as chat. `said` is the request as it was sent for that.
    pub(super) fn go_on(&mut self, said: Option<&Said<'_>>) {
        if let Some(encoder) = &mut self.encoder {
            self.rest.get_or_insert_with(|| Box::new(Decoder::new(Face::Chat)));
            if let Some(names) = said.and_then(Said::namespaced) {
                encoder.know(names);
            }
        }
    }

    /// What the client gets of these events.
    ///
    /// # Errors
    /// When there is no room for what has to be kept of the rest of an answer. An answer that only passes needs none.
    pub(super) fn pass(&mut self, out: Segments) -> Result<Segments, Full> {
        let Some(encoder) = &mut self.encoder else { return Ok(out) };
        let Some(decoder) = &mut self.rest else {
            follow(encoder, &mut self.alike, &out);
            if !self.forgot && held::keep(&mut self.room, encoder.kept()).is_err() {
                encoder.forget();
                self.forgot = true;
                // Giving back never fails.
                let _ = self.room.resize(0);
            }
            return Ok(out);
        };
        let (mut events, mut text) = (Vec::new(), Vec::new());
        for frame in frames(&out) {
            match frame.data() {
                Some(payload) => decoder.frame(&payload, &mut events),
                None => text.extend_from_slice(&frame.raw),
            }
            for event in events.drain(..) {
                encoder.write(&event, &mut text);
            }
        }
        held::keep(&mut self.room, encoder.kept())?;
        Ok(Segments::whole(text.into()))
    }

    /// The end of an answer that went on, or whose limit is used up: what is missing of it, where that is not chat.
    pub(super) fn end(&mut self, usage: Usage) -> Bytes {
        let mut text = Vec::new();
        if let Some(encoder) = &mut self.encoder {
            encoder.write(&Event::Usage(usage), &mut text);
            encoder.finish(&mut text);
        }
        text.into()
    }

    /// The end of an answer that failed. `again`: it had begun, and the same request may be answered by somebody else.
    pub(super) fn fail(&mut self, message: &str, reason: Reason, attempts: &[Attempt], again: bool) -> Bytes {
        let attempts = attempt_lines(attempts);
        let (kind, code) = (reason.as_str(), Some(reason.as_str()));
        let error = ErrorBody { message, kind, code, attempts: &attempts, again, ..ErrorBody::default() };
        match &mut self.encoder {
            None => error.stream_end(),
            Some(encoder) => {
                let mut text = Vec::new();
                encoder.fail(&error, &mut text);
                text.into()
            }
        }
    }
}

/// Lets the encoder learn from events that go to the client without it.
fn follow(encoder: &mut Encoder, alike: &mut Alike, out: &Segments) {
    let mut reader = reader(out.to_bytes());
    loop {
        while let Some(event) = alike.pattern().and_then(|pattern| reader.alike(pattern)) {
            reader.skip(&event);
            alike.has_hit();
        }
        let last = reader.next_frame().ok().flatten();
        let Some(frame) = last.or_else(|| reader.end()) else { return };
        let Some(payload) = frame.data() else { continue };
        encoder.follow(&payload);
        // It keeps all that a Responses answer says, and of a message only which blocks there are.
        if encoder.is_of(Face::Messages)
            && alike.may_learn(&frame)
            && let Some(event) = Object::read(&payload)
        {
            alike.learn(&frame, Lone::of_event(&event).as_ref());
        }
    }
}
