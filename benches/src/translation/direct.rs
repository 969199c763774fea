//! Requests and streams within this process.

use bytes::Bytes;
use moonrelay::catalog::{AdapterId, ModelInfo};
use moonrelay::protocol::api::Api;
use moonrelay::protocol::edit::Segments;
use moonrelay::protocol::model::CacheControlSupport;
use moonrelay::protocol::model::answer::RequestEcho;
use moonrelay::protocol::model::seal::SealOrigin;
use moonrelay::protocol::request::RequestBody;
use moonrelay::protocol::sse::FrameReader;
use moonrelay::protocol::translate::{Decoder, Encoder, TranslationTarget, translate_request};
use moonrelay::provider::answer::StreamReader;
use moonrelay::provider::classify::Classifier;
use moonrelay::provider::rewrite::{AnswerPlan, RewriteInput, rewrite_request};
use moonrelay::secret::Redactor;
use serde_json::Map;

use crate::race::{Contender, race};
use crate::sample;

const AGENT_BYTES: usize = 237_000;
const EVENTS: usize = 1_000;
const DEFAULT_LIMIT: Option<u64> = Some(32_768);

/// The request as sent to the target's provider.
fn sent(text: &Bytes, from: Api, to: Api) -> Bytes {
    let mut body = RequestBody::parse(from, text.clone()).expect("a request");
    if from != to {
        let target = TranslationTarget {
            api: to,
            default_max_tokens: DEFAULT_LIMIT,
            seal_origin: SealOrigin::default(),
            cache_control: CacheControlSupport::Removed,
            is_openrouter: false,
        };
        let translated = translate_request(&body, &target).expect("it can be said");
        body = RequestBody::parse(to, translated.body).expect("a request");
    }
    let (model, params) = (ModelInfo::unknown("model"), Map::new());
    let request = RewriteInput {
        body: &body,
        model: &model,
        wire_model: "model",
        params: &params,
        default_thinking: None,
        sanitize_tool_call_ids: false,
        last_provider: None,
    };
    let rewritten = rewrite_request(AdapterId::Generic, &request).expect("it breaks no rule");
    rewritten.edits.apply(&body.text).to_bytes()
}

/// An agent's conversation, with each API format on each side.
pub fn requests(rounds: usize) {
    let chat = Bytes::from(sample::agent_request(AGENT_BYTES));
    let messages = sent(&chat, Api::ChatCompletions, Api::Messages);
    let responses = sent(&chat, Api::ChatCompletions, Api::Responses);
    let title =
        format!("request of {} bytes (Messages: {}): read, rewrite, write", chat.len(), messages.len());
    let mut contenders = [
        Contender::new("chat to chat", || sent(&chat, Api::ChatCompletions, Api::ChatCompletions).len()),
        Contender::new("messages to messages", || sent(&messages, Api::Messages, Api::Messages).len()),
        Contender::new("responses to responses", || sent(&responses, Api::Responses, Api::Responses).len()),
        Contender::new("chat to messages", || sent(&chat, Api::ChatCompletions, Api::Messages).len()),
        Contender::new("messages to chat", || sent(&messages, Api::Messages, Api::ChatCompletions).len()),
        Contender::new("chat to responses", || sent(&chat, Api::ChatCompletions, Api::Responses).len()),
        Contender::new("responses to chat", || sent(&responses, Api::Responses, Api::ChatCompletions).len()),
    ];
    race(&title, "µs", 1e6, rounds, &mut contenders);
}

/// A stream with one read per event, as a provider sends it.
fn frames(stream: &[u8]) -> Vec<Bytes> {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    text.split_inclusive("\n\n").map(|frame| Bytes::copy_from_slice(frame.as_bytes())).collect()
}

fn payloads(out: &Segments) -> Vec<Bytes> {
    let mut reader = FrameReader::with_max_bytes(usize::MAX);
    reader.feed(out.to_bytes());
    let next = || reader.next_frame().ok().flatten();
    std::iter::from_fn(next).filter_map(|frame| frame.data()).collect()
}

/// The stream that a client receives: validated and metered, and re-encoded if the formats differ. A response
/// in the client's format is forwarded unchanged; except for chat its numbers are tracked.
fn heard(stream: &[Bytes], from: Api, to: Api) -> Vec<u8> {
    let mut reader = StreamReader::new(
        Classifier::new(AdapterId::Generic, Redactor::default()),
        from,
        AnswerPlan::default(),
    );
    let mut encoder = (from != to || to != Api::ChatCompletions).then(|| Encoder::new(to, echo()));
    let mut decoder = (from != to).then(|| Decoder::new(from));
    let (mut text, mut events) = (Vec::new(), Vec::new());
    for chunk in stream {
        let step = reader.read_chunk(chunk.clone());
        assert!(step.failure.is_none(), "{:?}", step.failure);
        match (&mut decoder, &mut encoder) {
            (Some(decoder), Some(encoder)) => {
                for payload in payloads(&step.output) {
                    decoder.read_payload(&payload, &mut events);
                    events.drain(..).for_each(|event| encoder.write(&event, &mut text));
                }
            }
            (None, Some(encoder)) => {
                payloads(&step.output).iter().for_each(|payload| encoder.observe_payload(payload));
                step.output.parts().iter().for_each(|part| text.extend_from_slice(part));
            }
            _ => step.output.parts().iter().for_each(|part| text.extend_from_slice(part)),
        }
    }
    if let (Some(decoder), Some(encoder)) = (&mut decoder, &mut encoder) {
        decoder.end(&mut events);
        events.drain(..).for_each(|event| encoder.write(&event, &mut text));
        encoder.finish(&mut text);
    }
    text
}

fn echo() -> RequestEcho {
    let mut echo = RequestEcho::default();
    echo.id.push_str("0123456789abcdef");
    echo.wants_usage = true;
    echo
}

/// The same response in each format, for clients of each format.
pub fn streams(rounds: usize) {
    let chat = frames(&sample::stream(EVENTS));
    let messages = frames(&heard(&chat, Api::ChatCompletions, Api::Messages));
    let responses = frames(&heard(&chat, Api::ChatCompletions, Api::Responses));
    let bytes = |stream: &[Bytes]| stream.iter().map(Bytes::len).sum::<usize>();
    assert_eq!(
        heard(&chat, Api::ChatCompletions, Api::ChatCompletions).len(),
        bytes(&chat),
        "what needs no change passes"
    );
    assert_eq!(heard(&messages, Api::Messages, Api::Messages).len(), bytes(&messages));
    let title = format!("stream of {EVENTS} chat events, one a read: per chat event");
    #[expect(clippy::cast_precision_loss, reason = "1,000 is exact")]
    let each = 1e9 / EVENTS as f64;
    let mut contenders = [
        Contender::new("chat to chat", || heard(&chat, Api::ChatCompletions, Api::ChatCompletions).len()),
        Contender::new("messages to messages", || heard(&messages, Api::Messages, Api::Messages).len()),
        Contender::new("responses to responses", || heard(&responses, Api::Responses, Api::Responses).len()),
        Contender::new("chat provider, messages client", || {
            heard(&chat, Api::ChatCompletions, Api::Messages).len()
        }),
        Contender::new("messages provider, chat client", || {
            heard(&messages, Api::Messages, Api::ChatCompletions).len()
        }),
        Contender::new("chat provider, responses client", || {
            heard(&chat, Api::ChatCompletions, Api::Responses).len()
        }),
        Contender::new("responses provider, chat client", || {
            heard(&responses, Api::Responses, Api::ChatCompletions).len()
        }),
    ];
    race(&title, "ns", each, rounds, &mut contenders);
}
