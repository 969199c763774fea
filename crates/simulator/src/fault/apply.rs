//! What faults make of an answer: its events or bytes become the steps of a body.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use http::header::CONTENT_ENCODING;

use crate::api;
use crate::api::event::{EventKind, SseEvent};
use crate::engine::answer::{self, ResponseContext, SimulatedAnswer};
use crate::error_response::ErrorResponse;
use crate::fault::kind::FaultKind;
use crate::fault::queue::FaultEffects;
use crate::provider::{Api, Provider};
use crate::response::{BodyStep, Reply, ReplyWriter};

/// The size in bytes of a piece of a complete answer. Faults count such pieces where they count chunks of a
/// stream.
const PIECE_BYTES: usize = 32;

/// The preamble of a model that should continue an answer.
const PREAMBLE_TEXT: &str = "Sure, here is the rest: ";

/// Anthropic's text for a model that does not continue the beginning of an answer.
const NO_PREFILL_MESSAGE: &str =
    "This model does not support assistant message prefill. The conversation must end with a user message.";

impl FaultEffects {
    /// Changes the answer, if a fault does that.
    pub(crate) fn change_answer(&self, answer: &mut SimulatedAnswer, tool: Option<&str>) {
        match self.kind() {
            Some(FaultKind::Empty) => {
                (answer.reasoning, answer.text) = (String::new(), String::new());
                answer.calls.clear();
                answer.finish_reason = "stop";
            }
            Some(FaultKind::LeakMarkup) => {
                leak_tool_calls(answer, tool);
                answer.finish_reason = "stop";
            }
            Some(FaultKind::PrefillPreamble) => answer.text.insert_str(0, PREAMBLE_TEXT),
            Some(FaultKind::PrefillThinks) => answer.reasoning = "I go on where it ends.".into(),
            _ => return,
        }
        answer::update_usage(answer);
    }

