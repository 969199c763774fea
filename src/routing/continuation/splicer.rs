//! Owns the second stream of a response, rewritten to continue the first. Both are Chat Completions here; other
//! APIs are encoded from that.

use super::event_content::{EventContent, read_frames};
use super::identity::ChunkIdentity;
use super::interrupted_usage::InterruptedUsage;
use super::resume_buffer::{Interrupted, MAX_WITHHELD_BYTES};
use super::splice_point::{Diverged, SplicePoint};
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json;
use crate::protocol::memory_budget::MemoryReservation;
use crate::protocol::sse::{self, Frame};

/// Rewrites the events of the second stream.
#[derive(Debug)]
pub(in crate::routing) struct Splicer {
    identity: ChunkIdentity,
    has_role: bool,
    splice_point: SplicePoint,
    /// Escaped text that ends inside a character.
    partial_character: Vec<u8>,
    tool_call_state: ToolCallState,
    interrupted_usage: InterruptedUsage,
    /// The response so far, and its held part.
    reservation: MemoryReservation,
    buffered_bytes: usize,
}

/// Tool calls are held until their finish, as in the first stream: the client gets them whole or not at all.
#[derive(Debug)]
enum ToolCallState {
    None,
    /// From the first fragment on.
    Withheld(Segments),
    /// They are finished, or too large to hold.
    Released,
}

impl Splicer {
    /// Creates a splicer that continues this response.
    pub(in crate::routing) fn new(broken: Interrupted, interrupted_usage: InterruptedUsage) -> Self {
        Self {
            identity: broken.identity,
            has_role: broken.has_role,
            buffered_bytes: broken.text.len(),
            splice_point: SplicePoint::new(broken.text),
            partial_character: Vec::new(),
            tool_call_state: ToolCallState::None,
            interrupted_usage,
            reservation: broken.reservation,
        }
    }

    /// Returns the events to send, and the reason if the stream must stop after them.
    pub(in crate::routing) fn process(&mut self, out: Segments) -> (Segments, Option<Failure>) {
        let mut joined = Segments::default();
        for frame in read_frames(&out) {
            if let Err(astray) = self.process_frame(&frame, &mut joined) {
                return (joined, Some(build_failure(astray)));
            }
        }
        (joined, None)
    }

    fn process_frame(&mut self, frame: &Frame, out: &mut Segments) -> Result<(), Diverged> {
        let Some(payload) = frame.data() else {
            out.push(frame.raw.clone());
            return Ok(());
        };
        let Ok(chunk) = ChatChunk::parse(&payload) else {
            // The end of the stream.
            self.flush(out)?;
            out.push(frame.raw.clone());
            return Ok(());
        };
        let said = EventContent::from_chunk(&payload, &chunk);
        let text = self.process_text(said.text)?;
        let mut joined = Segments::default();
        let has_usage =
            chunk.usage.is_some() || chunk.parsed_choices.iter().any(|choice| choice.usage.is_some());
        if said.is_finish || said.has_tool_calls {
            // Everything held back, this chunk's own text included, comes before it.
            let rest = [text, self.take_withheld_text()?].concat();
            self.append_text(&rest, &mut joined);
            self.append_chunk(&payload, &chunk, "", &mut joined);
        } else if !text.is_empty() || has_usage || said.is_foreign || (said.has_role && !self.has_role) {
            self.append_chunk(&payload, &chunk, &text, &mut joined);
        }
        self.has_role |= said.has_role;
        self.release(joined, &said, out);
        Ok(())
    }

    /// Releases what need not be held.
    fn release(&mut self, joined: Segments, said: &EventContent<'_>, out: &mut Segments) {
        let mut held = match std::mem::replace(&mut self.tool_call_state, ToolCallState::Released) {
            ToolCallState::Withheld(held) => held,
            ToolCallState::None if said.has_tool_calls => Segments::default(),
            as_before => {
                self.tool_call_state = as_before;
                return out.append(joined);
            }
        };
        held.append(joined);
        let waits = !said.is_finish
            && held.len() <= MAX_WITHHELD_BYTES
            && self.reservation.resize(self.buffered_bytes + held.len()).is_ok();
        if waits {
            self.tool_call_state = ToolCallState::Withheld(held);
        } else {
            out.append(held);
        }
    }

    /// Text to send; half a character is held until its other half comes.
    fn process_text(&mut self, escaped: &[u8]) -> Result<String, Diverged> {
        self.partial_character.extend_from_slice(escaped);
        if self.partial_character.is_empty() || json::ends_with_high_surrogate(&self.partial_character) {
            return Ok(String::new());
        }
        let text = self.take_partial_character();
        self.splice_point.push(&text)
    }

    fn take_partial_character(&mut self) -> String {
        let literal = [b"\"", &*std::mem::take(&mut self.partial_character), b"\""].concat();
        json::unescape(&literal).unwrap_or_default().into_owned()
    }

    /// Takes what was held back.
    fn take_withheld_text(&mut self) -> Result<String, Diverged> {
        let half = self.take_partial_character();
        Ok(self.splice_point.push(&half)? + &self.splice_point.end()?)
    }

    fn flush(&mut self, out: &mut Segments) -> Result<(), Diverged> {
        let rest = self.take_withheld_text()?;
        self.append_text(&rest, out);
        Ok(())
    }

    fn append_text(&self, text: &str, out: &mut Segments) {
        if !text.is_empty() {
            out.append(self.identity.render_text(text));
        }
    }

    /// A chunk with the first stream's identity and this text, without reasoning, and without a role that was
    /// already sent.
    fn append_chunk(&self, payload: &bytes::Bytes, chunk: &ChatChunk, text: &str, out: &mut Segments) {
        let mut edits = Edits::new();
        let usage = || {
            let second = chunk.usage(payload);
            self.interrupted_usage.combined_usage(second.as_ref()).to_json(Api::ChatCompletions)
        };
        let open = json::skip_whitespace(payload, chunk.open_brace);
        let Ok((members, _)) = json::parse_members(payload, open) else { return };
        let mut top = ObjectPatch::new(payload, open, &members);
        self.identity.apply_to(&mut top);
        if chunk.usage.is_some() {
            top.set("usage", usage());
        }
        top.write_edits(&mut edits);
        for choice in &chunk.parsed_choices {
            self.edit_delta(payload, choice, text, &mut edits);
            if let Some(span) = &choice.usage {
                edits.replace(span.clone(), usage());
            }
        }
        out.push(sse::encode_event(&edits.apply(payload).to_bytes()));
    }

    fn edit_delta(&self, payload: &[u8], choice: &ChunkChoice, text: &str, edits: &mut Edits) {
        let Some(delta) = &choice.delta else { return };
        let Ok((members, _)) = json::parse_members(payload, delta.start) else { return };
        let mut patch = ObjectPatch::new(payload, delta.start, &members);
        for key in ["reasoning_content", "reasoning", "reasoning_details"] {
            patch.remove(key);
        }
        if self.has_role {
            patch.remove("role");
        }
        let is_text = |span: &json::Span| payload.get(span.start) == Some(&b'"');
        if choice.content.as_ref().is_some_and(is_text) {
            patch.set("content", json::to_string_literal(text));
        }
        patch.write_edits(edits);
    }
}

fn build_failure(astray: Diverged) -> Failure {
    let message = match astray {
        Diverged::Differs => "it began the answer anew and then said something else",
        Diverged::Ambiguous => "it repeated the little that had been said, which may be a beginning anew",
    };
    Failure { status: Some(200), ..Failure::new(Reason::Server, message) }
}
