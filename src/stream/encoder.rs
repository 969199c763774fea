//! Encodes a response for the client: tracks what the client has received, and writes the end of an interrupted
//! response.
//!
//! Clients of the Messages and Responses APIs count blocks, items and sequence numbers over the whole response.
//! So one encoder follows all that they receive. It alone knows how more can be added: a continuation from
//! another stream, an error, a finish. Chat Completions has no such numbers; [`super::splice`] adapts its
//! continuation.

use bytes::Bytes;

use super::chunks::reserve;
use super::splice::read_frames;
use crate::failure::Reason;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::error::ErrorBody;
use crate::protocol::memory_budget::{BudgetExceeded, MemoryReservation};
use crate::protocol::model::answer::RequestEcho;
use crate::protocol::model::answer::ResponseEvent;
use crate::protocol::model::client_tools::ClientTools;
use crate::protocol::translate::Decoder;
use crate::protocol::translate::Encoder;
use crate::protocol::usage::TokenUsage;
use crate::record::{Attempt, summarize_attempts};

/// Encodes one response.
#[derive(Debug)]
pub struct ClientEncoder {
    /// `None` for Chat Completions.
    encoder: Option<Encoder>,
    /// Reads the continuation of the response, which is Chat Completions.
    continuation_decoder: Option<Box<Decoder>>,
    /// The memory of what the encoder keeps.
    reservation: MemoryReservation,
    /// There was not enough memory for it.
    has_lost_state: bool,
}

impl ClientEncoder {
    /// Creates the encoder of a response without events.
    pub fn new(api: Api, echo: impl FnOnce() -> RequestEcho, reservation: MemoryReservation) -> Self {
        Self {
            encoder: (api != Api::ChatCompletions).then(|| Encoder::new(api, echo())),
            continuation_decoder: None,
            reservation,
            has_lost_state: false,
        }
    }

    /// Whether the response can be continued: only an encoder that knows all of it can write its end.
    #[must_use]
    pub const fn can_continue(&self) -> bool {
        !self.has_lost_state
    }

    /// From here on, events continue the response as Chat Completions.
    pub fn start_continuation(&mut self, client_tools: Option<&ClientTools>) {
        if let Some(encoder) = &mut self.encoder {
            self.continuation_decoder.get_or_insert_with(|| Box::new(Decoder::new(Api::ChatCompletions)));
            if let Some(tools) = client_tools {
                encoder.add_client_tools(tools);
            }
        }
    }

    /// Encodes events for the client.
    ///
    /// # Errors
    /// When there is not enough memory for the state of a continued response. A response that passes through
    /// needs none.
    pub fn encode(&mut self, out: Segments) -> Result<Segments, BudgetExceeded> {
        let Some(encoder) = &mut self.encoder else { return Ok(out) };
        let Some(decoder) = &mut self.continuation_decoder else {
            self.observe(&out);
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
        reserve(&mut self.reservation, encoder.buffered_bytes())?;
        Ok(Segments::from_bytes(text.into()))
    }

    /// Learns from events that are sent to the client as they are.
    fn observe(&mut self, out: &Segments) {
        let Some(encoder) = self.encoder.as_mut().filter(|_| !self.has_lost_state) else { return };
        for frame in read_frames(out) {
            if let Some(payload) = frame.data() {
                encoder.observe_payload(&payload);
            }
        }
        if reserve(&mut self.reservation, encoder.buffered_bytes()).is_err() {
            encoder.drop_buffer();
            self.has_lost_state = true;
            // Reducing a reservation never fails.
            let _ = self.reservation.resize(0);
        }
    }

    /// The end of a response that was continued, or whose output limit is used up. Empty for Chat Completions.
    pub fn encode_end(&mut self, usage: TokenUsage) -> Bytes {
        let mut text = Vec::new();
        if let Some(encoder) = &mut self.encoder {
            encoder.write(&ResponseEvent::Usage(usage), &mut text);
            encoder.finish(&mut text);
        }
        text.into()
    }

    /// The end of a response that failed. `is_retryable`: the same request may succeed.
    pub fn encode_error(
        &mut self,
        message: &str,
        reason: Reason,
        attempts: &[Attempt],
        is_retryable: bool,
    ) -> Bytes {
        let attempts = summarize_attempts(attempts);
        let (kind, code) = (reason.as_str(), Some(reason.as_str()));
        let error =
            ErrorBody { message, kind, code, attempts: &attempts, is_retryable, ..ErrorBody::default() };
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
