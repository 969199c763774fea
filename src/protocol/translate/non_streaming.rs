//! Whole responses.

use bytes::Bytes;

use super::decoder::Decoder;
use super::echo::RequestEcho;
use super::encoder;
use super::event::ResponseEvent;
use crate::protocol::api::Api;

/// The events of a whole response of this API format. An invalid body has no events.
#[must_use]
pub fn decode_response(face: Api, body: &[u8]) -> Vec<ResponseEvent> {
    let mut events = Vec::new();
    Decoder::new(face).read_body(body, &mut events);
    events
}

/// The body of a whole response.
#[must_use]
pub fn encode_response(events: &[ResponseEvent], face: Api, echo: &RequestEcho) -> Bytes {
    encoder::encode_response(events, face, echo).into()
}
