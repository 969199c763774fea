//! Responses translated between formats. `tests/translation/answers.rs` and `fuzz/src/answers.rs` check
//! the general order of events; this module tests specific cases.

mod encoded;
mod golden;
mod pitfalls;

use crate::protocol::api::Api;
use crate::protocol::model::answer::RequestEcho;
use crate::protocol::model::answer::ResponseEvent;
use crate::protocol::request::RequestBody;
use crate::protocol::sse::FrameReader;
use crate::protocol::translate::Decoder;
use crate::protocol::translate::Encoder;

/// The request of a client of this format, as far as its response repeats it.
fn echo(api: Api) -> RequestEcho {
    let body = br#"{"model":"asked","stream_options":{"include_usage":true},"include":["reasoning.encrypted_content"],
        "tools":[{"type":"function",
        "name":"Read"}],"metadata":{"a":"b"},"temperature":null}"#;
    let body = RequestBody::parse(api, body.as_slice().into()).unwrap();
    let mut echo = RequestEcho::from_request(&body);
    echo.id = "0123".to_owned();
    echo.created_at = 1_795_254_202;
    echo
}

/// The payloads of a stream.
fn payloads(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = FrameReader::new();
    reader.feed(stream.to_vec().into());
    let mut found = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        found.extend(frame.data().map(|data| data.to_vec()));
    }
    assert!(reader.finish().is_none(), "every frame is whole");
    found
}

fn decode(api: Api, stream: &[u8]) -> Vec<ResponseEvent> {
    let (mut decoder, mut events) = (Decoder::new(api), Vec::new());
    for payload in payloads(stream) {
        decoder.read_payload(&payload, &mut events);
    }
    decoder.end(&mut events);
    events
}

fn encode(events: &[ResponseEvent], api: Api) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(api, echo(api)), Vec::new());
    for event in events {
        encoder.write(event, &mut out);
    }
    encoder.finish(&mut out);
    out
}
