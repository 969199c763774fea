//! Collects the output of one read, and has what the readers of the three APIs share.

use std::fmt::Debug;
use std::ops::Range;

use bytes::Bytes;

use super::body::{self, NOT_JSON, server_failure};
use super::meter::{ContentBytes, Meter, ReaderOutput};
use crate::failure::Failure;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::{Frame, encode_event};
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;

/// Collects frames; frames that are adjacent in the input stay one slice.
#[derive(Debug)]
pub(super) struct Output {
    input: Bytes,
    pending_range: Range<usize>,
    pub outcome: ReaderOutput,
}

impl Output {
    /// For the bytes to which [`Frame::input_span`] refers.
    pub(super) fn new(input: Bytes) -> Self {
        Self { input, pending_range: 0..0, outcome: ReaderOutput::default() }
    }

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

    /// Adds frames written by the gateway.
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

/// Withholds the finish of a response that is empty so far, and the frames after it: an empty response is a failure,
/// and the client must not have received its finish.
#[derive(Debug, Default)]
pub(super) struct FinishGate {
    withheld: Option<(Segments, usize)>,
}

impl FinishGate {
    pub(super) const fn is_closed(&self) -> bool {
        self.withheld.is_some()
    }

    pub(super) fn close(&mut self) {
        self.withheld.get_or_insert_default();
    }

    pub(super) fn discard(&mut self) {
        self.withheld = None;
    }

    /// Sends the withheld frames: the finish was not the end.
    pub(super) fn open(&mut self, out: &mut Output) {
        if let Some((segments, frames)) = self.withheld.take() {
            out.append(segments, frames);
        }
    }

    pub(super) fn forward_frame(&mut self, frame: &Frame, out: &mut Output) {
        match self.withheld {
            None => out.forward_frame(frame),
            Some(_) => self.append(complete_frame(frame), 1, out),
        }
    }

    pub(super) fn append(&mut self, segments: Segments, count: usize, out: &mut Output) {
        match &mut self.withheld {
            None => out.append(segments, count),
            Some((held, frames)) => {
                held.append(segments);
                *frames += count;
            }
        }
    }
}

/// An unchanged frame; the last one of a stream gets the empty line without which clients drop it.
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
        // The first LF after a CR belongs to it.
        (false, _) => Bytes::from_static(b"\n\n"),
    }
}

/// State that differs between the APIs.
pub(super) trait ApiStream: Debug + Send + Sync {
    /// Processes one frame.
    ///
    /// # Errors
    /// When the response failed here.
    fn process_frame(&mut self, frame: &Frame, out: &mut Output) -> Result<StreamFlow, Failure>;

    /// The body ended before the response's own end: adds the missing end.
    ///
    /// # Errors
    /// When the response is incomplete.
    fn process_end(&mut self, usage: Option<TokenUsage>, out: &mut Output) -> Result<(), Failure>;

    /// See [`super::StreamReader::render_missing_end`].
    fn render_missing_end(&self, usage: Option<TokenUsage>) -> Option<Segments>;

    /// The response failed: returns the withheld text and drops other withheld events.
    fn take_withheld(&mut self) -> Segments;

    fn content_bytes(&self) -> ContentBytes;

    fn meter(&self) -> &Meter;
}

/// The content of a frame of an API with named events.
pub(super) enum NamedEvent<'p> {
    /// Not an event of the response; a comment was forwarded.
    Ignored,
    /// `data: [DONE]`, which neither of these APIs has, but some servers send.
    Done,
    /// An event: its payload, raw and parsed.
    Event(&'p Bytes, ObjectView<'p>),
}

/// Reads a frame of the Messages or the Responses API; `payload` is its data.
///
/// # Errors
/// When it reports an error, or is not JSON.
pub(super) fn read_named_event<'p>(
    classifier: &Classifier,
    frame: &Frame,
    payload: Option<&'p Bytes>,
    out: &mut Output,
) -> Result<NamedEvent<'p>, Failure> {
    let Some(payload) = payload else {
        // A comment is not an event, and SDKs cannot parse an event without data.
        if frame.event_name().is_none() {
            let events = out.outcome.event_count;
            out.forward_frame(frame);
            out.outcome.event_count = events;
        }
        return Ok(NamedEvent::Ignored);
    };
    let text = payload.trim_ascii();
    if text.is_empty() {
        return Ok(NamedEvent::Ignored);
    }
    if text.starts_with(b"[DONE]") {
        return Ok(NamedEvent::Done);
    }
    if frame.event_name().is_some_and(|event| &*event == b"error") {
        return Err(body::classify_body(classifier, payload));
    }
    let event = ObjectView::parse_strict(payload).map_err(|_| server_failure(NOT_JSON))?;
    if event.string_or_empty("type") == "error" || body::has_error(&event) {
        return Err(body::classify_body(classifier, payload));
    }
    Ok(NamedEvent::Event(payload, event))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamFlow {
    Continue,
    Done,
}
