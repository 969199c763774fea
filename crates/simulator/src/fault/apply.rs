//! What faults make of an answer: its events or bytes become the steps of a body.

use std::time::Duration;

use bytes::Bytes;

use crate::api;
use crate::engine::answer::SimulatedAnswer;
use crate::engine::{EventKind, ResponseContext, SseEvent, answer};
use crate::fault::{FaultAction, FaultEffects, PrefillFault};
use crate::provider::Api;
use crate::response::BodyStep;

/// The size in bytes of a piece of a complete answer. Faults count such pieces where they count chunks of a
/// stream.
const PIECE_BYTES: usize = 32;

/// The preamble of a model that should continue an answer.
const PREAMBLE_TEXT: &str = "Sure, here is the rest: ";

/// The pace and the piece size of a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    drip: Option<u64>,
    split: Option<usize>,
}

impl FaultEffects {
    /// The pace that the faults set.
    pub(crate) fn delivery(&self) -> Delivery {
        Delivery { drip: self.delay_millis, split: self.piece_bytes }
    }

    /// Changes what is answered, where a fault does that.
    pub(crate) fn change_answer(&self, answer: &mut SimulatedAnswer, tool: Option<&str>) {
        match self.action() {
            Some(FaultAction::Empty) => {
                (answer.reasoning, answer.text) = (String::new(), String::new());
                answer.calls.clear();
            }
            Some(FaultAction::LeakMarkup) => leak_tool_calls(answer, tool),
            Some(FaultAction::Prefill(PrefillFault::Preamble)) => answer.text.insert_str(0, PREAMBLE_TEXT),
            Some(FaultAction::Prefill(PrefillFault::Reasoning)) => {
                answer.reasoning = "I go on where it ends.".into()
            }
            _ => return,
        }
        if !matches!(self.action(), Some(FaultAction::Prefill(_))) {
            answer.finish_reason = "stop";
        }
        answer::update_usage(answer);
    }

