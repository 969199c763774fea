//! The second stream of an answer, made to look like more of the first. Both are chat here: the rest of an answer in
//! another face is written from that.

use super::event::{Said, frames};
use super::guard::{Broken, HELD};
use super::identity::Identity;
use super::seam::{Astray, Seam};
use super::spent::Spent;
use crate::failure::{Failure, Reason};
use crate::protocol::chunk::{Choice, Chunk};
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::face::Face;
use crate::protocol::held::Room;
use crate::protocol::json;
use crate::protocol::sse::{self, Frame};

/// See the module.
#[derive(Debug)]
pub(in crate::routing) struct Joiner {
    identity: Identity,
    named: bool,
    seam: Seam,
    /// Text that ends inside a character, escaped.
    half: Vec<u8>,
    calls: Calls,
    spent: Spent,
    /// The answer so far, and what of it waits.
    room: Room,
    kept: usize,
}

/// Tool calls wait for their finish, as in the first stream: the client gets them whole or not at all.
#[derive(Debug)]
enum Calls {
    None,
    /// From the first fragment on.
    Held(Segments),
    /// They are finished, or too large to wait.
    Live,
}

impl Joiner {
    /// For the rest of this answer.
    pub(in crate::routing) fn new(broken: Broken, spent: Spent) -> Self {
        Self {
            identity: broken.identity,
            named: broken.named,
            kept: broken.text.len(),
            seam: Seam::new(broken.text),
            half: Vec::new(),
            calls: Calls::None,
            spent,
            room: broken.room,
        }
    }

    /// What the client gets of these events, and why nothing may follow it.
    pub(in crate::routing) fn pass(&mut self, out: Segments) -> (Segments, Option<Failure>) {
        let mut joined = Segments::default();
        for frame in frames(&out) {
            if let Err(astray) = self.take(&frame, &mut joined) {
                return (joined, Some(failure(astray)));
            }
        }
        (joined, None)
    }

    fn take(&mut self, frame: &Frame, out: &mut Segments) -> Result<(), Astray> {
        let Some(payload) = frame.data() else {
            out.push(frame.raw.clone());
            return Ok(());
        };
        let Ok(chunk) = Chunk::parse(&payload) else {
            // The end.
            self.flush(out)?;
            out.push(frame.raw.clone());
            return Ok(());
        };
        let said = Said::of(&payload, &chunk);
        let text = self.text(said.text)?;
        let mut joined = Segments::default();
        let has_usage = chunk.usage.is_some() || chunk.choice.iter().any(|choice| choice.usage.is_some());
        if said.finish || said.calls {
            // What is held back, this chunk's own text included, stands before it.
            let rest = [text, self.rest()?].concat();
            self.put_text(&rest, &mut joined);
            self.put(&payload, &chunk, "", &mut joined);
        } else if !text.is_empty() || has_usage || said.foreign || (said.role && !self.named) {
            self.put(&payload, &chunk, &text, &mut joined);
        }
        self.named |= said.role;
        self.release(joined, &said, out);
        Ok(())
    }

    /// Gives the client what need not wait.
    fn release(&mut self, joined: Segments, said: &Said<'_>, out: &mut Segments) {
        let mut held = match std::mem::replace(&mut self.calls, Calls::Live) {
            Calls::Held(held) => held,
            Calls::None if said.calls => Segments::default(),
            as_before => {
                self.calls = as_before;
                return out.append(joined);
            }
        };
        held.append(joined);
        let waits = !said.finish && held.len() <= HELD && self.room.resize(self.kept + held.len()).is_ok();
        if waits {
            self.calls = Calls::Held(held);
        } else {
            out.append(held);
        }
    }

    /// Text as the client gets it; half a character waits for its other half.
    fn text(&mut self, escaped: &[u8]) -> Result<String, Astray> {
        self.half.extend_from_slice(escaped);
        if self.half.is_empty() || json::ends_with_high_surrogate(&self.half) {
            return Ok(String::new());
        }
        let text = self.take_half();
        self.seam.push(&text)
    }

    fn take_half(&mut self) -> String {
        let literal = [b"\"", &*std::mem::take(&mut self.half), b"\""].concat();
        json::unescape(&literal).unwrap_or_default().into_owned()
    }

    /// What was held back.
    fn rest(&mut self) -> Result<String, Astray> {
        let half = self.take_half();
        Ok(self.seam.push(&half)? + &self.seam.end()?)
    }

    fn flush(&mut self, out: &mut Segments) -> Result<(), Astray> {
        let rest = self.rest()?;
        self.put_text(&rest, out);
        Ok(())
    }

    fn put_text(&self, text: &str, out: &mut Segments) {
        if !text.is_empty() {
            out.append(self.identity.text(text));
        }
    }

    /// A chunk with the first stream's identity and this text, without reasoning, without a role that was named.
    fn put(&self, payload: &bytes::Bytes, chunk: &Chunk, text: &str, out: &mut Segments) {
        let mut edits = Edits::new();
        let usage = || {
            let second = chunk.usage(payload);
            self.spent.joined(second.as_ref()).to_json(Face::Chat)
        };
        let open = json::skip_space(payload, chunk.open);
        let Ok((members, _)) = json::members(payload, open) else { return };
        let mut top = ObjectPatch::new(payload, open, &members);
        self.identity.put_on(&mut top);
        if chunk.usage.is_some() {
            top.set("usage", usage());
        }
        top.finish(&mut edits);
        for choice in &chunk.choice {
            self.edit_delta(payload, choice, text, &mut edits);
            if let Some(span) = &choice.usage {
                edits.replace(span.clone(), usage());
            }
        }
        out.push(sse::event(&edits.apply(payload).to_bytes()));
    }

    fn edit_delta(&self, payload: &[u8], choice: &Choice, text: &str, edits: &mut Edits) {
        let Some(delta) = &choice.delta else { return };
        let Ok((members, _)) = json::members(payload, delta.start) else { return };
        let mut patch = ObjectPatch::new(payload, delta.start, &members);
        for key in ["reasoning_content", "reasoning", "reasoning_details"] {
            patch.remove(key);
        }
        if self.named {
            patch.remove("role");
        }
        let is_text = |span: &json::Span| payload.get(span.start) == Some(&b'"');
        if choice.content.as_ref().is_some_and(is_text) {
            patch.set("content", json::string_literal(text));
        }
        patch.finish(edits);
    }
}

fn failure(astray: Astray) -> Failure {
    let message = match astray {
        Astray::Differs => "it began the answer anew and then said something else",
        Astray::Unclear => "it repeated the little that had been said, which may be a beginning anew",
    };
    Failure { status: Some(200), ..Failure::new(Reason::Server, message) }
}
