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
use moonrelay::protocol::request::RequestBody;
use moonrelay::protocol::sse::FrameReader;
use moonrelay::protocol::translate::decoder::Decoder;
use moonrelay::protocol::translate::echo::RequestEcho;
use moonrelay::protocol::translate::encoder::Encoder;
use moonrelay::protocol::translate::event::ResponseEvent;
use moonrelay::protocol::translate::non_streaming;

use super::take;
use normal::Normal;
use order::Ending;

/// Checks one input.
pub fn judge(mut data: &[u8]) {
    let (face, place, seed) = (take(&mut data), take(&mut data), take(&mut data));
    let face = Api::ALL[usize::from(face) % Api::ALL.len()];
    let one = payloads(std::iter::once(data));
    let size = 1 + usize::from(seed) % 64;
    assert_eq!(one, payloads(data.chunks(size)), "the events depend on the cuts");
    let events = decode(face, &one);
    judge_events(&events, usize::from(place));
    judge_events(&non_streaming::decode_response(face, data), usize::from(place));
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
    for face in Api::ALL {
        let stream = encode(events, face);
        order::check(face, &stream, Ending::Well);
        let expected = Normal::of(events).seen_in(face);
        assert_eq!(Normal::of(&decode(face, &payloads([stream.as_slice()]))), expected, "{face:?}, streamed");
        let body = non_streaming::encode_response(events, face, &echo(face));
        serde_json::from_slice::<serde_json::Value>(&body).expect("a whole answer is JSON");
        let again = Normal::of(&non_streaming::decode_response(face, &body));
        let (again, expected) = if face == Api::ChatCompletions {
            (again.by_kind(), expected.by_kind())
        } else {
            (again, expected)
        };
        if !normal::is_loose(events) {
            assert_eq!(again.without_halves(), expected.without_halves(), "{face:?}, whole");
        }
        judge_taking_over(events, face, &stream, place);
    }
}

/// The first frames are from another writer. Then the encoder ends the response with an error, or continues
/// with the events of another provider.
fn judge_taking_over(events: &[ResponseEvent], face: Api, stream: &[u8], place: usize) {
    let frames = frames(stream);
    let place = place % frames.len();
    let (head, _) = frames.split_at(place);
    let mut out = head.concat();
    let mut encoder = Encoder::new(face, echo(face));
    for payload in payloads([out.as_slice()]) {
        encoder.observe_payload(&payload);
    }
    encoder.fail(&ERROR, &mut out);
    order::check(face, &out, Ending::Broken);

    let mut out = head.concat();
    let mut encoder = Encoder::new(face, echo(face));
    for payload in payloads([out.as_slice()]) {
        encoder.observe_payload(&payload);
    }
    for event in events {
        encoder.write(event, &mut out);
    }
    encoder.finish(&mut out);
    order::check(face, &out, Ending::Well);

    // The same after frames that the encoder wrote itself.
    let mut out = Vec::new();
    let mut encoder = Encoder::new(face, echo(face));
    let (head, _) = events.split_at(place % events.len());
    for event in head.iter().chain(events) {
        encoder.write(event, &mut out);
    }
    encoder.finish(&mut out);
    order::check(face, &out, Ending::Well);
}

/// The request of a client of this format.
pub fn echo(face: Api) -> RequestEcho {
    let body = br#"{"model":"asked","stream_options":{"include_usage":true},
        "include":["reasoning.encrypted_content"],"tools":[{"type":"function",
        "name":"Read"}]}"#;
    let body = RequestBody::parse(face, Bytes::from_static(body)).expect("the body is an object");
    let mut echo = RequestEcho::from_request(&body);
    echo.id = "0123".to_owned();
    echo.created_at = 1_795_254_202;
    echo
}

/// The events of the payloads of a stream.
pub fn decode(face: Api, payloads: &[Bytes]) -> Vec<ResponseEvent> {
    let (mut decoder, mut events) = (Decoder::new(face), Vec::new());
    for payload in payloads {
        decoder.read_payload(payload, &mut events);
    }
    decoder.end(&mut events);
    events
}

/// The stream of events.
pub fn encode(events: &[ResponseEvent], face: Api) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(face, echo(face)), Vec::new());
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
