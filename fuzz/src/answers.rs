//! Responses translated between API formats: for any input, the client's response follows the event order of
//! its format and has the same content.
//!
//! Input: a byte for the provider's format, one for the position where another encoder takes over, one that
//! seeds the cuts, and the stream.

pub mod normal;
pub mod order;

use bytes::Bytes;
use moonrelay::protocol::api::Api;
use moonrelay::protocol::error::ErrorBody;
use moonrelay::protocol::model::answer::RequestEcho;
use moonrelay::protocol::model::answer::ResponseEvent;
use moonrelay::protocol::request::RequestBody;
use moonrelay::protocol::sse::FrameReader;
use moonrelay::protocol::translate;
use moonrelay::protocol::translate::Decoder;
use moonrelay::protocol::translate::Encoder;

use super::take;
use normal::Normal;
use order::Ending;

/// Checks one input.
pub fn judge(mut data: &[u8]) {
    let (api, place, seed) = (take(&mut data), take(&mut data), take(&mut data));
    let api = Api::ALL[usize::from(api) % Api::ALL.len()];
    let one = payloads(std::iter::once(data));
    let size = 1 + usize::from(seed) % 64;
    assert_eq!(one, payloads(data.chunks(size)), "the events depend on the cuts");
    let events = decode(api, &one);
    judge_events(&events, usize::from(place));
    judge_events(&translate::decode_response(api, data), usize::from(place));
    for client in Api::ALL {
        // A forwarded stream may be out of order, but must not cause a panic.
        for fails in [false, true] {
            let mut encoder = Encoder::new(client, echo(client));
            for payload in &one {
                encoder.observe_payload(payload);
            }
            let mut out = Vec::new();
            if fails {
                encoder.fail(&ERROR, &mut out);
            } else {
                events.iter().for_each(|event| encoder.write(event, &mut out));
                encoder.finish(&mut out);
            }
            let length = out.len();
            encoder.finish(&mut out);
            encoder.fail(&ERROR, &mut out);
            assert_eq!(out.len(), length, "something follows the end");
        }
    }
}

/// An error, for interrupted streams.
pub const ERROR: ErrorBody<'static> = ErrorBody {
    message: "it \"broke\"\n",
    kind: "truncated",
    code: Some("truncated"),
    param: None,
    attempts: &[],
    request_id: None,
    is_retryable: false,
};

/// Checks the encoding of events in every format; at `place` another encoder takes over.
pub fn judge_events(events: &[ResponseEvent], place: usize) {
    normal::check(events);
    if events.is_empty() {
        return;
    }
    let events = &normal::finish_cut_calls(events)[..];
    for api in Api::ALL {
        let stream = encode(events, api);
        order::check(api, &stream, Ending::Well);
        let expected = Normal::of(events).seen_in(api);
        assert_eq!(Normal::of(&decode(api, &payloads([stream.as_slice()]))), expected, "{api:?}, streamed");
        let body = translate::encode_response(events, api, &echo(api));
        serde_json::from_slice::<serde_json::Value>(&body).expect("a whole answer is JSON");
        let again = Normal::of(&translate::decode_response(api, &body));
        let (again, expected) = if api == Api::ChatCompletions {
            (again.by_kind(), expected.by_kind())
        } else {
            (again, expected)
        };
        if !normal::is_loose(events) {
            assert_eq!(again.without_halves(), expected.without_halves(), "{api:?}, whole");
        }
        judge_taking_over(events, api, &stream, place);
    }
}

/// The first frames are from another writer. Then the encoder ends the response with an error, or continues
/// with the events of another provider.
fn judge_taking_over(events: &[ResponseEvent], api: Api, stream: &[u8], place: usize) {
    let frames = frames(stream);
    let place = place % frames.len();
    let (head, _) = frames.split_at(place);
    let mut out = head.concat();
    let mut encoder = Encoder::new(api, echo(api));
    for payload in payloads([out.as_slice()]) {
        encoder.observe_payload(&payload);
    }
    encoder.fail(&ERROR, &mut out);
    order::check(api, &out, Ending::Broken);

    let mut out = head.concat();
    let mut encoder = Encoder::new(api, echo(api));
    for payload in payloads([out.as_slice()]) {
        encoder.observe_payload(&payload);
    }
    for event in events {
        encoder.write(event, &mut out);
    }
    encoder.finish(&mut out);
    order::check(api, &out, Ending::Well);

    // The same after frames that the encoder wrote itself.
    let mut out = Vec::new();
    let mut encoder = Encoder::new(api, echo(api));
    let (head, _) = events.split_at(place % events.len());
    for event in head.iter().chain(events) {
        encoder.write(event, &mut out);
    }
    encoder.finish(&mut out);
    order::check(api, &out, Ending::Well);
}

/// The request of a client of this format.
pub fn echo(api: Api) -> RequestEcho {
    let body = br#"{"model":"asked","stream_options":{"include_usage":true},
        "include":["reasoning.encrypted_content"],"tools":[{"type":"function",
        "name":"Read"}]}"#;
    let body = RequestBody::parse(api, Bytes::from_static(body)).expect("the body is an object");
    let mut echo = RequestEcho::from_request(&body);
    echo.id = "0123".to_owned();
    echo.created_at = 1_795_254_202;
    echo
}

/// The events of the payloads of a stream.
pub fn decode(api: Api, payloads: &[Bytes]) -> Vec<ResponseEvent> {
    let (mut decoder, mut events) = (Decoder::new(api), Vec::new());
    for payload in payloads {
        decoder.read_payload(payload, &mut events);
    }
    decoder.end(&mut events);
    events
}

/// The stream of events.
pub fn encode(events: &[ResponseEvent], api: Api) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(api, echo(api)), Vec::new());
    for event in events {
        encoder.write(event, &mut out);
    }
    encoder.finish(&mut out);
    out
}

/// The payloads of the frames of a stream that arrives in pieces.
pub fn payloads<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<Bytes> {
    let (mut reader, mut found) = (FrameReader::new(), Vec::new());
    for piece in pieces {
        reader.feed(Bytes::copy_from_slice(piece));
        while let Ok(Some(frame)) = reader.next_frame() {
            found.extend(frame.data());
        }
    }
    found.extend(reader.finish().and_then(|frame| frame.data()));
    found
}

/// The frames of an encoded stream, each with its empty line.
fn frames(stream: &[u8]) -> Vec<Vec<u8>> {
    let text = std::str::from_utf8(stream).expect("what we write is text");
    text.split_inclusive("\n\n").map(|frame| frame.as_bytes().to_vec()).collect()
}
