//! What one target says, in the face in which it goes on its way: the client's, or chat where it is the rest of an answer.
//!
//! A target that speaks that face is passed on byte for byte. Another one's events are decoded and written anew.

use std::time::SystemTime;

use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::request::RequestBody;
use crate::protocol::translate::decoder::Decoder;
use crate::protocol::translate::echo::Echo;
use crate::protocol::translate::encoder::Encoder;
use crate::protocol::translate::event::Event;
use crate::protocol::usage::Usage;
use crate::record::RequestId;
use crate::routing::bodies::Said;
use crate::routing::continuation::frames;

/// See the module.
#[derive(Debug)]
pub(super) struct Speech {
    from: Face,
    to: Face,
    /// Where the two differ.
    anew: Option<Box<Anew>>,
}

#[derive(Debug)]
struct Anew {
    decoder: Decoder,
    encoder: Encoder,
    /// It told what it used.
    told_usage: bool,
}

/// What an answer in the client's face repeats of its request.
pub(in crate::routing) fn echo(request_id: RequestId, body: &RequestBody) -> Echo {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut echo = Echo::of(body);
    echo.id = request_id.to_string();
    echo.created = since.as_secs();
    echo
}

/// The same, where tools were sent under other names.
pub(in crate::routing) fn with_names(mut echo: Echo, said: &Said<'_>) -> Echo {
    echo.namespaced = said.namespaced().cloned().unwrap_or_default();
    echo
}

/// Who writes an answer anew. `prompt` is about what the request has, in tokens.
pub(super) fn encoder(to: Face, echo: Echo, prompt: u64) -> Encoder {
    let mut encoder = Encoder::new(to, echo);
    // A message tells its prompt in its first event; other faces tell it at the end. Until then it is ours.
    let guess = Usage { input: prompt, estimated: true, ..Usage::default() };
    encoder.write(&Event::Usage(guess), &mut Vec::new());
    encoder
}

impl Speech {
    /// Of a target that speaks `from`; `encoder` writes `to`.
    pub(super) fn new(from: Face, to: Face, encoder: impl FnOnce() -> Encoder) -> Self {
        let anew = (from != to)
            .then(|| Box::new(Anew { decoder: Decoder::new(from), encoder: encoder(), told_usage: false }));
        Self { from, to, anew }
    }

    /// Whether what is heard is written anew.
    pub(super) const fn is_translated(&self) -> bool {
        self.anew.is_some()
    }

    /// Bytes that are kept of what it said.
    pub(super) fn kept(&self) -> usize {
        self.anew.as_ref().map_or(0, |anew| anew.encoder.kept())
    }

    /// The target's whole events.
    pub(super) fn say(&mut self, out: Segments) -> Segments {
        match &mut self.anew {
            None => out,
            Some(anew) => anew.say(&out),
        }
    }

    /// The target's answer is complete: what is missing of it. `usage` where it told none.
    pub(super) fn end(&mut self, usage: Option<Usage>) -> Segments {
        let Some(Anew { decoder, encoder, told_usage }) = self.anew.as_deref_mut() else {
            return Segments::default();
        };
        let (mut events, mut text) = (Vec::new(), Vec::new());
        decoder.end(&mut events);
        *told_usage |= write(encoder, &mut events, &mut text);
        if let Some(usage) = usage.filter(|_| !*told_usage) {
            encoder.write(&Event::Usage(usage), &mut text);
        }
        encoder.finish(&mut text);
        Segments::whole(text.into())
    }

    /// Text that was held back when the answer broke, as chat: what comes before it may be held back from the client.
    pub(super) fn leave(&mut self, leftover: Segments) -> Segments {
        match self.to {
            _ if leftover.is_empty() => leftover,
            Face::Chat => self.say(leftover),
            _ => Self::new(self.from, Face::Chat, || Encoder::new(Face::Chat, Echo::default())).say(leftover),
        }
    }
}

impl Anew {
    fn say(&mut self, out: &Segments) -> Segments {
        let (mut events, mut text) = (Vec::new(), Vec::new());
        for frame in frames(out) {
            match frame.data() {
                Some(payload) => self.decoder.frame(&payload, &mut events),
                // A comment keeps the client waiting, whatever face it speaks.
                None if frame.event().is_none() => text.extend_from_slice(&frame.raw),
                None => {}
            }
            self.told_usage |= write(&mut self.encoder, &mut events, &mut text);
        }
        Segments::whole(text.into())
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
