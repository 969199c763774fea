//! Server-sent events: the result for a stream does not depend on where its bytes were cut.
//!
//! Input: a byte for the provider adapter and the API format, one for the plan, one that seeds the cuts, and
//! the stream.

use bytes::Bytes;
use moonrelay::catalog::AdapterId;
use moonrelay::protocol::api::Api;
use moonrelay::protocol::json;
use moonrelay::protocol::model::seal::SealOrigin;
use moonrelay::protocol::sse::{FrameReader, FrameTooLong};
use moonrelay::provider::answer::StreamReader;
use moonrelay::provider::classify::Classifier;
use moonrelay::provider::rewrite::AnswerPlan;
use moonrelay::secret::Redactor;

use super::take;

const ADAPTERS: [AdapterId; 4] =
    [AdapterId::Moonshot, AdapterId::KimiCode, AdapterId::OpenRouter, AdapterId::Generic];
/// A limit that small inputs also reach.
const CAP: usize = 200;

/// Checks one input.
pub fn judge(mut data: &[u8]) {
    let (adapter, plan, seed) = (take(&mut data), take(&mut data), take(&mut data));
    let whole = [Bytes::copy_from_slice(data)];
    let pieces = cut(data, seed);
    for cap in [CAP, usize::MAX] {
        let (one, many) = (frames(&whole, cap), frames(&pieces, cap));
        assert_eq!(one.events, many.events, "the events depend on the cuts");
        assert_eq!(one.error, many.error, "the cap depends on the cuts");
        if one.error.is_none() {
            let unmarked = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
            assert!(one.raw == unmarked && many.raw == unmarked, "the frames are not the stream");
        }
    }
    let api = Api::ALL[usize::from(adapter) / ADAPTERS.len() % Api::ALL.len()];
    let adapter = ADAPTERS[usize::from(adapter) % ADAPTERS.len()];
    let plan = AnswerPlan {
        tool_names: vec![("sent_name".to_owned(), "client.name".to_owned())],
        namespaced_tools: [("mcp__x__look".to_owned(), ("mcp__x".to_owned(), "look".to_owned()))].into(),
        hides_usage: plan & 1 != 0,
        is_continuation: plan & 4 != 0,
        offers_tools: plan & 2 != 0,
        caches_for_an_hour: plan & 16 != 0,
        seal_origin: (plan & 8 != 0).then(|| SealOrigin::new("own", "m", api)),
    };
    let (one, many) = (read(adapter, api, &plan, &whole), read(adapter, api, &plan, &pieces));
    // A body that is not a stream is checked as it arrives: the message may differ, the failure must not.
    assert_eq!(one.failed, many.failed, "the end depends on the cuts");
    assert_eq!(one.events, many.events, "the answer depends on the cuts");
}

/// Pieces of 1 to 16 bytes, or of up to 256.
fn cut(data: &[u8], seed: u8) -> Vec<Bytes> {
    let mut state = u32::from(seed) | 0x100;
    let largest = if seed & 1 == 0 { 16 } else { 256 };
    let mut rest = data;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, tail) = rest.split_at(rest.len().min(1 + (state >> 16) as usize % largest));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = tail;
    }
    pieces
}

struct Frames {
    /// Event name and payload of each frame with data.
    events: Vec<(Option<Bytes>, Bytes)>,
    raw: Vec<u8>,
    error: Option<FrameTooLong>,
}

fn frames(pieces: &[Bytes], cap: usize) -> Frames {
    let mut reader = FrameReader::with_max_bytes(cap);
    let mut seen = Frames { events: Vec::new(), raw: Vec::new(), error: None };
    let mut found = Vec::new();
    for piece in pieces {
        reader.feed(piece.clone());
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.is_terminated && frame.raw.len() <= cap);
                    if let Some(place) = &frame.input_span {
                        assert_eq!(piece.slice(place.clone()), frame.raw);
                    }
                    found.push(frame);
                }
                Ok(None) => break,
                Err(error) => {
                    seen.error = Some(error);
                    break;
                }
            }
        }
        if seen.error.is_some() {
            break;
        }
    }
    if seen.error.is_none() {
        found.extend(reader.finish());
    }
    for frame in found {
        seen.raw.extend_from_slice(&frame.raw);
        if let Some(place) = frame.data_span() {
            assert_eq!(frame.data().as_deref(), frame.raw.get(place));
        }
        seen.events.extend(frame.data().map(|data| (frame.event_name(), data)));
    }
    seen
}

struct Answer {
    /// Payloads as received by the client.
    events: Vec<Bytes>,
    failed: bool,
}

fn read(adapter: AdapterId, api: Api, plan: &AnswerPlan, pieces: &[Bytes]) -> Answer {
    let mut reader = StreamReader::new(Classifier::new(adapter, Redactor::default()), api, plan.clone());
    let mut out = Vec::new();
    let (mut done, mut failed) = (false, false);
    let ends = std::iter::once(None);
    for piece in pieces.iter().cloned().map(Some).chain(ends) {
        let step = match piece {
            Some(piece) => reader.read_chunk(piece),
            None => reader.finish(None),
        };
        assert!(!(done || failed) || step.output.is_empty(), "something follows the end");
        assert!(!(step.is_complete && step.failure.is_some()), "it ended well and failed");
        done |= step.is_complete;
        failed |= step.failure.is_some();
        out.extend_from_slice(&step.output.to_bytes());
    }
    assert!(done || failed, "it neither ended nor failed");
    let finish = reader.meter().finish_reason.is_some();
    assert!(failed || finish, "an answer without a finish ended well");
    let events: Vec<Bytes> =
        frames(&[out.into()], usize::MAX).events.into_iter().map(|(_, data)| data).collect();
    for event in &events {
        let text = event.trim_ascii();
        assert!(text.starts_with(b"[DONE]") || json::is_valid(text), "an SDK would stumble over {event:?}");
    }
    Answer { events, failed }
}
