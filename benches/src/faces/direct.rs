//! Requests and streams in this process.

use bytes::Bytes;
use moonrelay::catalog::{DialectId, Model};
use moonrelay::protocol::edit::Segments;
use moonrelay::protocol::face::Face;
use moonrelay::protocol::request::RequestBody;
use moonrelay::protocol::sse::FrameReader;
use moonrelay::protocol::translate::decoder::Decoder;
use moonrelay::protocol::translate::echo::Echo;
use moonrelay::protocol::translate::encoder::Encoder;
use moonrelay::protocol::translate::request as translate;
use moonrelay::provider::answer::StreamReader;
use moonrelay::provider::classify::Classifier;
use moonrelay::provider::rewrite::{AnswerPlan, Request, rewrite};
use moonrelay::secret::Redactor;
use serde_json::Map;

use crate::race::{Contender, race};
use crate::sample;

const AGENT_BYTES: usize = 237_000;
const EVENTS: usize = 1_000;
const DEFAULT_LIMIT: Option<u64> = Some(32_768);

/// The request as its target's provider gets it.
fn sent(text: &Bytes, from: Face, to: Face) -> Bytes {
    let mut body = RequestBody::parse(from, text.clone()).expect("a request");
    if from != to {
        let translated = translate(&body, to, DEFAULT_LIMIT).expect("it can be said");
        body = RequestBody::parse(to, translated.body).expect("a request");
    }
    let (model, params) = (Model::unknown("model"), Map::new());
    let request = Request {
        body: &body,
        model: &model,
        wire_model: "model",
        params: &params,
        thinking: None,
        sanitize_tool_call_ids: false,
    };
    let rewritten = rewrite(DialectId::Generic, &request).expect("it breaks no rule");
    rewritten.edits.apply(&body.text).to_bytes()
}

/// An agent's conversation, with each face on each side.
pub fn requests(rounds: usize) {
    let chat = Bytes::from(sample::agent_request(AGENT_BYTES));
    let messages = sent(&chat, Face::Chat, Face::Messages);
    let responses = sent(&chat, Face::Chat, Face::Responses);
    let title =
        format!("request of {} bytes (Messages: {}): read, rewrite, write", chat.len(), messages.len());
    let mut contenders = [
        Contender::new("chat to chat", || sent(&chat, Face::Chat, Face::Chat).len()),
        Contender::new("messages to messages", || sent(&messages, Face::Messages, Face::Messages).len()),
        Contender::new("responses to responses", || sent(&responses, Face::Responses, Face::Responses).len()),
        Contender::new("chat to messages", || sent(&chat, Face::Chat, Face::Messages).len()),
        Contender::new("messages to chat", || sent(&messages, Face::Messages, Face::Chat).len()),
        Contender::new("chat to responses", || sent(&chat, Face::Chat, Face::Responses).len()),
        Contender::new("responses to chat", || sent(&responses, Face::Responses, Face::Chat).len()),
    ];
    race(&title, "µs", 1e6, rounds, &mut contenders);
}

/// A stream, each event in a read of its own, as a provider sends it.
fn frames(stream: &[u8]) -> Vec<Bytes> {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    text.split_inclusive("\n\n").map(|frame| Bytes::copy_from_slice(frame.as_bytes())).collect()
}

fn payloads(out: &Segments) -> Vec<Bytes> {
    let mut reader = FrameReader::with_cap(usize::MAX);
    reader.feed(out.to_bytes());
    let next = || reader.next_frame().ok().flatten();
    std::iter::from_fn(next).filter_map(|frame| frame.data()).collect()
}

/// What a client gets of a target's stream, as the relay has it: validated and metered, and where the faces differ
/// written anew. An answer of the client's own face passes as it came, and but for chat its numbers are followed.
fn heard(stream: &[Bytes], from: Face, to: Face) -> Vec<u8> {
    let mut reader = StreamReader::new(
        Classifier::new(DialectId::Generic, Redactor::default()),
        from,
        AnswerPlan::default(),
    );
    let mut encoder = (from != to || to != Face::Chat).then(|| Encoder::new(to, echo()));
    let mut decoder = (from != to).then(|| Decoder::new(from));
    let (mut text, mut events) = (Vec::new(), Vec::new());
    for chunk in stream {
        let step = reader.push(chunk.clone());
        assert!(step.failure.is_none(), "{:?}", step.failure);
        match (&mut decoder, &mut encoder) {
            (Some(decoder), Some(encoder)) => {
                for payload in payloads(&step.out) {
                    decoder.frame(&payload, &mut events);
                    events.drain(..).for_each(|event| encoder.write(&event, &mut text));
                }
            }
            (None, Some(encoder)) => {
                payloads(&step.out).iter().for_each(|payload| encoder.follow(payload));
                step.out.parts().iter().for_each(|part| text.extend_from_slice(part));
            }
            _ => step.out.parts().iter().for_each(|part| text.extend_from_slice(part)),
        }
    }
    if let (Some(decoder), Some(encoder)) = (&mut decoder, &mut encoder) {
        decoder.end(&mut events);
        events.drain(..).for_each(|event| encoder.write(&event, &mut text));
        encoder.finish(&mut text);
    }
    text
}

fn echo() -> Echo {
    let mut echo = Echo::default();
    echo.id.push_str("0123456789abcdef");
    echo.usage = true;
    echo
}

/// The same answer in each face, to clients of each face.
pub fn streams(rounds: usize) {
    let chat = frames(&sample::stream(EVENTS));
    let messages = frames(&heard(&chat, Face::Chat, Face::Messages));
    let responses = frames(&heard(&chat, Face::Chat, Face::Responses));
    let bytes = |stream: &[Bytes]| stream.iter().map(Bytes::len).sum::<usize>();
    assert_eq!(heard(&chat, Face::Chat, Face::Chat).len(), bytes(&chat), "what needs no change passes");
    assert_eq!(heard(&messages, Face::Messages, Face::Messages).len(), bytes(&messages));
    let title = format!("stream of {EVENTS} chat events, one a read: per chat event");
    #[expect(clippy::cast_precision_loss, reason = "1,000 is exact")]
    let each = 1e9 / EVENTS as f64;
    let mut contenders = [
        Contender::new("chat to chat", || heard(&chat, Face::Chat, Face::Chat).len()),
        Contender::new("messages to messages", || heard(&messages, Face::Messages, Face::Messages).len()),
        Contender::new("responses to responses", || {
            heard(&responses, Face::Responses, Face::Responses).len()
        }),
        Contender::new("chat provider, messages client", || heard(&chat, Face::Chat, Face::Messages).len()),
        Contender::new("messages provider, chat client", || {
            heard(&messages, Face::Messages, Face::Chat).len()
        }),
        Contender::new("chat provider, responses client", || heard(&chat, Face::Chat, Face::Responses).len()),
        Contender::new("responses provider, chat client", || {
            heard(&responses, Face::Responses, Face::Chat).len()
        }),
    ];
    race(&title, "ns", each, rounds, &mut contenders);
}
