//! Owns the first stream of a response: the events that were released, and those held back.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::event_content::{self, EventReader};
use super::identity::ChunkIdentity;
use super::resume_conditions::ResumeConditions;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::json;
use crate::protocol::memory_budget::MemoryReservation;
use crate::protocol::sse::{Frame, FrameReader};
use crate::protocol::template_learner::TemplateLearner;

/// The limit on held-back bytes. A larger amount is released live, and the stream is then not continued.
pub(super) const MAX_WITHHELD_BYTES: usize = 4 << 20;
/// The limit on kept text, in bytes: about 250,000 tokens. No provider accepts a larger message.
pub(super) const MAX_STORED_TEXT_BYTES: usize = 1 << 20;

/// The key of a chunk's tool calls.
static TOOL_CALLS_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("tool_calls"));

/// Which continuation is possible if the stream is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::routing) struct ContinuationSupport {
    /// A target can start a new response.
    pub(in crate::routing) can_restart: bool,
    /// A target can continue from a text.
    pub(in crate::routing) can_prefill: bool,
}

/// The part of an interrupted response that the client has.
#[derive(Debug)]
pub(in crate::routing) struct Interrupted {
    pub(super) identity: ChunkIdentity,
    /// All of its text.
    pub(super) text: String,
    /// Whether the role was sent.
    pub(super) has_role: bool,
    /// The memory that this holds.
    pub(super) reservation: MemoryReservation,
}

impl Interrupted {
    /// The text to continue from; empty if the response must start again.
    pub(in crate::routing) fn prefill(&self) -> &str {
        self.text.trim_end()
    }

    /// The end of a chat response whose output limit is used up; `usage` if the client requested it.
    pub(in crate::routing) fn render_length_finish(&self, usage: Option<&str>) -> Segments {
        let mut out = self.identity.render_choice("{}", "\"length\"");
        out.append(usage.map(|usage| self.identity.render_usage(usage)).unwrap_or_default());
        out.push(Bytes::from_static(crate::protocol::sse::DONE));
        out
    }
}

/// Tracks the first stream of a response, so that another target can continue it.
#[derive(Debug)]
pub(in crate::routing) struct ResumeBuffer {
    /// The client's API.
    api: Api,
    event_reader: EventReader,
    conditions: ResumeConditions,
    support: ContinuationSupport,
    /// The payload of the first Chat Completions event. For the other APIs the encoder of the continuation
    /// knows what repeats.
    first_event: Vec<u8>,
    text: String,
    has_role: bool,
    withheld: WithheldEvents,
    /// The memory of the first event, the text and the held events.
    reservation: MemoryReservation,
    /// The response is finished or cannot be continued: every event passes unchanged.
    is_pass_through: bool,
    /// The form of most events.
    template_learner: TemplateLearner,
}

/// The events that the client does not have yet.
#[derive(Debug, Default)]
struct WithheldEvents {
    events: Segments,
    /// Their text, escaped as received.
    text: Vec<u8>,
    /// They contain the role.
    has_role: bool,
    /// They contain a fragment of a tool call, so all following events are held too.
    has_tool_calls: bool,
    /// The last event is a block boundary.
    ends_at_block_boundary: bool,
}

/// Whether a buffer would hold back none of these first events of a response, decided from their bytes. Tool
/// calls and half characters (which need an escape) are held back. If in doubt, returns false.
pub(in crate::routing) fn withholds_nothing(face: Api, first: &Segments) -> bool {
    if first.is_empty() || face != Api::ChatCompletions {
        return false;
    }
    let events = first.to_bytes();
    memchr::memchr(b'\\', &events).is_none() && TOOL_CALLS_FINDER.find(&events).is_none()
}

impl ResumeBuffer {
    /// Creates the buffer of a stream in the client's API.
    pub(in crate::routing) fn new(
        api: Api,
        conditions: ResumeConditions,
        support: ContinuationSupport,
        reservation: MemoryReservation,
    ) -> Self {
        Self {
            api,
            event_reader: EventReader::new(api),
            conditions,
            support,
            first_event: Vec::new(),
            text: String::new(),
            has_role: false,
            withheld: WithheldEvents::default(),
            reservation,
            is_pass_through: false,
            template_learner: TemplateLearner::default(),
        }
    }

    /// Returns the events to release now.
    pub(in crate::routing) fn process(&mut self, out: Segments) -> Segments {
        if self.is_pass_through {
            return out;
        }
        let bytes = out.to_bytes();
        let mut reader = event_content::frame_reader(bytes.clone());
        let mut released = Segments::default();
        loop {
            released.push(bytes.slice(self.process_matching(&mut reader, &bytes)));
            if let Ok(Some(frame)) = reader.next_frame() {
                self.process_frame(&frame, &mut released);
                continue;
            }
            if let Some(last) = reader.finish() {
                self.process_frame(&last, &mut released);
            }
            return released;
        }
    }

