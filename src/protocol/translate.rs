//! Translation between APIs: requests through a common model of a conversation, responses through common events.
//!
//! Each API is read into the model and written from it, so six converters suffice instead of nine.

use bytes::Bytes;

use super::api::Api;
use super::chat::decoder::ChatDecoder;
use super::chat::encoder::ChatEncoder;
use super::codec::emitter::EventEmitter;
use super::codec::{ApiDecoder, ApiEncoder};
use super::error::ErrorBody;
use super::messages::decoder::MessagesDecoder;
use super::messages::encoder::MessagesEncoder;
use super::model::answer::{RequestEcho, ResponseEvent};
use super::model::client_tools::ClientTools;
use super::model::losses::{self, Losses};
use super::model::seal::{SealOrigin, SealedTurn};
use super::model::{CacheControlSupport, TranslationError};
use super::request::RequestBody;
use super::responses::decoder::ResponsesDecoder;
use super::responses::encoder::ResponsesEncoder;
use super::{chat, messages, responses};

/// A request in another API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranslatedRequest {
    /// The whole body. It is deterministic: the same conversation, or the same prefix of one, gives the same
    /// bytes.
    pub body: Bytes,
    /// Names of rows of [`LOSSES`](super::model::losses::LOSSES): what the target's format cannot express. Each once, in the order
    /// found.
    pub losses: Vec<&'static str>,
    /// Tools that were sent as other functions, to restore them in the response's calls.
    pub client_tools: ClientTools,
}

/// Where a translated request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranslationTarget {
    /// The target's API.
    pub api: Api,
    /// The model's largest output: the Messages API requires a limit, and not every client of another API sends one.
    pub default_max_tokens: Option<u64>,
    /// Whose sealed reasoning it accepts.
    pub seal_origin: SealOrigin,
    /// What it does with `cache_control`.
    pub cache_control: CacheControlSupport,
    /// Whether it takes OpenRouter's own fields: routing, and images of the assistant.
    pub is_openrouter: bool,
}

/// Translates a request to another API.
///
/// # Errors
/// When a part has a type unknown to its format, or content that the model must see cannot be expressed
/// (omissions that are allowed are in [`LOSSES`](super::model::losses::LOSSES)).
pub fn translate_request(
    body: &RequestBody,
    target: &TranslationTarget,
) -> Result<TranslatedRequest, TranslationError> {
    translate_request_with_turns(body, target, &|_| None)
}

/// Like [`translate_request`]. `find_sealed_turn` finds an answer of the target by the ids of its calls, whose sealed
/// reasoning the client did not return.
///
/// # Errors
/// As [`translate_request`].
pub fn translate_request_with_turns(
    body: &RequestBody,
    target: &TranslationTarget,
    find_sealed_turn: &dyn Fn(&[&str]) -> Option<SealedTurn>,
) -> Result<TranslatedRequest, TranslationError> {
    let mut losses = Losses::default();
    let mut conversation = match body.api {
        Api::ChatCompletions => chat::read_request::read(body, &mut losses)?,
        Api::Messages => messages::read_request::read(body, &mut losses)?,
        Api::Responses => responses::read_request::read(body, &mut losses)?,
    };
    conversation.restore_sealed_turns(find_sealed_turn);
    conversation.open_seals(&target.seal_origin, &mut losses);
    conversation.normalize(&mut losses);
    conversation.adapt_cache_marks(target.cache_control, body.api != Api::Messages, &mut losses);
    if !target.is_openrouter {
        losses.record_if(
            conversation.parameters.routing.iter().any(|(_, value)| !losses::is_idle(value)),
            losses::ROUTING,
        );
        conversation.parameters.routing.clear();
    }
    if !(target.is_openrouter && target.api == Api::ChatCompletions) {
        conversation.remove_assistant_images(&mut losses);
    }
    if (body.api == Api::Messages) != (target.api == Api::Messages) && conversation.has_stored_files() {
        let why = "refers to a file that another provider stores; send its content";
        return Err(TranslationError::new(why).within("file_id"));
    }
    let written = match target.api {
        Api::ChatCompletions => chat::write_request::write(&conversation, &mut losses),
        Api::Messages => {
            messages::write_request::write(&conversation, target.default_max_tokens, &mut losses)
        }
        Api::Responses => responses::write_request::write(&conversation, &mut losses),
    };
    Ok(TranslatedRequest {
        body: written.into(),
        losses: losses.into_names(),
        client_tools: conversation.client_tools(),
    })
}

/// Reads one response: the payloads of its frames in order, or its whole body. Unknown parts are skipped and it
/// never fails: validity and completeness are checked before.
#[derive(Debug)]
pub struct Decoder {
    format: Box<dyn ApiDecoder>,
    emitter: EventEmitter,
}

