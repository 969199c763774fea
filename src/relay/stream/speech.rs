//! What the client has of a streamed answer, in its own face, and how a target's events become more of it.
//!
//! A target that speaks the client's face is passed on byte for byte. Another one's events are decoded and written anew.
//! Clients of the Messages and Responses faces count blocks, items and sequence numbers over the whole answer, so there one
//! encoder writes or follows all of it; chat has no such numbers, and what goes on with a chat answer is made to fit by
//! `relay::continuation`, so there each target's events are a chat stream of their own.

use std::time::SystemTime;

use bytes::Bytes;

use crate::failure::Reason;
use crate::record::{Attempt, attempt_lines};
use crate::relay::attempt::Run;
use crate::relay::bodies::Said;
use crate::relay::continuation::frames;
use crate::wire::edit::Segments;
use crate::wire::error::ErrorBody;
use crate::wire::face::Face;
use crate::wire::request::RequestBody;
use crate::wire::translate::decoder::Decoder;
use crate::wire::translate::echo::Echo;
use crate::wire::translate::encoder::Encoder;
use crate::wire::translate::event::Event;
use crate::wire::usage::Usage;

/// See the module.
#[derive(Debug)]
pub(in crate::relay) struct Speech {
    face: Face,
    echo: Echo,
    /// `None` where nothing has to be written or followed (yet).
    encoder: Option<Encoder>,
    /// Of the target that is heard now, where it speaks another face.
    decoder: Option<Decoder>,
    /// It told what it used.
    told_usage: bool,
}

/// What an answer in the client's face repeats of its request.
pub(in crate::relay) fn echo(request_id: &str, body: &RequestBody) -> Echo {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut echo = Echo::of(body);
    echo.id = request_id.to_owned();
    echo.created = since.as_secs();
    echo
}

/// The same, where tools were sent under other names.
pub(in crate::relay) fn with_names(mut echo: Echo, said: &Said<'_>) -> Echo {
    echo.namespaced = said.namespaced().cloned().unwrap_or_default();
    echo
}

impl Speech {
    /// Nothing was said.
    pub(in crate::relay) fn new(run: &Run) -> Self {
        let body = run.bodies.own();
        let echo = echo(&run.request.id, body);
        Self { face: body.face, echo, encoder: None, decoder: None, told_usage: false }
    }

    /// A target begins to speak, or goes on. `prompt` is about what the request has, in tokens.
    pub(super) fn hear(&mut self, face: Face, said: &Said<'_>, prompt: u64) {
        let is_foreign = face != self.face;
        self.decoder = is_foreign.then(|| Decoder::new(face));
        self.told_usage = false;
        if self.face == Face::Chat {
            self.encoder = None;
        }
        if (is_foreign || self.face != Face::Chat) && self.encoder.is_none() {
            let mut encoder = Encoder::new(self.face, with_names(self.echo.clone(), said));
            if is_foreign {
                // A message tells its prompt in its first event; other faces tell it at the end. Until then it is ours.
                let guess = Usage { input: prompt, estimated: true, ..Usage::default() };
                encoder.write(&Event::Usage(guess), &mut Vec::new());
            }
            self.encoder = Some(encoder);
        }
    }

    /// Whether what is heard is written anew.
    pub(super) const fn is_translated(&self) -> bool {
        self.decoder.is_some()
    }

    /// The target's whole events, in the client's face.
    pub(super) fn say(&mut self, out: Segments) -> Segments {
        let Some(encoder) = &mut self.encoder else { return out };
        let Some(decoder) = &mut self.decoder else {
            for payload in frames(&out).iter().filter_map(|frame| frame.data()) {
                encoder.follow(&payload);
            }
            return out;
        };
        let (mut events, mut text) = (Vec::new(), Vec::new());
        for frame in frames(&out) {
            match frame.data() {
                Some(payload) => decoder.frame(&payload, &mut events),
                // A comment keeps the client waiting, whatever face it speaks.
                None if frame.event().is_none() => text.extend_from_slice(&frame.raw),
                None => {}
            }
            self.told_usage |= write(encoder, &mut events, &mut text);
        }
        Segments::whole(text.into())
    }

    /// The target's answer is complete: what is missing of it in the client's face. `usage` where it told none.
    pub(super) fn end(&mut self, usage: Option<Usage>) -> Segments {
        let (Some(encoder), Some(decoder)) = (&mut self.encoder, &mut self.decoder) else {
            return Segments::default();
        };
        let (mut events, mut text) = (Vec::new(), Vec::new());
        decoder.end(&mut events);
        self.told_usage |= write(encoder, &mut events, &mut text);
        if let Some(usage) = usage.filter(|_| !self.told_usage) {
            encoder.write(&Event::Usage(usage), &mut text);
        }
        encoder.finish(&mut text);
        Segments::whole(text.into())
    }

    /// The end of an answer that failed.
    pub(super) fn fail(&mut self, message: &str, reason: Reason, attempts: &[Attempt]) -> Bytes {
        let attempts = attempt_lines(attempts);
        let code = Some(reason.as_str());
        let error =
            ErrorBody { message, kind: reason.as_str(), code, attempts: &attempts, ..ErrorBody::default() };
        if self.face == Face::Chat {
            // What went out may have come from more than one encoder, and the end of a chat stream looks the same anyway.
            return error.stream_end();
        }
        let mut text = Vec::new();
        let echo = &self.echo;
        self.encoder.get_or_insert_with(|| Encoder::new(self.face, echo.clone())).fail(&error, &mut text);
        text.into()
    }
}

/// Writes events; tells whether the usage was among them.
fn write(encoder: &mut Encoder, events: &mut Vec<Event>, text: &mut Vec<u8>) -> bool {
    let mut told_usage = false;
    for event in events.drain(..) {
        told_usage |= matches!(event, Event::Usage(_));
        encoder.write(&event, text);
    }
    told_usage
}