    /// Takes events that differ from an earlier one only in a piece of text; returns their range.
    fn process_matching(&mut self, reader: &mut FrameReader, bytes: &Bytes) -> Range<usize> {
        let mut run = 0..0;
        while !self.is_pass_through
            && self.withheld.events.is_empty()
            && let Some(event) =
                self.template_learner.template().and_then(|pattern| reader.match_template(pattern))
        {
            if !self.template_learner.is_reasoning() {
                let text = bytes.get(event.text_span.clone()).unwrap_or_default();
                self.text.push_str(&String::from_utf8_lossy(text));
            }
            reader.skip_match(&event);
            self.template_learner.record_hit();
            run = if run.is_empty() { event.event_span } else { run.start..event.event_span.end };
        }
        if !run.is_empty()
            && (!self.may_store_text() || self.reservation.resize(self.buffered_bytes()).is_err())
        {
            self.stop_buffering(&mut Segments::default());
        }
        run
    }

    /// Bytes kept of the response.
    const fn buffered_bytes(&self) -> usize {
        self.first_event.len() + self.text.len()
    }

    /// Whether its text must be kept.
    fn may_store_text(&self) -> bool {
        self.text.len() <= MAX_STORED_TEXT_BYTES && (self.text.trim_end().is_empty() || self.can_continue())
    }

    /// Called when the stream is interrupted. `None` if no target can continue it.
    pub(in crate::routing) fn interrupt(self) -> Option<Interrupted> {
        if self.is_pass_through || !self.can_continue() || self.conditions.ends_with_partial_stop(&self.text)
        {
            return None;
        }
        let (identity, mut room) = (ChunkIdentity::from_chunk(&self.first_event), self.reservation);
        // Reducing a reservation never fails.
        let _ = room.resize(self.text.len());
        Some(Interrupted { identity, text: self.text, has_role: self.has_role, reservation: room })
    }

    fn can_continue(&self) -> bool {
        if self.text.trim_end().is_empty() {
            self.support.can_restart
        } else {
            self.support.can_prefill && !self.conditions.is_prefilled
        }
    }

    fn process_frame(&mut self, frame: &Frame, out: &mut Segments) {
        let Some(payload) = frame.data().filter(|_| !self.is_pass_through) else {
            // A comment: it keeps the connection alive while the following events are held.
            return out.push(frame.raw.clone());
        };
        let said = self.event_reader.read(&payload);
        let Some(said) = said.filter(|said| !said.is_finish && !said.is_foreign) else {
            return self.stop_buffering_at(frame, out);
        };
        if said.is_keep_alive {
            return out.push(frame.raw.clone());
        }
        if self.api == Api::ChatCompletions && self.first_event.is_empty() {
            self.first_event = payload.to_vec();
        }
        if said.has_tool_calls && !self.withheld.has_tool_calls && !self.can_continue() {
            return self.stop_buffering_at(frame, out);
        }
        self.withheld.has_tool_calls |= said.has_tool_calls;
        if !self.withheld.has_tool_calls {
            self.withheld.text.extend_from_slice(said.text);
        }
        self.withheld.has_role |= said.has_role;
        self.withheld.ends_at_block_boundary = said.is_block_boundary;
        self.withheld.events.push(frame.raw.clone());
        let held = &self.withheld;
        let waits =
            held.has_tool_calls || held.ends_at_block_boundary || json::ends_with_high_surrogate(&held.text);
        if !waits {
            self.release(out);
        }
        let taken = self.withheld.events.len();
        if taken > MAX_WITHHELD_BYTES || self.reservation.resize(taken + self.buffered_bytes()).is_err() {
            self.stop_buffering(out);
        }
        if taken == 0 {
            self.template_learner.learn(frame, said.single_delta.as_ref());
        }
    }

    /// Releases held events, and keeps their text.
    fn release(&mut self, out: &mut Segments) {
        let held = std::mem::take(&mut self.withheld);
        out.append(held.events);
        self.has_role |= held.has_role;
        if held.text.is_empty() {
            return;
        }
        let literal = [b"\"", &*held.text, b"\""].concat();
        self.text.push_str(&json::unescape(&literal).unwrap_or_default());
        if !self.may_store_text() {
            self.stop_buffering(out);
        }
    }

    /// Stops holding and keeping events.
    fn stop_buffering(&mut self, out: &mut Segments) {
        self.is_pass_through = true;
        self.first_event = Vec::new();
        self.text = String::new();
        out.append(std::mem::take(&mut self.withheld).events);
        // Reducing a reservation never fails.
        let _ = self.reservation.resize(0);
    }

    fn stop_buffering_at(&mut self, frame: &Frame, out: &mut Segments) {
        self.stop_buffering(out);
        out.push(frame.raw.clone());
    }
}
