//! The first stream of an answer: what was released of it, and what is held back.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::event::{self, Reading};
use super::identity::Identity;
use super::terms::Terms;
use crate::protocol::alike::Alike;
use crate::protocol::edit::Segments;
use crate::protocol::face::Face;
use crate::protocol::held::Room;
use crate::protocol::json;
use crate::protocol::sse::{Frame, FrameReader};

/// More than this is not held back, in bytes; what exceeds it goes out live, and nobody goes on with it.
pub(super) const HELD: usize = 4 << 20;
/// Longer texts are not kept, in bytes: about 250,000 tokens, and no provider takes a larger message.
pub(super) const KEPT: usize = 1 << 20;

/// The key of a chunk's tool calls.
static CALLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("tool_calls"));

/// Who could go on, if the stream broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::routing) struct Reach {
    /// Some target can answer afresh.
    pub(in crate::routing) afresh: bool,
    /// Some target goes on from a text.
    pub(in crate::routing) from_text: bool,
}

/// What the client has of an answer that broke.
#[derive(Debug)]
pub(in crate::routing) struct Broken {
    pub(super) identity: Identity,
    /// All the text.
    pub(super) text: String,
    /// The role went out.
    pub(super) named: bool,
    /// What this takes.
    pub(super) room: Room,
}

impl Broken {
    /// The text to go on from; empty where the answer is to start afresh.
    pub(in crate::routing) fn prefill(&self) -> &str {
        self.text.trim_end()
    }

    /// The end of a chat answer whose output limit is used up; `usage` where the client asked for it.
    pub(in crate::routing) fn end_with_length(&self, usage: Option<&str>) -> Segments {
        let mut out = self.identity.choice("{}", "\"length\"");
        out.append(usage.map(|usage| self.identity.usage(usage)).unwrap_or_default());
        out.push(Bytes::from_static(crate::protocol::sse::DONE));
        out
    }
}

/// See the module.
#[derive(Debug)]
pub(in crate::routing) struct Guard {
    /// The client's face.
    face: Face,
    reading: Reading,
    terms: Terms,
    reach: Reach,
    /// The payload of chat's first event; what the other faces repeat is known to who writes their rest.
    first: Vec<u8>,
    text: String,
    named: bool,
    held: Held,
    /// What first event, text and held events take.
    room: Room,
    /// The answer is finished, or nobody could go on with it: all passes as it comes.
    open: bool,
    /// What most events look like.
    alike: Alike,
}

/// What the client does not have yet.
#[derive(Debug, Default)]
struct Held {
    events: Segments,
    /// Its text, escaped as it came.
    text: Vec<u8>,
    /// It names the role.
    names: bool,
    /// It holds a fragment of a tool call, so all that follows is held too.
    calls: bool,
    /// Its last event is the edge of a block.
    edge: bool,
}

/// Whether a guard would hold back none of these events, the first ones of an answer. That is told by their bytes: what is
/// held back of a chat answer are tool calls and half a character, which needs an escape. Where in doubt it is no.
pub(in crate::routing) fn lets_pass(face: Face, first: &Segments) -> bool {
    if first.is_empty() || face != Face::Chat {
        return false;
    }
    let events = first.to_bytes();
    memchr::memchr(b'\\', &events).is_none() && CALLS.find(&events).is_none()
}

impl Guard {
    /// Over a stream in the client's face.
    pub(in crate::routing) fn new(face: Face, terms: Terms, reach: Reach, room: Room) -> Self {
        Self {
            face,
            reading: Reading::of(face),
            terms,
            reach,
            first: Vec::new(),
            text: String::new(),
            named: false,
            held: Held::default(),
            room,
            open: false,
            alike: Alike::default(),
        }
    }

    /// What the client gets of these events now.
    pub(in crate::routing) fn pass(&mut self, out: Segments) -> Segments {
        if self.open {
            return out;
        }
        let bytes = out.to_bytes();
        let mut reader = event::reader(bytes.clone());
        let mut released = Segments::default();
        loop {
            released.push(bytes.slice(self.take_alike(&mut reader, &bytes)));
            if let Ok(Some(frame)) = reader.next_frame() {
                self.take(&frame, &mut released);
                continue;
            }
            if let Some(last) = reader.end() {
                self.take(&last, &mut released);
            }
            return released;
        }
    }

