//! Owns the second stream of a response, rewritten to continue the first. Both are Chat Completions here; other
//! APIs are encoded from that. Trimmed white space is restored once, and a restarted response is detected.

use super::event_content::{EventContent, read_frames};
use super::interruption::{ChunkIdentity, Interrupted};
use super::resume_buffer::MAX_WITHHELD_BYTES;
use crate::failure::{Failure, Reason};
use crate::protocol::api::Api;
use crate::protocol::chat::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::edit::{Edits, ObjectPatch, Segments};
use crate::protocol::json;
use crate::protocol::memory_budget::MemoryReservation;
use crate::protocol::sse::{self, Frame};
use crate::stream::meter::InterruptedUsage;

/// The number of characters that distinguishes a restarted response from a continued one.
pub(super) const COMPARED_CHARS: usize = 64;
/// The end of the sent text that an instructed model may repeat, in bytes.
const MAX_OVERLAP_BYTES: usize = 256;
/// A shorter repetition may be part of the answer, such as a line of braces.
const MIN_OVERLAP_WORD_CHARS: usize = 12;

/// The second stream did not continue the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Diverged {
    /// It restarted, and then differed.
    Differs,
    /// It repeated the whole text so far, which was too short to detect a restart.
    Ambiguous,
}

/// Text of the second stream before it is sent to the client.
#[derive(Debug)]
pub(super) struct SplicePoint {
    /// The text that the client has.
    sent_text: String,
    /// White space that was trimmed from its end and has not come again.
    trimmed_space: String,
    phase: SplicePhase,
    /// The second stream may begin with the end of the text: its model was instructed to continue, not prefilled.
    may_repeat: bool,
}

#[derive(Debug)]
enum SplicePhase {
    /// The text equals the response's beginning so far, and is held back.
    Comparing(String),
    /// The text equals an end of the sent text so far, and is held back.
    Overlapping(String),
    /// The response restarted: this many bytes of it were repeated.
    Repeating(usize),
    /// The response continues.
    Continuing,
}

impl SplicePoint {
    /// Creates the splice point of a response of which the client has this text.
    pub(super) fn new(sent_text: String, may_repeat: bool) -> Self {
        let content = sent_text.trim_end().len();
        let trimmed_space = sent_text.get(content..).unwrap_or_default().to_owned();
        // Without earlier text there is no restart to detect.
        let phase =
            if content == 0 { SplicePhase::Continuing } else { SplicePhase::Comparing(String::new()) };
        Self { sent_text, trimmed_space, phase, may_repeat }
    }

    /// Takes text; returns the text to send.
    pub(super) fn push(&mut self, text: &str) -> Result<String, Diverged> {
        match &mut self.phase {
            SplicePhase::Continuing => Ok(self.restore_space(text)),
            SplicePhase::Repeating(_) => self.skip_repeated(text),
            SplicePhase::Overlapping(head) => {
                head.push_str(text);
                let head = std::mem::take(head);
                Ok(self.drop_overlap(head, false))
            }
            SplicePhase::Comparing(head) => {
                head.push_str(text);
                let head = std::mem::take(head);
                self.compare_start(head)
            }
        }
    }

    /// Ends the text; returns what was held back.
    pub(super) fn end(&mut self) -> Result<String, Diverged> {
        match std::mem::replace(&mut self.phase, SplicePhase::Continuing) {
            SplicePhase::Continuing => Ok(String::new()),
            SplicePhase::Comparing(head) | SplicePhase::Overlapping(head) => {
                Ok(self.drop_overlap(head, true))
            }
            SplicePhase::Repeating(_) => Err(Diverged::Differs),
        }
    }

    fn compare_start(&mut self, head: String) -> Result<String, Diverged> {
        let known = self
            .sent_text
            .char_indices()
            .nth(COMPARED_CHARS)
            .map_or(self.sent_text.as_str(), |(end, _)| self.sent_text.get(..end).unwrap_or_default());
        if head.len() < known.len() && known.starts_with(&head) {
            self.phase = SplicePhase::Comparing(head);
            return Ok(String::new());
        }
        if !head.starts_with(known) {
            return Ok(self.drop_overlap(head, false));
        }
        if known.chars().count() < COMPARED_CHARS {
            return Err(Diverged::Ambiguous);
        }
        self.phase = SplicePhase::Repeating(0);
        self.skip_repeated(&head)
    }

