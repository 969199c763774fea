//! Encodes an answer for the client: tracks what the client has received, and writes the end of an interrupted
//! answer.
//!
//! Clients of the Messages and Responses APIs count blocks, items and sequence numbers over the whole answer.
//! So one encoder follows all that they receive. It alone knows how more can be added: a continuation from
//! another stream, an error, a finish. Chat has no such numbers; the continuation of a chat answer is adapted
//! by `routing::continuation`.

use bytes::Bytes;

use super::translator::build_echo;
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::error::ErrorBody;
use crate::protocol::memory_budget::{BudgetExceeded, MemoryReservation};
use crate::protocol::object::ObjectView;
use crate::protocol::template_learner::{SingleDelta, TemplateLearner};
use crate::protocol::translate::decoder::Decoder;
use crate::protocol::translate::encoder::Encoder;
use crate::protocol::translate::event::ResponseEvent;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, summarize_attempts};
use crate::routing::attempt::RequestExecution;
use crate::routing::body_buffer;
use crate::routing::continuation::{frame_reader, read_frames};
use crate::routing::request_bodies::ClientBody;

/// See the module.
#[derive(Debug)]
pub(in crate::routing) struct ClientEncoder {
    /// `None` for chat.
    encoder: Option<Encoder>,
    /// What comes is more of the answer, as chat, and this reads it.
    continuation_decoder: Option<Box<Decoder>>,
    /// What the encoder keeps takes this.
    reservation: MemoryReservation,
    /// There was not enough memory for it.
    has_lost_state: bool,
    /// Events from which the encoder learns nothing.
    template_learner: TemplateLearner,
}

impl ClientEncoder {
    /// Nothing was said.
    pub(in crate::routing) fn new(run: &RequestExecution) -> Self {
        let body = run.bodies.client_body();
        let (encoder, template_learner) =
            (|| Encoder::new(body.api, build_echo(run.request.id, body)), TemplateLearner::default());
        Self {
            encoder: (body.api != Api::ChatCompletions).then(encoder),
            continuation_decoder: None,
            reservation: run.new_reservation(),
            has_lost_state: false,
            template_learner,
        }
    }

    /// Whether more can be added to the answer: only an encoder that knows all of it can write its end.
    pub(super) const fn can_continue(&self) -> bool {
        !self.has_lost_state
    }

    /// From here on, what arrives continues the answer, as chat. `said` is the request as it was sent for that.
    pub(super) fn start_continuation(&mut self, said: Option<&ClientBody<'_>>) {
        if let Some(encoder) = &mut self.encoder {
            self.continuation_decoder.get_or_insert_with(|| Box::new(Decoder::new(Api::ChatCompletions)));
            if let Some(names) = said.and_then(ClientBody::namespaced) {
                encoder.add_tool_namespaces(names);
            }
        }
    }

    /// What the client gets of these events.
    ///
    /// # Errors
    /// When there is not enough memory for what a continued answer must keep. An answer that only passes
    /// through needs none.
    pub(super) fn encode(&mut self, out: Segments) -> Result<Segments, BudgetExceeded> {
        let Some(encoder) = &mut self.encoder else { return Ok(out) };
        let Some(decoder) = &mut self.continuation_decoder else {
            observe_events(encoder, &mut self.template_learner, &out);
            if !self.has_lost_state
                && body_buffer::reserve(&mut self.reservation, encoder.buffered_bytes()).is_err()
            {
                encoder.drop_buffer();
                self.has_lost_state = true;
                // Giving back never fails.
                let _ = self.reservation.resize(0);
            }
            return Ok(out);
        };
        let (mut events, mut text) = (Vec::new(), Vec::new());
        for frame in read_frames(&out) {
            match frame.data() {
                Some(payload) => decoder.read_payload(&payload, &mut events),
                None => text.extend_from_slice(&frame.raw),
            }
            for event in events.drain(..) {
                encoder.write(&event, &mut text);
            }
        }
        body_buffer::reserve(&mut self.reservation, encoder.buffered_bytes())?;
        Ok(Segments::from_bytes(text.into()))
    }

    /// The end of an answer that went on, or whose limit is used up: what is missing of it, where that is not chat.
    pub(super) fn encode_end(&mut self, usage: TokenUsage) -> Bytes {
        let mut text = Vec::new();
        if let Some(encoder) = &mut self.encoder {
            encoder.write(&ResponseEvent::Usage(usage), &mut text);
            encoder.finish(&mut text);
        }
        text.into()
    }

    /// The end of an answer that failed. `again`: it had begun, and another target may answer the same request.
    pub(super) fn encode_error(
        &mut self,
        message: &str,
        reason: Reason,
        attempts: &[Attempt],
        again: bool,
    ) -> Bytes {
        let attempts = summarize_attempts(attempts);
        let (kind, code) = (reason.as_str(), Some(reason.as_str()));
        let error = ErrorBody {
            message,
            kind,
            code,
            attempts: &attempts,
            is_retryable: again,
            ..ErrorBody::default()
        };
        match &mut self.encoder {
            None => error.render_chat_stream_end(),
            Some(encoder) => {
                let mut text = Vec::new();
                encoder.fail(&error, &mut text);
                text.into()
            }
        }
    }
}

/// Lets the encoder learn from events that go to the client without it.
fn observe_events(encoder: &mut Encoder, alike: &mut TemplateLearner, out: &Segments) {
    let mut reader = frame_reader(out.to_bytes());
    loop {
        while let Some(event) = alike.template().and_then(|pattern| reader.match_template(pattern)) {
            reader.skip_match(&event);
            alike.record_hit();
        }
        let last = reader.next_frame().ok().flatten();
        let Some(frame) = last.or_else(|| reader.finish()) else { return };
        let Some(payload) = frame.data() else { continue };
        encoder.observe_payload(&payload);
        // It keeps all that a Responses answer says, and of a message only which blocks there are.
        if encoder.encodes(Api::Messages)
            && alike.can_learn(&frame)
            && let Some(event) = ObjectView::parse(&payload)
        {
            alike.learn(&frame, SingleDelta::from_messages_event(&event).as_ref());
        }
    }
}
