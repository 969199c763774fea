//! What goes to the client of one push, in as few slices as can be.

use std::ops::Range;

use bytes::Bytes;

use super::{Step, Volume};
use crate::protocol::alike::Alike;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::pattern::Found;
use crate::protocol::sse::{Frame, event};

/// Collects frames; those that stand side by side in the bytes that were read stay one slice.
#[derive(Debug)]
pub(super) struct Output {
    read: Bytes,
    run: Range<usize>,
    pub step: Step,
}

impl Output {
    /// For the bytes that [`Frame::place`] speaks of.
    pub(super) fn new(read: Bytes) -> Self {
        Self { read, run: 0..0, step: Step::default() }
    }

    /// Adds a frame as it came.
    pub(super) fn pass(&mut self, frame: &Frame) {
        match &frame.place {
            Some(place) => self.pass_place(place),
            None => self.put(whole(frame), 1),
        }
    }

    /// Adds the frame that stands there in the bytes that were read.
    fn pass_place(&mut self, place: &Range<usize>) {
        if place.start == self.run.end && !self.run.is_empty() {
            self.run.end = place.end;
        } else {
            self.close_run();
            self.run = place.clone();
        }
        self.step.frames += 1;
    }

    /// Adds a frame that is known but for its text, and counts that. False where the text may be leaked markup, which is
    /// for the filter; only who was offered tools leaks any.
    pub(super) fn take_alike(
        &mut self,
        frame: &Found,
        alike: &mut Alike,
        volume: &mut Volume,
        offers_tools: bool,
    ) -> bool {
        let text = self.read.get(frame.text.clone()).unwrap_or_default();
        let reasons = alike.reasons();
        if offers_tools && !reasons && memchr::memchr(b'<', text).is_some() {
            return false;
        }
        let length = String::from_utf8_lossy(text).len();
        *if reasons { &mut volume.reasoning } else { &mut volume.text } += length;
        alike.has_hit();
        self.step.meaningful = true;
        self.pass_place(&frame.place);
        true
    }

    /// Adds frames of ours.
    pub(super) fn put(&mut self, segments: Segments, frames: usize) {
        self.close_run();
        self.step.out.append(segments);
        self.step.frames += frames;
    }

    fn close_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if !run.is_empty() {
            self.step.out.push(self.read.slice(run));
        }
    }

    pub(super) fn finish(mut self) -> Step {
        self.close_run();
        self.step
    }
}

/// A frame as it came; the last one of a stream gets the empty line that it may lack, without which clients drop it.
pub(super) fn whole(frame: &Frame) -> Segments {
    let mut out = Segments::whole(frame.raw.clone());
    out.push(missing_end(frame));
    out
}

/// A frame with changes to its payload.
pub(super) fn edited(frame: &Frame, payload: &Bytes, edits: Edits) -> Segments {
    let mut out = Segments::default();
    if let Some(place) = frame.data_place() {
        out.push(frame.raw.slice(..place.start));
        out.append(edits.apply(payload));
        out.push(frame.raw.slice(place.end..));
        out.push(missing_end(frame));
        return out;
    }
    // Several `data:` lines become one.
    Segments::whole(event(&edits.apply(payload).to_bytes()))
}

fn missing_end(frame: &Frame) -> Bytes {
    match (frame.terminated, frame.raw.last()) {
        (true, _) => Bytes::new(),
        (false, Some(b'\n')) => Bytes::from_static(b"\n"),
        // Behind a CR the first LF belongs to it.
        (false, _) => Bytes::from_static(b"\n\n"),
    }
}
