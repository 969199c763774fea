//! Translates one target's output to the API format in which it is passed on: the client's, or chat for a
//! continuation.
//!
//! Output that is already in that format is passed on byte for byte. Other events are decoded and encoded
//! again.

use std::time::SystemTime;

use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::request::RequestBody;
use crate::protocol::translate::decoder::Decoder;
use crate::protocol::translate::echo::RequestEcho;
use crate::protocol::translate::encoder::Encoder;
use crate::protocol::translate::event::ResponseEvent;
use crate::protocol::usage::TokenUsage;
use crate::record::RequestId;
use crate::routing::continuation::read_frames;
use crate::routing::request_bodies::ClientBody;

/// See the module.
#[derive(Debug)]
pub(super) struct ResponseTranslator {
    target_api: Api,
    client_api: Api,
    /// Where the two differ.
    transcoder: Option<Box<Transcoder>>,
}

#[derive(Debug)]
struct Transcoder {
    decoder: Decoder,
    encoder: Encoder,
    /// The target has reported its usage.
    has_sent_usage: bool,
}

/// What an answer in the client's API format repeats of its request.
pub(in crate::routing) fn build_echo(request_id: RequestId, body: &RequestBody) -> RequestEcho {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut echo = RequestEcho::from_request(body);
    echo.id = request_id.to_string();
    echo.created_at = since.as_secs();
    echo
}

/// The same, where tools were sent under other names.
pub(in crate::routing) fn add_tool_names(mut echo: RequestEcho, said: &ClientBody<'_>) -> RequestEcho {
    echo.tool_namespaces = said.namespaced().cloned().unwrap_or_default();
    echo
}

/// The encoder of a translated answer. `prompt` is the approximate size of the request, in tokens.
pub(super) fn new_encoder(to: Api, echo: RequestEcho, prompt: u64) -> Encoder {
    let mut encoder = Encoder::new(to, echo);
    // The Messages format reports the prompt in its first event, others at the end. Until then it is our
    // estimate.
    let guess = TokenUsage { input: prompt, is_estimated: true, ..TokenUsage::default() };
    encoder.write(&ResponseEvent::Usage(guess), &mut Vec::new());
    encoder
}

impl ResponseTranslator {
    /// Of a target that speaks `from`; `encoder` writes `to`.
    pub(super) fn new(target_api: Api, client_api: Api, encoder: impl FnOnce() -> Encoder) -> Self {
        let transcoder = (target_api != client_api).then(|| {
            Box::new(Transcoder {
                decoder: Decoder::new(target_api),
                encoder: encoder(),
                has_sent_usage: false,
            })
        });
        Self { target_api, client_api, transcoder }
    }

    /// Whether what is heard is written anew.
    pub(super) const fn is_translated(&self) -> bool {
        self.transcoder.is_some()
    }

    /// Bytes that are kept of what it said.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.transcoder.as_ref().map_or(0, |anew| anew.encoder.buffered_bytes())
    }

    /// The target's whole events.
    pub(super) fn translate(&mut self, out: Segments) -> Segments {
        match &mut self.transcoder {
            None => out,
            Some(anew) => anew.transcode(&out),
        }
    }

    /// The target's answer is complete: returns what is missing of it. `usage` is for a target that reported
    /// none.
    pub(super) fn translate_end(&mut self, usage: Option<TokenUsage>) -> Segments {
        let Some(Transcoder { decoder, encoder, has_sent_usage: told_usage }) =
            self.transcoder.as_deref_mut()
        else {
            return Segments::default();
        };
        let (mut events, mut text) = (Vec::new(), Vec::new());
        decoder.end(&mut events);
        *told_usage |= write_events(encoder, &mut events, &mut text);
        if let Some(usage) = usage.filter(|_| !*told_usage) {
            encoder.write(&ResponseEvent::Usage(usage), &mut text);
        }
        encoder.finish(&mut text);
        Segments::from_bytes(text.into())
    }

    /// Text that was held back when the answer broke, as chat: what comes before it may be held back from the client.
    pub(super) fn translate_withheld(&mut self, leftover: Segments) -> Segments {
        match self.client_api {
            _ if leftover.is_empty() => leftover,
            Api::ChatCompletions => self.translate(leftover),
            _ => Self::new(self.target_api, Api::ChatCompletions, || {
                Encoder::new(Api::ChatCompletions, RequestEcho::default())
            })
            .translate(leftover),
        }
    }
}

impl Transcoder {
    fn transcode(&mut self, out: &Segments) -> Segments {
        let (mut events, mut text) = (Vec::new(), Vec::new());
        for frame in read_frames(out) {
            match frame.data() {
                Some(payload) => self.decoder.read_payload(&payload, &mut events),
                // A comment keeps the client waiting, in every API format.
                None if frame.event_name().is_none() => text.extend_from_slice(&frame.raw),
                None => {}
            }
            self.has_sent_usage |= write_events(&mut self.encoder, &mut events, &mut text);
        }
        Segments::from_bytes(text.into())
    }
}

/// Writes events; returns whether the usage was among them.
fn write_events(encoder: &mut Encoder, events: &mut Vec<ResponseEvent>, text: &mut Vec<u8>) -> bool {
    let mut told_usage = false;
    for event in events.drain(..) {
        told_usage |= matches!(event, ResponseEvent::Usage(_));
        encoder.write(&event, text);
    }
    told_usage
}
