//! What faults make of an answer: its events or bytes become the steps of a body.

use std::time::Duration;

use bytes::Bytes;

use super::{Kind, Prefill, Verdict};
use crate::simulator::engine::Exchange;
use crate::simulator::engine::answer::{self, Answer};
use crate::simulator::engine::event::{Event, Kind as EventKind};
use crate::simulator::face::Face;
use crate::simulator::render;
use crate::simulator::script::Step;

/// A whole answer counts in pieces of so many bytes where a stream counts in chunks.
const PIECE: usize = 32;

/// What a model says that was asked to go on and begins to talk.
const PREAMBLE: &str = "Sure, here is the rest: ";

/// How fast and in what pieces a body goes out.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulator) struct Pace {
    drip: Option<u64>,
    split: Option<usize>,
}

impl Verdict {
    /// The pace that the faults order.
    pub(in crate::simulator) fn pace(&self) -> Pace {
        Pace { drip: self.drip, split: self.split }
    }

    /// Changes what is answered, where a fault does that.
    pub(in crate::simulator) fn change(&self, answer: &mut Answer, tool: Option<&str>) {
        match self.kind() {
            Some(Kind::Empty) => {
                (answer.reasoning, answer.text) = (String::new(), String::new());
                answer.calls.clear();
            }
            Some(Kind::LeakMarkup) => leak(answer, tool),
            Some(Kind::Prefill(Prefill::Preamble)) => answer.text.insert_str(0, PREAMBLE),
            Some(Kind::Prefill(Prefill::Thinks)) => answer.reasoning = "I go on where it ends.".into(),
            _ => return,
        }
        if !matches!(self.kind(), Some(Kind::Prefill(_))) {
            answer.finish = "stop";
        }
        answer::count(answer);
    }

    /// Whether an answer goes on from the beginning that its request brings.
    pub(in crate::simulator) fn goes_on(&self) -> bool {
        self.kind() != Some(&Kind::Prefill(Prefill::Restart))
    }
}

/// The calls as the text that Kimi's models sometimes leave them in.
fn leak(answer: &mut Answer, tool: Option<&str>) {
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

/// The steps of a streamed answer, and behind how many bytes its usage is out, if it comes.
pub(in crate::simulator) fn answer_steps(
    exchange: &Exchange,
    mut events: Vec<Event>,
    verdict: &Verdict,
) -> (Vec<Step>, Option<usize>) {
    if verdict.no_role {
        // Elsewhere the event that names the role carries more than that.
        events.retain(|event| event.kind != EventKind::Role || exchange.face != Face::Chat);
        for event in &mut events {
            event.text =
                event.text.replace(r#""role":"assistant","#, "").replace(r#""role":"assistant""#, "");
        }
    }
    let ending = break_events(exchange, &mut events, verdict.kind());
    let line = if verdict.crlf { "\r\n" } else { "\n" };
    let told = events.iter().position(Event::tells_usage);
    let frames = events.into_iter().map(|event| {
        let text = if verdict.crlf { event.text.replace('\n', line) } else { event.text };
        Bytes::from(format!("{text}{line}{line}"))
    });
    let frames: Vec<Bytes> = frames.collect();
    let told = told.map(|at| frames.iter().take(at + 1).map(Bytes::len).sum());
    let cut = match verdict.kind() {
        Some(Kind::ResetAfter(bytes)) => Some(Cut { at: *bytes, resets: true }),
        Some(Kind::EndAfter(bytes)) => Some(Cut { at: *bytes, resets: false }),
        _ => None,
    };
    (verdict.pace().steps(frames, cut, ending), told)
}

/// Where a body ends before its end.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Bytes of it that come.
    at: usize,
    /// With a reset; else as if that were all.
    resets: bool,
}

/// The steps of a whole body, and whether all of it comes.
pub(in crate::simulator) fn bytes_steps(body: &Bytes, verdict: &Verdict) -> (Vec<Step>, bool) {
    let pieces = |count: usize| body.slice(..body.len().min(count.saturating_mul(PIECE)));
    let (kept, cut, ending, whole) = match verdict.kind() {
        Some(Kind::NoFirstByte) => (Bytes::new(), None, Some(Step::Hang), true),
        Some(Kind::RoleThenStall) => (pieces(1), None, Some(Step::Hang), true),
        Some(Kind::Stall(count)) => (pieces(*count), None, Some(Step::Hang), true),
        Some(Kind::Truncate(count)) => (pieces(*count), None, None, false),
        Some(Kind::ResetAfter(bytes)) => (body.clone(), Some(Cut { at: *bytes, resets: true }), None, true),
        Some(Kind::EndAfter(bytes)) => (body.clone(), Some(Cut { at: *bytes, resets: false }), None, false),
        _ => (body.clone(), None, None, true),
    };
    let pace = verdict.pace();
    let frames = match pace.drip {
        Some(_) => {
            (0..kept.len()).step_by(PIECE).map(|at| kept.slice(at..kept.len().min(at + PIECE))).collect()
        }
        None if kept.is_empty() => Vec::new(),
        None => vec![kept],
    };
    (pace.steps(frames, cut, ending), whole)
}

impl Pace {
    /// Frames as steps: cut to `split` bytes, paused before by `drip`, reset at byte `cut`.
    fn steps(self, frames: Vec<Bytes>, cut: Option<Cut>, ending: Option<Step>) -> Vec<Step> {
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
                steps.extend(self.drip.map(|pause| Step::Pause(Duration::from_millis(pause))));
                steps.push(Step::Bytes(frame));
                steps.extend(self.split.map(|_| Step::Flush));
            }
            if left == 0 {
                break;
            }
        }
        if cut.is_some_and(|cut| cut.resets) {
            steps.extend([Step::Flush, Step::Reset]);
        } else {
            steps.extend(ending);
        }
        steps
    }
}