    /// Takes events that differ from one before in a piece of text only; gives where they stand.
    fn take_alike(&mut self, reader: &mut FrameReader, bytes: &Bytes) -> Range<usize> {
        let mut run = 0..0;
        while !self.open
            && self.held.events.is_empty()
            && let Some(event) = self.alike.pattern().and_then(|pattern| reader.alike(pattern))
        {
            if !self.alike.reasons() {
                let text = bytes.get(event.text.clone()).unwrap_or_default();
                self.text.push_str(&String::from_utf8_lossy(text));
            }
            reader.skip(&event);
            self.alike.has_hit();
            run = if run.is_empty() { event.place } else { run.start..event.place.end };
        }
        if !run.is_empty() && (!self.may_keep() || self.room.resize(self.kept()).is_err()) {
            self.open(&mut Segments::default());
        }
        run
    }

    /// What is kept of the answer, in bytes.
    const fn kept(&self) -> usize {
        self.first.len() + self.text.len()
    }

    /// Whether its text is worth being kept.
    fn may_keep(&self) -> bool {
        self.text.len() <= KEPT && (self.text.trim_end().is_empty() || self.can_go_on())
    }

    /// The stream broke. `None` when nobody can go on with it.
    pub(in crate::routing) fn broke(self) -> Option<Broken> {
        if self.open || !self.can_go_on() || self.terms.ends_inside_stop(&self.text) {
            return None;
        }
        let (identity, mut room) = (Identity::of(&self.first), self.room);
        // To take less never fails.
        let _ = room.resize(self.text.len());
        Some(Broken { identity, text: self.text, named: self.named, room })
    }

    fn can_go_on(&self) -> bool {
        if self.text.trim_end().is_empty() {
            self.reach.afresh
        } else {
            self.reach.from_text && !self.terms.is_prefilled
        }
    }

    fn take(&mut self, frame: &Frame, out: &mut Segments) {
        let Some(payload) = frame.data().filter(|_| !self.open) else {
            // A comment: it keeps the client waiting while the rest is held.
            return out.push(frame.raw.clone());
        };
        let said = self.reading.read(&payload);
        let Some(said) = said.filter(|said| !said.finish && !said.foreign) else {
            return self.open_with(frame, out);
        };
        if said.idle {
            return out.push(frame.raw.clone());
        }
        if self.face == Face::Chat && self.first.is_empty() {
            self.first = payload.to_vec();
        }
        if said.calls && !self.held.calls && !self.can_go_on() {
            return self.open_with(frame, out);
        }
        self.held.calls |= said.calls;
        if !self.held.calls {
            self.held.text.extend_from_slice(said.text);
        }
        self.held.names |= said.role;
        self.held.edge = said.edge;
        self.held.events.push(frame.raw.clone());
        let held = &self.held;
        let waits = held.calls || held.edge || json::ends_with_high_surrogate(&held.text);
        if !waits {
            self.release(out);
        }
        let taken = self.held.events.len();
        if taken > HELD || self.room.resize(taken + self.kept()).is_err() {
            self.open(out);
        }
        if taken == 0 {
            self.alike.learn(frame, said.lone.as_ref());
        }
    }

    /// Gives the client what was held, and keeps what it says.
    fn release(&mut self, out: &mut Segments) {
        let held = std::mem::take(&mut self.held);
        out.append(held.events);
        self.named |= held.names;
        if held.text.is_empty() {
            return;
        }
        let literal = [b"\"", &*held.text, b"\""].concat();
        self.text.push_str(&json::unescape(&literal).unwrap_or_default());
        if !self.may_keep() {
            self.open(out);
        }
    }

    /// From here on nothing is held and nothing kept.
    fn open(&mut self, out: &mut Segments) {
        self.open = true;
        self.first = Vec::new();
        self.text = String::new();
        out.append(std::mem::take(&mut self.held).events);
        // Giving back never fails.
        let _ = self.room.resize(0);
    }

    fn open_with(&mut self, frame: &Frame, out: &mut Segments) {
        self.open(out);
        out.push(frame.raw.clone());
    }
}
