//! Anthropic Messages, streamed. The order and the members of the events are those of Anthropic's streaming reference and
//! SDK types (`RawMessageStreamEvent`), 2026-11.

mod blocks;
mod follow;

use blocks::Frames;

use super::frame::{self, put, string};
use super::sequence::Sequence;
use crate::protocol::error::ErrorBody;
use crate::protocol::face::Face;
use crate::protocol::translate::echo::Echo;
use crate::protocol::translate::event::{Event, Finish};
use crate::protocol::usage::Usage;

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    echo: Echo,
    sequence: Sequence,
    frames: Frames,
    stage: Stage,
    usage: Option<Usage>,
    finish: Option<Finish>,
    refused: bool,
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing was written.
    Before,
    /// `message_start` was.
    Message,
    /// `message_delta` was.
    Finished,
    /// `message_stop` or an error was.
    Ended,
}

impl Writer {
    pub(super) fn new(echo: Echo) -> Self {
        Self {
            echo,
            sequence: Sequence::default(),
            frames: Frames::default(),
            stage: Stage::Before,
            usage: None,
            finish: None,
            refused: false,
        }
    }

    pub(super) fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.stage >= Stage::Finished {
            return;
        }
        match event {
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish(finish) => self.finish = Some(finish.clone()),
            Event::Start { id, model } => {
                self.start(id, model, out);
                self.sequence.take(event, &mut self.frames, out);
            }
            _ => {
                self.start("", "", out);
                self.refused |= matches!(event, Event::Refusal(_));
                self.sequence.take(event, &mut self.frames, out);
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.start("", "", out);
        if self.stage == Stage::Message {
            self.sequence.close_all(&mut self.frames, out);
            put(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
            write_stop(self.finish.as_ref(), self.sequence.calls() > 0, self.refused, out);
            put(out, "},\"usage\":");
            put(out, &self.usage.unwrap_or_default().to_json(Face::Messages));
            put(out, "}\n\n");
        }
        put(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        self.stage = Stage::Ended;
    }

    pub(super) fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage != Stage::Ended {
            self.stage = Stage::Ended;
            error.write_event(Face::Messages, out);
        }
    }

    pub(super) fn kept(&self) -> usize {
        self.sequence.kept()
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.stage != Stage::Before {
            return;
        }
        self.stage = Stage::Message;
        put(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{");
        write_head(&self.echo, id, model, out);
        put(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        put(out, &self.usage.unwrap_or_default().to_json(Face::Messages));
        put(out, "}}\n\n");
    }
}

/// Id, type, role and model of a message.
fn write_head(echo: &Echo, id: &str, model: &str, out: &mut Vec<u8>) {
    put(out, "\"id\":");
    string(out, &frame::id("msg_", id, &echo.id));
    put(out, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    string(out, if model.is_empty() { &echo.model } else { model });
}

/// `stop_reason` and `stop_sequence`. What a model refuses in chat or responses ends with an ordinary stop there.
fn write_stop(finish: Option<&Finish>, has_calls: bool, refused: bool, out: &mut Vec<u8>) {
    let mut sequence = None;
    let reason = match finish {
        None | Some(Finish::Stop) if has_calls => "tool_use",
        None | Some(Finish::Stop) if refused => "refusal",
        None | Some(Finish::Stop) => "end_turn",
        Some(Finish::StopSequence(said)) => {
            sequence = said.as_deref();
            "stop_sequence"
        }
        Some(Finish::Length) => "max_tokens",
        Some(Finish::Window) => "model_context_window_exceeded",
        Some(Finish::Calls) => "tool_use",
        Some(Finish::Filtered) => "refusal",
        Some(Finish::Pause) => "pause_turn",
    };
    put(out, "\"stop_reason\":");
    string(out, reason);
    put(out, ",\"stop_sequence\":");
    match sequence {
        Some(said) => string(out, said),
        None => put(out, "null"),
    }
}

/// A whole message.
pub(in crate::protocol::translate) fn whole(events: &[Event], echo: &Echo) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let (id, model) = events.iter().find_map(Event::names).unwrap_or_default();
    out.push(b'{');
    write_head(echo, id, model, &mut out);
    put(&mut out, ",\"content\":[");
    let (mut sequence, mut content) = (Sequence::default(), blocks::Content::default());
    for event in events {
        sequence.take(event, &mut content, &mut out);
    }
    sequence.close_all(&mut content, &mut out);
    put(&mut out, "],");
    let finish = events.iter().rev().find_map(Event::finish);
    let refused = events.iter().any(|event| matches!(event, Event::Refusal(_)));
    write_stop(finish, sequence.calls() > 0, refused, &mut out);
    put(&mut out, ",\"usage\":");
    let usage = events.iter().rev().find_map(Event::usage).copied().unwrap_or_default();
    put(&mut out, &usage.to_json(Face::Messages));
    out.push(b'}');
    out
}