    /// Drops the end of the sent text at the start of the second stream.
    fn drop_overlap(&mut self, head: String, is_all: bool) -> String {
        self.phase = SplicePhase::Continuing;
        if !self.may_repeat {
            return self.restore_space(&head);
        }
        let sent = self.sent_text.trim_end();
        let start = sent.len().saturating_sub(MAX_OVERLAP_BYTES);
        let ends = sent.char_indices().filter(|(at, _)| *at >= start).filter_map(|(at, _)| sent.get(at..));
        if !is_all && ends.clone().any(|end| end.len() > head.len() && end.starts_with(&head)) {
            self.phase = SplicePhase::Overlapping(head);
            return String::new();
        }
        let is_long = |end: &&str| {
            end.chars().filter(|c| c.is_alphanumeric()).nth(MIN_OVERLAP_WORD_CHARS - 1).is_some()
        };
        let repeated = ends.filter(is_long).find(|end| head.starts_with(end)).map_or(0, str::len);
        let rest = head.get(repeated..).unwrap_or_default().to_owned();
        self.restore_space(&rest)
    }

    /// Drops the text that the client already has.
    fn skip_repeated(&mut self, text: &str) -> Result<String, Diverged> {
        let SplicePhase::Repeating(done) = &mut self.phase else { return Ok(text.to_owned()) };
        let left = self.sent_text.get(*done..).unwrap_or_default();
        if let Some(rest) = text.strip_prefix(left) {
            self.phase = SplicePhase::Continuing;
            self.trimmed_space.clear();
            return Ok(rest.to_owned());
        }
        if !left.starts_with(text) {
            return Err(Diverged::Differs);
        }
        *done += text.len();
        Ok(String::new())
    }

    /// Leading white space is dropped as far as it repeats what was trimmed, character by character.
    fn restore_space(&mut self, text: &str) -> String {
        let mut rest = text;
        while let (Some(trimmed), Some(first)) = (self.trimmed_space.chars().next(), rest.chars().next()) {
            if trimmed != first {
                self.trimmed_space.clear();
                break;
            }
            self.trimmed_space.drain(..trimmed.len_utf8());
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        rest.to_owned()
    }
}

/// Rewrites the events of the second stream.
#[derive(Debug)]
pub struct Splicer {
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
    /// Creates a splicer that continues this response. `may_repeat`: the second stream may begin with the end of the text.
    #[must_use]
    pub fn new(interrupted: Interrupted, interrupted_usage: InterruptedUsage, may_repeat: bool) -> Self {
        Self {
            identity: interrupted.identity,
            has_role: interrupted.has_role,
            buffered_bytes: interrupted.text.len(),
            splice_point: SplicePoint::new(interrupted.text, may_repeat),
            partial_character: Vec::new(),
            tool_call_state: ToolCallState::None,
            interrupted_usage,
            reservation: interrupted.reservation,
        }
    }

    /// Returns the events to send, and the reason if the stream must stop after them.
    pub fn process(&mut self, out: Segments) -> (Segments, Option<Failure>) {
        let mut spliced = Segments::default();
        for frame in read_frames(&out) {
            if let Err(diverged) = self.process_frame(&frame, &mut spliced) {
                return (spliced, Some(build_failure(diverged)));
            }
        }
        (spliced, None)
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
        let content = EventContent::from_chunk(&payload, &chunk);
        let text = self.process_text(content.text)?;
        let mut spliced = Segments::default();
        let has_usage =
            chunk.usage.is_some() || chunk.parsed_choices.iter().any(|choice| choice.usage.is_some());
        if content.is_finish || content.has_tool_calls {
            // Everything held back, this chunk's own text included, comes before it.
            let rest = [text, self.take_withheld_text()?].concat();
            self.append_text(&rest, &mut spliced);
            self.append_chunk(&payload, &chunk, "", &mut spliced);
        } else if !text.is_empty() || has_usage || content.is_foreign || (content.has_role && !self.has_role)
        {
            self.append_chunk(&payload, &chunk, &text, &mut spliced);
        }
        self.has_role |= content.has_role;
        self.release(spliced, &content, out);
        Ok(())
    }

    /// Releases what need not be held.
    fn release(&mut self, spliced: Segments, content: &EventContent<'_>, out: &mut Segments) {
        let mut withheld = match std::mem::replace(&mut self.tool_call_state, ToolCallState::Released) {
            ToolCallState::Withheld(withheld) => withheld,
            ToolCallState::None if content.has_tool_calls => Segments::default(),
            as_before => {
                self.tool_call_state = as_before;
                return out.append(spliced);
            }
        };
        withheld.append(spliced);
        let must_wait = !content.is_finish
            && withheld.len() <= MAX_WITHHELD_BYTES
            && self.reservation.resize(self.buffered_bytes + withheld.len()).is_ok();
        if must_wait {
            self.tool_call_state = ToolCallState::Withheld(withheld);
        } else {
            out.append(withheld);
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

fn build_failure(diverged: Diverged) -> Failure {
    let message = match diverged {
        Diverged::Differs => "it restarted the response with different content",
        Diverged::Ambiguous => "it repeated the short text so far, which may be a restart",
    };
    Failure { status: Some(200), ..Failure::new(Reason::Server, message) }
}
