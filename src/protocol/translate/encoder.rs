//! Converts events to the response for the client in its API format, without delay.

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

/// Writes one streamed response, as whole frames.
///
/// It writes all of it, or takes over after frames of another writer ([`Self::observe_payload`]). An [`ResponseEvent::Start`] in
/// the middle means that another provider continues the response. Its calls are counted from 0 again, and text
/// continues in the open block.
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
    /// For a client of this API format.
    #[must_use]
    pub fn new(face: Api, echo: RequestEcho) -> Self {
        let inner = match face {
            Api::ChatCompletions => ApiEncoder::ChatCompletions(Box::new(chat::ChatEncoder::new(echo))),
            Api::Messages => ApiEncoder::Messages(Box::new(messages::MessagesEncoder::new(echo))),
            Api::Responses => ApiEncoder::Responses(Box::new(responses::ResponsesEncoder::new(echo))),
        };
        Self { inner }
    }

    /// Adds namespaced tool names: namespace and name by the sent name. They are needed when the provider that
    /// continues received another form of the request.
    pub fn add_tool_namespaces(&mut self, namespaced: &BTreeMap<String, (String, String)>) {
        if let ApiEncoder::Responses(writer) = &mut self.inner {
            writer.add_tool_namespaces(namespaced);
        }
    }

    /// Writes the frames for an event.
    pub fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.write(event, out),
            ApiEncoder::Messages(writer) => writer.write(event, out),
            ApiEncoder::Responses(writer) => writer.write(event, out),
        }
    }

    /// Ends the response: closes open blocks, writes the finish and the usage. Nothing may follow; further
    /// calls write nothing.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.finish(out),
            ApiEncoder::Messages(writer) => writer.finish(out),
            ApiEncoder::Responses(writer) => writer.finish(out),
        }
    }

    /// Ends an interrupted response with an error. After the end of a response it writes nothing.
    pub fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.fail(error, out),
            ApiEncoder::Messages(writer) => writer.fail(error, out),
            ApiEncoder::Responses(writer) => writer.fail(error, out),
        }
    }

    /// Observes the payload of a frame in its own format that was forwarded to the client directly.
    pub fn observe_payload(&mut self, payload: &[u8]) {
        match &mut self.inner {
            ApiEncoder::ChatCompletions(writer) => writer.observe_payload(payload),
            ApiEncoder::Messages(writer) => writer.observe_payload(payload),
            ApiEncoder::Responses(writer) => writer.observe_payload(payload),
        }
    }

    /// Whether it writes this API format.
    #[must_use]
    pub const fn encodes(&self, face: Api) -> bool {
        matches!(
            (&self.inner, face),
            (ApiEncoder::ChatCompletions(_), Api::ChatCompletions)
                | (ApiEncoder::Messages(_), Api::Messages)
                | (ApiEncoder::Responses(_), Api::Responses)
        )
    }

    /// Bytes buffered of the response. For Responses that is all content, which the last event repeats;
    /// otherwise only pending parallel calls.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        match &self.inner {
            ApiEncoder::ChatCompletions(_) => 0,
            ApiEncoder::Messages(writer) => writer.buffered_bytes(),
            ApiEncoder::Responses(writer) => writer.buffered_bytes(),
        }
    }

    /// Stops buffering forwarded content and drops the buffer, so an end written later has no items. Numbers,
    /// ids and open blocks stay known.
    pub fn drop_buffer(&mut self) {
        if let ApiEncoder::Responses(writer) = &mut self.inner {
            writer.drop_buffer();
        }
    }

    /// A keep-alive for a client of this API format, valid between any two frames.
    #[must_use]
    pub const fn keep_alive(face: Api) -> &'static [u8] {
        match face {
            Api::ChatCompletions | Api::Responses => b": keep-alive\n\n",
            Api::Messages => b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
        }
    }
}

/// The body of a whole response.
pub(super) fn encode_response(events: &[ResponseEvent], face: Api, echo: &RequestEcho) -> Vec<u8> {
    match face {
        Api::ChatCompletions => chat::encode_response(events, echo),
        Api::Messages => messages::encode_response(events, echo),
        Api::Responses => responses::encode_response(events, echo),
    }
}