/// Cuts or spoils the events; says how the body ends when it does not end cleanly.
fn break_events(exchange: &Exchange, events: &mut Vec<Event>, kind: Option<&Kind>) -> Option<Step> {
    match kind? {
        Kind::NoFirstByte => {
            events.clear();
            Some(Step::Hang)
        }
        Kind::RoleThenStall => {
            let role = events.iter().position(|event| event.kind == EventKind::Role);
            events.truncate(role.map_or(0, |at| at + 1));
            Some(Step::Hang)
        }
        Kind::Stall(count) => {
            events.truncate(behind(events, *count));
            Some(Step::Hang)
        }
        Kind::Truncate(count) => {
            events.truncate(behind(events, *count));
            None
        }
        Kind::TruncateNoDone => {
            events.retain(|event| event.kind != EventKind::Done);
            None
        }
        Kind::MalformedJson(count) => {
            let at = behind(events, *count);
            let broken = events.get(at).map_or_else(String::new, |event| event.text.clone());
            let text = broken.get(..broken.len() / 2).unwrap_or("data: {\"id\":").to_owned();
            let broken = Event { kind: EventKind::Foreign, text };
            match events.get_mut(at) {
                Some(event) if event.kind == EventKind::Content => *event = broken,
                _ => events.insert(at, broken),
            }
            None
        }
        Kind::MalformedSse(count) => {
            events.truncate(behind(events, *count));
            let text = "<<<this is not an event stream>>>\n{\"oops\": [1, 2,\nnodata".to_owned();
            events.push(Event { kind: EventKind::Foreign, text });
            None
        }
        Kind::ErrorChunk(count) => {
            fail(exchange, events, *count);
            None
        }
        _ => None,
    }
}

/// An error takes the place of all that follows `count` content chunks, or of all but the comments before the answer.
fn fail(exchange: &Exchange, events: &mut Vec<Event>, count: Option<usize>) {
    let comments = events.iter().take_while(|event| event.kind == EventKind::Comment).count();
    events.truncate(count.map_or(comments, |count| behind(events, count)));
    let error = render::error_event(exchange, events);
    events.push(error);
}

/// The place behind `count` content chunks, in any case before the finish.
fn behind(events: &[Event], count: usize) -> usize {
    let ends = |event: &Event| matches!(event.kind, EventKind::Finish | EventKind::Done);
    let finish = events.iter().position(ends).unwrap_or(events.len());
    let contents = events.iter().enumerate().filter(|(_, event)| event.kind == EventKind::Content);
    contents.map(|(at, _)| at).nth(count).unwrap_or(finish).min(finish)
}
