//! Converts provider responses of any API format to events.

mod chat;
mod emitter;
mod messages;
mod responses;

use super::event::ResponseEvent;
use crate::protocol::api::Api;

/// Reads one response: the payloads of its frames in order, or its whole body. Unknown parts are skipped and it
/// never fails: validity and completeness are checked before.
#[derive(Debug)]
pub struct Decoder {
    inner: ApiDecoder,
}

#[derive(Debug)]
enum ApiDecoder {
    ChatCompletions(chat::ChatDecoder),
    Messages(messages::MessagesDecoder),
    Responses(Box<responses::ResponsesDecoder>),
}

impl Decoder {
    /// For a response of this API format.
    #[must_use]
    pub fn new(face: Api) -> Self {
        let inner = match face {
            Api::ChatCompletions => ApiDecoder::ChatCompletions(chat::ChatDecoder::default()),
            Api::Messages => ApiDecoder::Messages(messages::MessagesDecoder::default()),
            Api::Responses => ApiDecoder::Responses(Box::default()),
        };
        Self { inner }
    }

    /// Reads the payload of one frame (its `data`).
    pub fn read_payload(&mut self, payload: &[u8], out: &mut Vec<ResponseEvent>) {
        match &mut self.inner {
            ApiDecoder::ChatCompletions(reader) => reader.read_payload(payload, out),
            ApiDecoder::Messages(reader) => reader.read_payload(payload, out),
            ApiDecoder::Responses(reader) => reader.read_payload(payload, out),
        }
    }

    /// Reads a whole body.
    pub(super) fn read_body(&mut self, body: &[u8], out: &mut Vec<ResponseEvent>) {
        match &mut self.inner {
            // A whole chat response has a message where a chunk has a delta.
            ApiDecoder::ChatCompletions(reader) => reader.read_payload(body, out),
            ApiDecoder::Messages(reader) => reader.read_body(body, out),
            ApiDecoder::Responses(reader) => reader.read_body(body, out),
        }
        self.end(out);
    }

    /// Ends a complete response: emits pending events and the [`ResponseEvent::Finish`]. Do not call it for an
    /// interrupted response. Further calls do nothing.
    pub fn end(&mut self, out: &mut Vec<ResponseEvent>) {
        match &mut self.inner {
            ApiDecoder::ChatCompletions(reader) => reader.end(out),
            ApiDecoder::Messages(reader) => reader.end(out),
            ApiDecoder::Responses(reader) => reader.end(out),
        }
    }
}
