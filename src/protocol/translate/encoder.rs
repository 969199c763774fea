//! Events become the answer that a client expects, in its face, at once.

mod arguments;
mod chat;
mod messages;
mod primitives;
mod responses;
mod sequencer;

use std::collections::BTreeMap;

use super::echo::RequestEcho;
use super::event::ResponseEvent;
use crate::protocol::api::Api;
use crate::protocol::error::ErrorBody;

/// Writes one streamed answer, as whole frames.
///
/// It may write all of it, or take over where another's frames ended ([`Self::follow`]). An [`Event::Start`] in the
/// middle tells that another provider goes on with the answer: calls are counted from 0 again there, text goes on in the
/// block that is open.
#[derive(Debug)]
pub struct Encoder {
    inner: ApiEncoder,
}

#[derive(Debug)]
enum ApiEncoder {
    ChatCompletions(Box<chat::ChatEncoder>),
    Messages(Box<messages::MessagesEncoder>),
    Responses(Box<responses::ResponsesEncoder>),
}

impl Encoder {
    /// For a client of this face.
    #[must_use]
    pub fn new(face: Api, echo: RequestEcho) -> Self {
        let inner = match face {
            Api::ChatCompletions => ApiEncoder::ChatCompletions(Box::new(chat::ChatEncoder::new(echo))),
            Api::Messages => ApiEncoder::Messages(Box::new(messages::MessagesEncoder::new(echo))),
            Api::Responses => ApiEncoder::Responses(Box::new(responses::ResponsesEncoder::new(echo))),
        };
        Self { inner }
    }

    /// From here on the calls may bear these names too: namespace and name by the name that was sent. They are known only
    /// when a provider goes on that was sent another form of the request.
    pub fn add_tool_namespaces(&mut self, namespaced: &BTreeMap<String, (String, String)>) {
        if let ApiEncoder::Responses(writer) = &mut self.inner {
            writer.add_tool_namespaces(namespaced);
        }
    }

    /// Writes what an event leads to.
    pub fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.write(event, out),
            ApiEncoder::Messages(writer) => writer.write(event, out),
            ApiEncoder::Responses(writer) => writer.write(event, out),
        }
    }

    /// Ends the answer: what is open is closed, the finish and the usage are told. Nothing may follow, and again it
    /// writes nothing.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.finish(out),
            ApiEncoder::Messages(writer) => writer.finish(out),
            ApiEncoder::Responses(writer) => writer.finish(out),
        }
    }

    /// Ends an answer that broke, with an error. After an answer that has ended it writes nothing.
    pub fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.fail(error, out),
            ApiEncoder::Messages(writer) => writer.fail(error, out),
            ApiEncoder::Responses(writer) => writer.fail(error, out),
        }
    }

    /// Learns from the payload of a frame of its own face that went to the client without it.
    pub fn observe_payload(&mut self, payload: &[u8]) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.observe_payload(payload),
            ApiEncoder::Messages(writer) => writer.observe_payload(payload),
            ApiEncoder::Responses(writer) => writer.observe_payload(payload),
        }
    }

    /// Whether it writes this face.
    #[must_use]
    pub const fn encodes(&self, face: Api) -> bool {
        matches!(
            (&self.inner, face),
            (ApiEncoder::ChatCompletions(_), Api::ChatCompletions)
                | (ApiEncoder::Messages(_), Api::Messages)
                | (ApiEncoder::Responses(_), Api::Responses)
        )
    }

    /// Bytes that it keeps of the answer: with responses all that was said, as the last event has it again; else what
    /// waits of parallel calls.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        match &self.inner {
            ApiEncoder::ChatCompletions(_) => 0,
            ApiEncoder::Messages(writer) => writer.buffered_bytes(),
            ApiEncoder::Responses(writer) => writer.buffered_bytes(),
        }
    }

    /// Keeps nothing of what others write from here on, and drops what it kept: the end it may have to write has no
    /// items. Numbers, ids and what is open stay known.
    pub fn drop_buffer(&mut self) {
        if let ApiEncoder::Responses(writer) = &mut self.inner {
            writer.drop_buffer();
        }
    }

    /// What keeps a client of this face waiting. It may stand between any two frames.
    #[must_use]
    pub const fn keep_alive(face: Api) -> &'static [u8] {
        match face {
            Api::ChatCompletions | Api::Responses => b": keep-alive\n\n",
            Api::Messages => b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
        }
    }
}

/// The body of a whole answer.
pub(super) fn encode_response(events: &[ResponseEvent], face: Api, echo: &RequestEcho) -> Vec<u8> {
    match face {
        Api::ChatCompletions => chat::encode_response(events, echo),
        Api::Messages => messages::encode_response(events, echo),
        Api::Responses => responses::encode_response(events, echo),
    }
}
