//! Translates one target's events to the API in which they are passed on: the client's, or Chat Completions for
//! a continuation.
//!
//! Events that are already in that API are passed on byte for byte. Others are decoded and encoded again.

use std::time::SystemTime;

use super::splice::read_frames;
use crate::protocol::api::Api;
use crate::protocol::edit::Segments;
use crate::protocol::model::answer::RequestEcho;
use crate::protocol::model::answer::ResponseEvent;
use crate::protocol::model::client_tools::ClientTools;
use crate::protocol::model::seal::SealedTurn;
use crate::protocol::request::RequestBody;
use crate::protocol::translate::Decoder;
use crate::protocol::translate::Encoder;
use crate::protocol::usage::TokenUsage;
use crate::record::RequestId;

/// A longer turn is not kept: no model thinks that much between two calls.
const MAX_SEALED_TURN_BYTES: usize = 1 << 20;

/// Translates the events of one target.
#[derive(Debug)]
pub struct ResponseTranslator {
    target_api: Api,
    client_api: Api,
    /// If the two differ, or the request had tools in another form.
    transcoder: Option<Box<Transcoder>>,
}

#[derive(Debug)]
struct Transcoder {
    decoder: Decoder,
    encoder: Encoder,
    /// The target has reported its usage.
    has_sent_usage: bool,
    /// What the client's next request may need of the answer.
    sealed_turn: Option<SealedTurn>,
}

/// What a response in the client's API repeats of its request. `client_tools` are those of the translation.
#[must_use]
pub fn build_echo(
    request_id: RequestId,
    body: &RequestBody,
    client_tools: Option<&ClientTools>,
) -> RequestEcho {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut echo = RequestEcho::from_request(body);
    echo.id = request_id.to_string();
    echo.created_at = since.as_secs();
    echo.client_tools = client_tools.cloned().unwrap_or_default();
    echo
}

/// The encoder of a translated response. `prompt` is the approximate size of the request, in tokens.
fn new_encoder(api: Api, echo: RequestEcho, prompt: u64) -> Encoder {
    let mut encoder = Encoder::new(api, echo);
    // The Messages API reports the prompt in its first event, others at the end. Until then it is an estimate.
    let estimate = TokenUsage { input: prompt, is_estimated: true, ..TokenUsage::default() };
    encoder.write(&ResponseEvent::Usage(estimate), &mut Vec::new());
    encoder
}

impl ResponseTranslator {
    /// Translates from the target's API. `echo` and the approximate tokens of the `prompt` are used only if the
    /// response `is_translated`.
    pub fn new(
        target_api: Api,
        client_api: Api,
        is_translated: bool,
        echo: impl FnOnce() -> RequestEcho,
        prompt: impl FnOnce() -> u64,
    ) -> Self {
        let encoder = || new_encoder(client_api, echo(), prompt());
        Self::with_encoder(target_api, client_api, is_translated, encoder)
    }

    fn with_encoder(
        target_api: Api,
        client_api: Api,
        is_translated: bool,
        encoder: impl FnOnce() -> Encoder,
    ) -> Self {
        let transcoder = is_translated.then(|| {
            Box::new(Transcoder {
                decoder: Decoder::new(target_api),
                encoder: encoder(),
                has_sent_usage: false,
                // Messages clients return all of it.
                sealed_turn: (client_api != Api::Messages).then(SealedTurn::default),
            })
        });
        Self { target_api, client_api, transcoder }
    }

    /// Whether the response is decoded and encoded again.
    #[must_use]
    pub const fn is_translated(&self) -> bool {
        self.transcoder.is_some()
    }

    /// What the translation does not carry of the response so far, see [`Decoder::losses`].
    #[must_use]
    pub fn losses(&self) -> &[&'static str] {
        self.transcoder.as_ref().map_or(&[], |transcoder| transcoder.decoder.losses())
    }

    /// Takes the turn with sealed reasoning, if the client's next request may need it.
    #[must_use]
    pub fn take_sealed_turn(&mut self) -> Option<SealedTurn> {
        self.transcoder.as_mut()?.sealed_turn.take().filter(SealedTurn::is_needed)
    }

    /// The bytes that are kept of the response.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.transcoder.as_ref().map_or(0, |transcoder| transcoder.encoder.buffered_bytes())
    }

    /// Translates complete events of the target.
    pub(super) fn translate(&mut self, out: Segments) -> Segments {
        match &mut self.transcoder {
            None => out,
            Some(transcoder) => transcoder.transcode(&out),
        }
    }

    /// Ends a complete response: returns the events that are missing. `usage` is for a target that reported none.
    pub(super) fn translate_end(&mut self, usage: Option<TokenUsage>) -> Segments {
        let Some(Transcoder { decoder, encoder, has_sent_usage, .. }) = self.transcoder.as_deref_mut() else {
            return Segments::default();
        };
        let (mut events, mut text) = (Vec::new(), Vec::new());
        decoder.end(&mut events);
        *has_sent_usage |= write_events(encoder, &mut events, &mut text);
        if let Some(usage) = usage.filter(|_| !*has_sent_usage) {
            encoder.write(&ResponseEvent::Usage(usage), &mut text);
        }
        encoder.finish(&mut text);
        Segments::from_bytes(text.into())
    }

    /// Translates text that was held back when the stream was interrupted to Chat Completions: text before it may
    /// be held back from the client.
    pub(super) fn translate_withheld(&mut self, withheld: Segments) -> Segments {
        match self.client_api {
            _ if withheld.is_empty() => withheld,
            Api::ChatCompletions => self.translate(withheld),
            _ => Self::with_encoder(
                self.target_api,
                Api::ChatCompletions,
                self.target_api != Api::ChatCompletions,
                || Encoder::new(Api::ChatCompletions, RequestEcho::default()),
            )
            .translate(withheld),
        }
    }
}

impl Transcoder {
    fn transcode(&mut self, out: &Segments) -> Segments {
        let (mut events, mut text) = (Vec::new(), Vec::new());
        for frame in read_frames(out) {
            match frame.data() {
                Some(payload) => self.decoder.read_payload(&payload, &mut events),
                // A comment keeps the client waiting, in every API.
                None if frame.event_name().is_none() => text.extend_from_slice(&frame.raw),
                None => {}
            }
            if let Some(turn) = &mut self.sealed_turn {
                events.iter().for_each(|event| turn.push(event));
                self.sealed_turn.take_if(|turn| turn.size() > MAX_SEALED_TURN_BYTES);
            }
            self.has_sent_usage |= write_events(&mut self.encoder, &mut events, &mut text);
        }
        Segments::from_bytes(text.into())
    }
}

/// Writes events; returns whether the usage was among them.
fn write_events(encoder: &mut Encoder, events: &mut Vec<ResponseEvent>, text: &mut Vec<u8>) -> bool {
    let mut has_usage = false;
    for event in events.drain(..) {
        has_usage |= matches!(event, ResponseEvent::Usage(_));
        encoder.write(&event, text);
    }
    has_usage
}
