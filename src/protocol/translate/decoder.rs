//! Answers as they come from a provider, in any face, become events.

mod chat;
mod emitter;
mod messages;
mod responses;

use super::event::ResponseEvent;
use crate::protocol::api::Api;

/// Reads one answer: the payloads of its frames in order, or its whole body. What it does not know it passes over, and
/// nothing makes it fail: whether an answer is one at all, and whether it is complete, is judged before.
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
    /// For an answer of this face.
    #[must_use]
    pub fn new(face: Api) -> Self {
        let inner = match face {
            Api::ChatCompletions => ApiDecoder::ChatCompletions(chat::ChatDecoder::default()),
            Api::Messages => ApiDecoder::Messages(messages::MessagesDecoder::default()),
            Api::Responses => ApiDecoder::Responses(Box::default()),
        };
        Self { inner }
    }

    /// Takes the payload of one frame (its `data`).
    pub fn read_payload(&mut self, payload: &[u8], out: &mut Vec<ResponseEvent>) {
        match &mut self.inner {
            ApiDecoder::ChatCompletions(reader) => reader.read_payload(payload, out),
            ApiDecoder::Messages(reader) => reader.read_payload(payload, out),
            ApiDecoder::Responses(reader) => reader.read_payload(payload, out),
        }
    }

    /// Takes a whole body.
    pub(super) fn read_body(&mut self, body: &[u8], out: &mut Vec<ResponseEvent>) {
        match &mut self.inner {
            // A whole chat answer has a message where a chunk has a delta.
            ApiDecoder::ChatCompletions(reader) => reader.read_payload(body, out),
            ApiDecoder::Messages(reader) => reader.read_body(body, out),
            ApiDecoder::Responses(reader) => reader.read_body(body, out),
        }
        self.end(out);
    }

    /// The answer has ended as its provider meant it to: what waited comes, and the [`Event::Finish`] that it gave. Not
    /// to be called for an answer that broke off. Again, it does nothing.
    pub fn end(&mut self, out: &mut Vec<ResponseEvent>) {
        match &mut self.inner {
            ApiDecoder::ChatCompletions(reader) => reader.end(out),
            ApiDecoder::Messages(reader) => reader.end(out),
            ApiDecoder::Responses(reader) => reader.end(out),
        }
    }
}