    /// Whether an answer continues the beginning that its request contains.
    pub(crate) fn continues_prefix(&self) -> bool {
        self.action() != Some(&FaultAction::Prefill(PrefillFault::Restart))
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
    let ending = apply_to_events(exchange, &mut events, effects.action());
    let line = if effects.uses_crlf { "\r\n" } else { "\n" };
    let reported = events.iter().position(SseEvent::has_usage);
    let frames = events.into_iter().map(|event| {
        let text = if effects.uses_crlf { event.text.replace('\n', line) } else { event.text };
        Bytes::from(format!("{text}{line}{line}"))
    });
    let frames: Vec<Bytes> = frames.collect();
    let reported = reported.map(|at| frames.iter().take(at + 1).map(Bytes::len).sum());
    let cut = match effects.action() {
        Some(FaultAction::ResetAfter(bytes)) => Some(Truncation { at: *bytes, is_reset: true }),
        Some(FaultAction::EndAfter(bytes)) => Some(Truncation { at: *bytes, is_reset: false }),
        _ => None,
    };
    (effects.delivery().steps(frames, cut, ending), reported)
}

/// Where a body ends before its end.
#[derive(Clone, Copy, Debug)]
struct Truncation {
    /// Bytes of it that come.
    at: usize,
    /// With a reset; else as if that were all.
    is_reset: bool,
}

/// The steps of a whole body, and whether all of it comes.
pub(crate) fn body_steps(body: &Bytes, effects: &FaultEffects) -> (Vec<BodyStep>, bool) {
    let pieces = |count: usize| body.slice(..body.len().min(count.saturating_mul(PIECE_BYTES)));
    let (kept, cut, ending, whole) = match effects.action() {
        Some(FaultAction::NoFirstByte) => (Bytes::new(), None, Some(BodyStep::Hang), true),
        Some(FaultAction::RoleThenStall) => (pieces(1), None, Some(BodyStep::Hang), true),
        Some(FaultAction::Stall(count)) => (pieces(*count), None, Some(BodyStep::Hang), true),
        Some(FaultAction::Truncate(count)) => (pieces(*count), None, None, false),
        Some(FaultAction::ResetAfter(bytes)) => {
            (body.clone(), Some(Truncation { at: *bytes, is_reset: true }), None, true)
        }
        Some(FaultAction::EndAfter(bytes)) => {
            (body.clone(), Some(Truncation { at: *bytes, is_reset: false }), None, false)
        }
        _ => (body.clone(), None, None, true),
    };
    let pace = effects.delivery();
    let frames = match pace.drip {
        Some(_) => (0..kept.len())
            .step_by(PIECE_BYTES)
            .map(|at| kept.slice(at..kept.len().min(at + PIECE_BYTES)))
            .collect(),
        None if kept.is_empty() => Vec::new(),
        None => vec![kept],
    };
    (pace.steps(frames, cut, ending), whole)
}

impl Delivery {
    /// Frames as steps: cut to `split` bytes, paused before by `drip`, reset at byte `cut`.
    fn steps(self, frames: Vec<Bytes>, cut: Option<Truncation>, ending: Option<BodyStep>) -> Vec<BodyStep> {
        let mut frames = frames;
        if let Some(size) = self.split {
            let all: Vec<u8> = frames.iter().flat_map(|frame| frame.iter().copied()).collect();
            frames = all.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
        }
        let mut left = cut.map_or(usize::MAX, |cut| cut.at);
        let mut steps = Vec::with_capacity(frames.len() + 2);
        for mut frame in frames {
            if frame.len() > left {
                frame.truncate(left);
            }
            left -= frame.len();
            if !frame.is_empty() {
                steps.extend(self.drip.map(|pause| BodyStep::Pause(Duration::from_millis(pause))));
                steps.push(BodyStep::Bytes(frame));
                steps.extend(self.split.map(|_| BodyStep::Flush));
            }
            if left == 0 {
                break;
            }
        }
        if cut.is_some_and(|cut| cut.is_reset) {
            steps.extend([BodyStep::Flush, BodyStep::Reset]);
        } else {
            steps.extend(ending);
        }
        steps
    }
}

/// Cuts or corrupts the events. Returns how the body ends if it does not end cleanly.
fn apply_to_events(
    exchange: &ResponseContext,
    events: &mut Vec<SseEvent>,
    kind: Option<&FaultAction>,
) -> Option<BodyStep> {
    match kind? {
        FaultAction::NoFirstByte => {
            events.clear();
            Some(BodyStep::Hang)
        }
        FaultAction::RoleThenStall => {
            let role = events.iter().position(|event| event.kind == EventKind::Role);
            events.truncate(role.map_or(0, |at| at + 1));
            Some(BodyStep::Hang)
        }
        FaultAction::Stall(count) => {
            events.truncate(index_after_content(events, *count));
            Some(BodyStep::Hang)
        }
        FaultAction::Truncate(count) => {
            events.truncate(index_after_content(events, *count));
            None
        }
        FaultAction::TruncateNoDone => {
            events.retain(|event| event.kind != EventKind::Done);
            None
        }
        FaultAction::MalformedJson(count) => {
            let at = index_after_content(events, *count);
            let broken = events.get(at).map_or_else(String::new, |event| event.text.clone());
            let text = broken.get(..broken.len() / 2).unwrap_or("data: {\"id\":").to_owned();
            let broken = SseEvent { kind: EventKind::Other, text };
            match events.get_mut(at) {
                Some(event) if event.kind == EventKind::Content => *event = broken,
                _ => events.insert(at, broken),
            }
            None
        }
        FaultAction::MalformedSse(count) => {
            events.truncate(index_after_content(events, *count));
            let text = "<<<this is not an event stream>>>\n{\"oops\": [1, 2,\nnodata".to_owned();
            events.push(SseEvent { kind: EventKind::Other, text });
            None
        }
        FaultAction::ErrorChunk(count) => {
            replace_with_error(exchange, events, *count);
            None
        }
        _ => None,
    }
}

/// Replaces all that follows `count` content chunks by an error, or all but the comments before the answer.
fn replace_with_error(exchange: &ResponseContext, events: &mut Vec<SseEvent>, count: Option<usize>) {
    let comments = events.iter().take_while(|event| event.kind == EventKind::Comment).count();
    events.truncate(count.map_or(comments, |count| index_after_content(events, count)));
    let error = api::error_event(exchange, events);
    events.push(error);
}

/// The position after `count` content chunks, in any case before the finish.
fn index_after_content(events: &[SseEvent], count: usize) -> usize {
    let ends = |event: &SseEvent| matches!(event.kind, EventKind::Finish | EventKind::Done);
    let finish = events.iter().position(ends).unwrap_or(events.len());
    let contents = events.iter().enumerate().filter(|(_, event)| event.kind == EventKind::Content);
    contents.map(|(at, _)| at).nth(count).unwrap_or(finish).min(finish)
}
