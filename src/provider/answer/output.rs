//! What goes to the client of one push, in as few slices as can be.

use std::ops::Range;

use bytes::Bytes;

use super::{ContentBytes, ReaderOutput};
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::event_template::TemplateMatch;
use crate::protocol::sse::{Frame, encode_event};
use crate::protocol::template_learner::TemplateLearner;

/// Collects frames; frames that are adjacent in the input stay one slice.
#[derive(Debug)]
pub(super) struct Output {
    input: Bytes,
    pending_range: Range<usize>,
    pub outcome: ReaderOutput,
}

impl Output {
    /// For the bytes that [`Frame::place`] speaks of.
    pub(super) fn new(input: Bytes) -> Self {
        Self { input, pending_range: 0..0, outcome: ReaderOutput::default() }
    }

    /// Adds a frame as it came.
    pub(super) fn forward_frame(&mut self, frame: &Frame) {
        match &frame.input_span {
            Some(place) => self.forward_range(place),
            None => self.append(complete_frame(frame), 1),
        }
    }

    /// Adds the frame at this position in the input.
    fn forward_range(&mut self, place: &Range<usize>) {
        if place.start == self.pending_range.end && !self.pending_range.is_empty() {
            self.pending_range.end = place.end;
        } else {
            self.flush_range();
            self.pending_range = place.clone();
        }
        self.outcome.event_count += 1;
    }

    /// Forwards a frame that matches the template except for its text, and counts the text. Returns false where
    /// the text may be leaked markup, which the filter must check. A model leaks markup only when the request
    /// offered it tools.
    pub(super) fn forward_matching(
        &mut self,
        frame: &TemplateMatch,
        alike: &mut TemplateLearner,
        volume: &mut ContentBytes,
        offers_tools: bool,
    ) -> bool {
        let text = self.input.get(frame.text_span.clone()).unwrap_or_default();
        let reasons = alike.is_reasoning();
        if offers_tools && !reasons && memchr::memchr(b'<', text).is_some() {
            return false;
        }
        let length = String::from_utf8_lossy(text).len();
        *if reasons { &mut volume.reasoning } else { &mut volume.text } += length;
        alike.record_hit();
        self.outcome.has_content = true;
        self.forward_range(&frame.event_span);
        true
    }

    /// Adds frames of ours.
    pub(super) fn append(&mut self, segments: Segments, frames: usize) {
        self.flush_range();
        self.outcome.output.append(segments);
        self.outcome.event_count += frames;
    }

    fn flush_range(&mut self) {
        let run = std::mem::take(&mut self.pending_range);
        if !run.is_empty() {
            self.outcome.output.push(self.input.slice(run));
        }
    }

    pub(super) fn into_outcome(mut self) -> ReaderOutput {
        self.flush_range();
        self.outcome
    }
}

/// A frame as it came; the last one of a stream gets the empty line that it may lack, without which clients drop it.
pub(super) fn complete_frame(frame: &Frame) -> Segments {
    let mut out = Segments::from_bytes(frame.raw.clone());
    out.push(missing_terminator(frame));
    out
}

/// A frame with changes to its payload.
pub(super) fn edit_frame(frame: &Frame, payload: &Bytes, edits: Edits) -> Segments {
    let mut out = Segments::default();
    if let Some(place) = frame.data_span() {
        out.push(frame.raw.slice(..place.start));
        out.append(edits.apply(payload));
        out.push(frame.raw.slice(place.end..));
        out.push(missing_terminator(frame));
        return out;
    }
    // Several `data:` lines become one.
    Segments::from_bytes(encode_event(&edits.apply(payload).to_bytes()))
}

fn missing_terminator(frame: &Frame) -> Bytes {
    match (frame.is_terminated, frame.raw.last()) {
        (true, _) => Bytes::new(),
        (false, Some(b'\n')) => Bytes::from_static(b"\n"),
        // Behind a CR the first LF belongs to it.
        (false, _) => Bytes::from_static(b"\n\n"),
    }
}