    /// The reply instead of an answer; none for a fault that only changes an answer.
    pub(crate) fn reply(&self, writer: &ReplyWriter, model: &str, is_streaming: bool) -> Option<Reply> {
        let fault = self.deciding_fault.as_ref()?;
        let with_retry_after = |error: ErrorResponse| ErrorResponse {
            retry_after: fault.retry_after.or(error.retry_after),
            ..error
        };
        let documented = |name: &str, model: &str| {
            with_retry_after(ErrorResponse::documented(writer.provider, name, model))
        };
        let generic = || {
            let status = u16::try_from(self.count()).unwrap_or(500);
            writer.error(&with_retry_after(ErrorResponse::new(status, "server_error", "A simulated failure")))
        };
        let mut reply = match fault.kind {
            FaultKind::Documented(name) => writer.error(&documented(name, model)),
            FaultKind::Status | FaultKind::GzipError | FaultKind::InvalidGzip => generic(),
            FaultKind::PrefillRefused => {
                let prefix = if writer.provider == Provider::Kimi { "" } else { "Invalid request: " };
                let text = match writer.api {
                    Api::Messages => NO_PREFILL_MESSAGE,
                    _ => "partial is not supported by this model",
                };
                writer.error(&ErrorResponse::bad_request(format!("{prefix}{text}")))
            }
            FaultKind::Html200 => writer.html(200, "Welcome", "This is a captive portal."),
            FaultKind::Html504 => writer.html(504, "504 Gateway Time-out", "The upstream said nothing."),
            // A whole answer has no chunks that an error could come between.
            FaultKind::ErrorChunkFirst | FaultKind::ErrorChunkAfter if is_streaming => return None,
            FaultKind::ErrorIn200 | FaultKind::ErrorChunkFirst | FaultKind::ErrorChunkAfter => {
                let is_openrouter = writer.provider == Provider::OpenRouter;
                let name = if is_openrouter { "upstream_error" } else { "server_error" };
                writer.json(writer.error_body(&documented(name, "")))
            }
            _ => return None,
        };
        if matches!(fault.kind, FaultKind::GzipError | FaultKind::InvalidGzip) {
            reply.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if fault.kind == FaultKind::GzipError {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            // Writing to memory does not fail.
            let _ = encoder.write_all(&reply.body);
            reply.body = encoder.finish().unwrap_or_default().into();
        }
        Some(reply)
    }
}

/// The calls as the text that Kimi's models sometimes leave them in.
fn leak_tool_calls(answer: &mut SimulatedAnswer, tool: Option<&str>) {
    let mut calls: Vec<(String, String)> =
        answer.calls.drain(..).map(|call| (call.name, call.arguments)).collect();
    if calls.is_empty() {
        calls.push((tool.unwrap_or("echo").to_owned(), r#"{"text":"leaked"}"#.to_owned()));
    }
    let mut text = String::from("<|tool_calls_section_begin|>");
    for (index, (name, arguments)) in calls.iter().enumerate() {
        text.push_str(&format!(
            "<|tool_call_begin|>functions.{name}:{index}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>"
        ));
    }
    text.push_str("<|tool_calls_section_end|>");
    answer.text = text;
}

/// The steps of a streamed answer, and the number of bytes after which its usage is sent, if it is.
pub(crate) fn stream_steps(
    exchange: &ResponseContext,
    mut events: Vec<SseEvent>,
    effects: &FaultEffects,
) -> (Vec<BodyStep>, Option<usize>) {
    if effects.omits_role {
        // Elsewhere the event that names the role carries more than that.
        events.retain(|event| event.kind != EventKind::Role || exchange.api != Api::ChatCompletions);
        for event in &mut events {
            event.text =
                event.text.replace(r#""role":"assistant","#, "").replace(r#""role":"assistant""#, "");
        }
    }
    let ending = apply_to_events(exchange, &mut events, effects);
    let line = if effects.uses_crlf { "\r\n" } else { "\n" };
    let reported = events.iter().position(SseEvent::has_usage);
    let frames = events.into_iter().map(|event| {
        let text = if effects.uses_crlf { event.text.replace('\n', line) } else { event.text };
        Bytes::from(format!("{text}{line}{line}"))
    });
    let frames: Vec<Bytes> = frames.collect();
    let reported = reported.map(|at| frames.iter().take(at + 1).map(Bytes::len).sum());
    (deliver(effects, frames, ending), reported)
}

/// A body that is not streamed, malformed if a fault does that, and its length if its usage is complete.
pub(crate) fn corrupt_body(mut body: String, effects: &FaultEffects) -> (String, Option<usize>) {
    match effects.kind() {
        Some(FaultKind::MalformedJson) => body.truncate(body.floor_char_boundary(body.len() * 3 / 5)),
        Some(FaultKind::MalformedSse) => "<<<this is not JSON>>>\nnodata".clone_into(&mut body),
        _ => {
            let usage_end = body.len();
            return (body, Some(usage_end));
        }
    }
    (body, None)
}

/// The steps of a body that is not streamed, and whether all of it is sent.
pub(crate) fn body_steps(body: &Bytes, effects: &FaultEffects) -> (Vec<BodyStep>, bool) {
    let pieces = match effects.kind() {
        Some(FaultKind::NoFirstByte) => 0,
        Some(FaultKind::RoleThenStall) => 1,
        Some(FaultKind::Stall | FaultKind::Truncate) => effects.count(),
        _ => usize::MAX,
    };
    let kept = body.slice(..body.len().min(pieces.saturating_mul(PIECE_BYTES)));
    let hangs =
        matches!(effects.kind(), Some(FaultKind::NoFirstByte | FaultKind::RoleThenStall | FaultKind::Stall));
    let is_whole = !matches!(effects.kind(), Some(FaultKind::Truncate | FaultKind::EndAfter));
    let frame_bytes = if effects.delay_millis.is_some() { PIECE_BYTES } else { kept.len().max(1) };
    let frames = (0..kept.len())
        .step_by(frame_bytes)
        .map(|at| kept.slice(at..kept.len().min(at + frame_bytes)))
        .collect();
    (deliver(effects, frames, hangs.then_some(BodyStep::Hang)), is_whole)
}

/// Frames as steps: cut into pieces, with pauses before them, up to the byte at which a fault ends the body.
fn deliver(effects: &FaultEffects, mut frames: Vec<Bytes>, ending: Option<BodyStep>) -> Vec<BodyStep> {
    if let Some(size) = effects.piece_bytes {
        frames = frames.concat().chunks(size).map(Bytes::copy_from_slice).collect();
    }
    let mut left = match effects.kind() {
        Some(FaultKind::ResetAfter | FaultKind::EndAfter) => effects.count(),
        _ => usize::MAX,
    };
    let mut steps = Vec::with_capacity(frames.len() + 2);
    for mut frame in frames {
        frame.truncate(left);
        left -= frame.len();
        if !frame.is_empty() {
            steps.extend(effects.delay_millis.map(|pause| BodyStep::Pause(Duration::from_millis(pause))));
            steps.push(BodyStep::Bytes(frame));
            steps.extend(effects.piece_bytes.map(|_| BodyStep::Flush));
        }
        if left == 0 {
            break;
        }
    }
    if effects.kind() == Some(FaultKind::ResetAfter) {
        steps.extend([BodyStep::Flush, BodyStep::Reset]);
    }
    steps.extend(ending);
    steps
}

/// Cuts or corrupts the events. Returns how the body ends if it does not end cleanly.
fn apply_to_events(
    exchange: &ResponseContext,
    events: &mut Vec<SseEvent>,
    effects: &FaultEffects,
) -> Option<BodyStep> {
    let kind = effects.kind()?;
    let at = index_after_content(events, effects.count());
    match kind {
        FaultKind::NoFirstByte => events.clear(),
        FaultKind::RoleThenStall => {
            let role = events.iter().position(|event| event.kind == EventKind::Role);
            events.truncate(role.map_or(0, |at| at + 1));
        }
        FaultKind::Stall | FaultKind::Truncate => events.truncate(at),
        FaultKind::TruncateThinking => truncate_after(events, SseEvent::is_thinking),
        FaultKind::TruncateText => truncate_after(events, SseEvent::is_answer_text),
        FaultKind::TruncateCall => truncate_after(events, SseEvent::is_call),
        FaultKind::TruncateNoDone => events.retain(|event| event.kind != EventKind::Done),
        FaultKind::MalformedJson => {
            let whole = events.get(at).map_or("", |event| &event.text);
            let half = whole.get(..whole.len() / 2).unwrap_or("data: {\"id\":").to_owned();
            let broken = SseEvent { kind: EventKind::Other, text: half };
            match events.get_mut(at) {
                Some(event) if event.kind == EventKind::Content => *event = broken,
                _ => events.insert(at, broken),
            }
        }
        FaultKind::MalformedSse => {
            events.truncate(at);
            let text = "<<<this is not an event stream>>>\n{\"oops\": [1, 2,\nnodata".to_owned();
            events.push(SseEvent { kind: EventKind::Other, text });
        }
        FaultKind::ErrorChunkFirst | FaultKind::ErrorChunkAfter => {
            let comments = events.iter().take_while(|event| event.kind == EventKind::Comment).count();
            events.truncate(if kind == FaultKind::ErrorChunkFirst { comments } else { at });
            events.push(api::error_event(exchange, events));
        }
        _ => {}
    }
    let hangs = matches!(kind, FaultKind::NoFirstByte | FaultKind::RoleThenStall | FaultKind::Stall);
    hangs.then_some(BodyStep::Hang)
}

/// Ends the stream after the first content of a kind; a stream without any stays whole.
fn truncate_after(events: &mut Vec<SseEvent>, is_of_kind: impl Fn(&SseEvent) -> bool) {
    let first = events.iter().position(|event| event.kind == EventKind::Content && is_of_kind(event));
    if let Some(first) = first {
        events.truncate(first + 1);
    }
}

/// The position after `count` content chunks, in any case before the finish.
fn index_after_content(events: &[SseEvent], count: usize) -> usize {
    let ends = |event: &SseEvent| matches!(event.kind, EventKind::Finish | EventKind::Done);
    let finish = events.iter().position(ends).unwrap_or(events.len());
    let contents = events.iter().enumerate().filter(|(_, event)| event.kind == EventKind::Content);
    contents.map(|(at, _)| at).nth(count).unwrap_or(finish).min(finish)
}
