//! Owns the first stream of a response: the events that were released, and those held back.

use super::event_content::{EventReader, read_frames};
use super::interruption::{ChunkIdentity, ContinuationSupport, Interrupted, ResumeConditions};
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::json;
use crate::protocol::memory_budget::MemoryReservation;
use crate::protocol::sse::Frame;

/// The limit on held-back bytes. A larger amount is released live, and the stream is then not continued.
pub(super) const MAX_WITHHELD_BYTES: usize = 4 << 20;
/// The limit on kept text, in bytes: about 250,000 tokens. No provider accepts a larger message.
pub(super) const MAX_STORED_TEXT_BYTES: usize = 1 << 20;

/// Tracks the first stream of a response, so that another target can continue it.
#[derive(Debug)]
pub struct ResumeBuffer {
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

impl ResumeBuffer {
    /// Creates the buffer of a stream in the client's API.
    #[must_use]
    pub fn new(
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
        }
    }

    /// Returns the events to release now.
    pub fn process(&mut self, out: Segments) -> Segments {
        if self.is_pass_through {
            return out;
        }
        let mut released = Segments::default();
        for frame in read_frames(&out) {
            self.process_frame(&frame, &mut released);
        }
        released
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
    #[must_use]
    pub fn interrupt(self) -> Option<Interrupted> {
        if self.is_pass_through || !self.can_continue() || self.conditions.ends_with_partial_stop(&self.text)
        {
            return None;
        }
        let (identity, mut reservation) = (ChunkIdentity::from_chunk(&self.first_event), self.reservation);
        // Reducing a reservation never fails.
        let _ = reservation.resize(self.text.len());
        Some(Interrupted { identity, text: self.text, has_role: self.has_role, reservation })
    }

    fn can_continue(&self) -> bool {
        if self.text.trim_end().is_empty() {
            self.support.can_restart
        } else {
            self.support.can_continue_text && !self.conditions.is_prefilled
        }
    }

    fn process_frame(&mut self, frame: &Frame, out: &mut Segments) {
        let Some(payload) = frame.data().filter(|_| !self.is_pass_through) else {
            // A comment: it keeps the connection alive while the following events are held.
            return out.push(frame.raw.clone());
        };
        let content = self.event_reader.read(&payload);
        let Some(content) = content.filter(|content| !content.is_finish && !content.is_foreign) else {
            return self.stop_buffering_at(frame, out);
        };
        if content.is_keep_alive {
            return out.push(frame.raw.clone());
        }
        if self.api == Api::ChatCompletions && self.first_event.is_empty() {
            self.first_event = payload.to_vec();
        }
        if content.has_tool_calls && !self.withheld.has_tool_calls && !self.can_continue() {
            return self.stop_buffering_at(frame, out);
        }
        self.withheld.has_tool_calls |= content.has_tool_calls;
        if !self.withheld.has_tool_calls {
            self.withheld.text.extend_from_slice(content.text);
        }
        self.withheld.has_role |= content.has_role;
        self.withheld.ends_at_block_boundary = content.is_block_boundary;
        self.withheld.events.push(frame.raw.clone());
        let withheld = &self.withheld;
        let must_wait = withheld.has_tool_calls
            || withheld.ends_at_block_boundary
            || json::ends_with_high_surrogate(&withheld.text);
        if !must_wait {
            self.release(out);
        }
        let bytes = self.withheld.events.len();
        if bytes > MAX_WITHHELD_BYTES || self.reservation.resize(bytes + self.buffered_bytes()).is_err() {
            self.stop_buffering(out);
        }
    }

    /// Releases held events, and keeps their text.
    fn release(&mut self, out: &mut Segments) {
        let withheld = std::mem::take(&mut self.withheld);
        out.append(withheld.events);
        self.has_role |= withheld.has_role;
        if withheld.text.is_empty() {
            return;
        }
        let literal = [b"\"", &*withheld.text, b"\""].concat();
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