impl Decoder {
    /// For a response of this API.
    #[must_use]
    pub fn new(api: Api) -> Self {
        let format: Box<dyn ApiDecoder> = match api {
            Api::ChatCompletions => Box::new(ChatDecoder::default()),
            Api::Messages => Box::new(MessagesDecoder::default()),
            Api::Responses => Box::new(ResponsesDecoder::default()),
        };
        Self { format, emitter: EventEmitter::default() }
    }

    /// Reads the payload of one frame (its `data`).
    pub fn read_payload(&mut self, payload: &[u8], out: &mut Vec<ResponseEvent>) {
        self.emit(out, |format, emitter| format.read_payload(payload, emitter));
    }

    /// Ends a complete response: emits pending events and the [`ResponseEvent::Finish`]. Do not call it for an
    /// interrupted response. Further calls do nothing.
    pub fn end(&mut self, out: &mut Vec<ResponseEvent>) {
        self.emit(out, |format, emitter| format.end(emitter));
    }

    /// Names of rows of [`LOSSES`](super::model::losses::LOSSES): what the events so far do not carry of the response.
    #[must_use]
    pub fn losses(&self) -> &[&'static str] {
        self.emitter.losses.names()
    }

    fn emit(
        &mut self,
        out: &mut Vec<ResponseEvent>,
        read: impl FnOnce(&mut dyn ApiDecoder, &mut EventEmitter),
    ) {
        if !self.emitter.has_ended() {
            std::mem::swap(out, &mut self.emitter.events);
            read(&mut *self.format, &mut self.emitter);
            std::mem::swap(out, &mut self.emitter.events);
        }
    }
}

/// Writes one streamed response, as whole frames.
///
/// It writes all of it, or takes over after frames of another writer ([`Self::observe_payload`]). A
/// [`ResponseEvent::Start`] in the middle means that another provider continues the response. Its calls are counted
/// from 0 again, and text continues in the open block.
#[derive(Debug)]
pub struct Encoder(Box<dyn ApiEncoder>);

impl Encoder {
    /// For a client of this API.
    #[must_use]
    pub fn new(api: Api, echo: RequestEcho) -> Self {
        match api {
            Api::ChatCompletions => Self(Box::new(ChatEncoder::new(echo))),
            Api::Messages => Self(Box::new(MessagesEncoder::new(echo))),
            Api::Responses => Self(Box::new(ResponsesEncoder::new(echo))),
        }
    }

    /// Adds tools that were sent as other functions, when the provider that continues received another form of the
    /// request.
    pub fn add_client_tools(&mut self, tools: &ClientTools) {
        self.0.add_client_tools(tools);
    }

    /// Writes the frames for an event.
    pub fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        self.0.write(event, out);
    }

    /// Ends the response: closes open blocks, writes the finish and the usage. Nothing may follow; further
    /// calls write nothing.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.0.finish(out);
    }

    /// Ends an interrupted response with an error. After the end of a response it writes nothing.
    pub fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        self.0.fail(error, out);
    }

    /// Observes the payload of a frame in its own format that was forwarded to the client directly.
    pub fn observe_payload(&mut self, payload: &[u8]) {
        self.0.observe_payload(payload);
    }

    /// Bytes buffered of the response. For Responses that is all content, which the last event repeats;
    /// otherwise only pending parallel calls.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.0.buffered_bytes()
    }

    /// Stops buffering forwarded content and drops the buffer, so an end written later has no items. Numbers,
    /// ids and open blocks stay known.
    pub fn drop_buffer(&mut self) {
        self.0.drop_buffer();
    }

    /// A keep-alive for a client of this API, valid between any two frames.
    #[must_use]
    pub const fn keep_alive(api: Api) -> &'static [u8] {
        match api {
            Api::ChatCompletions | Api::Responses => b": keep-alive\n\n",
            Api::Messages => b"event: ping\ndata: {\"type\":\"ping\"}\n\n",
        }
    }
}

/// The events of a whole response of this API. An invalid body has no events.
#[must_use]
pub fn decode_response(api: Api, body: &[u8]) -> Vec<ResponseEvent> {
    decode_response_with_losses(api, body).0
}

/// Like [`decode_response`], with what the events do not carry, see [`Decoder::losses`].
#[must_use]
pub fn decode_response_with_losses(api: Api, body: &[u8]) -> (Vec<ResponseEvent>, Vec<&'static str>) {
    let mut events = Vec::new();
    let mut decoder = Decoder::new(api);
    decoder.emit(&mut events, |format, emitter| format.read_body(body, emitter));
    decoder.end(&mut events);
    (events, decoder.losses().to_vec())
}

/// The body of a whole response.
#[must_use]
pub fn encode_response(events: &[ResponseEvent], api: Api, echo: &RequestEcho) -> Bytes {
    let body = match api {
        Api::ChatCompletions => chat::encoder::encode_response(events, echo),
        Api::Messages => messages::encoder::encode_response(events, echo),
        Api::Responses => responses::encoder::encode_response(events, echo),
    };
    body.into()
}

#[cfg(test)]
mod tests;
