//! Streamed messages answers (Anthropic API reference: streaming messages, 2026-10).
//!
//! `message_start`, blocks, `message_delta` with the `stop_reason` and the usage, `message_stop`. OpenRouter adds
//! `data: [DONE]`, on which Anthropic's SDKs stumble; Moonshot sends neither pings nor error events.

use std::borrow::Cow;

use bytes::Bytes;

use super::output::{self, Output};
use super::refusal::{EMPTY, server, truncated};
use super::stream::{Flow, Reading, Told, told};
use super::{Meter, Volume, length};
use crate::failure::Failure;
use crate::protocol::alike::{Alike, Lone};
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::pattern::{Found, Pattern};
use crate::protocol::sse::Frame;
use crate::protocol::usage::Usage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;
use leaked::Leaks;

mod block;
mod leaked;
mod whole;

pub(super) use whole::whole;

const STOP: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Reads one streamed answer.
#[derive(Debug)]
pub(super) struct MessagesStream {
    classifier: Classifier,
    plan: AnswerPlan,
    meter: Meter,
    volume: Volume,
    /// What `message_start` told. Its output is a beginning, so it becomes the meter's with `message_delta` only.
    begun_with: Option<Usage>,
    /// Text, thinking, a tool call or another block was read.
    has_substance: bool,
    /// The `stop_reason` was read.
    finished: bool,
    /// The finish of an answer that is empty so far, and the frames after it.
    withheld: Option<(Segments, usize)>,
    leaks: Leaks,
    alike: Alike,
}

impl MessagesStream {
    /// At the start of an answer.
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self {
            classifier,
            plan,
            meter: Meter::default(),
            volume: Volume::default(),
            begun_with: None,
            has_substance: false,
            finished: false,
            withheld: None,
            leaks: Leaks::default(),
            alike: Alike::default(),
        }
    }

    fn check_end(&self) -> Result<(), Failure> {
        if !self.finished {
            return Err(truncated("the answer ended without a stop_reason"));
        }
        if self.withheld.is_some() {
            return Err(server(EMPTY));
        }
        Ok(())
    }

    /// Learns from an event; tells whether it says something that a person would notice.
    fn learn(&mut self, text: &[u8], event: &Object<'_>, kind: &str) -> bool {
        match kind {
            "message_start" => {
                if let Some(message) = event.object("message") {
                    self.meter.model =
                        self.meter.model.take().or_else(|| message.string("model").map(Cow::into_owned));
                    self.begun_with = usage(&message, None);
                }
                false
            }
            "content_block_start" => {
                let block = event.object("content_block");
                block.is_some_and(|block| block::read(text, &block, &mut self.volume))
            }
            "content_block_delta" => {
                let delta = event.object("delta");
                delta.is_some_and(|delta| block::read_delta(text, &delta, &mut self.volume))
            }
            "message_delta" => {
                if let Some(reason) = event.object("delta").and_then(|delta| delta.string("stop_reason")) {
                    self.meter.finish = Some(reason.into_owned());
                    self.finished = true;
                }
                if let Some(usage) = usage(event, self.meter.usage.or(self.begun_with)) {
                    self.meter.usage = Some(usage);
                }
                false
            }
            _ => false,
        }
    }

    fn put(&mut self, frame: &Frame, payload: &Bytes, kind: &str, edits: Edits, out: &mut Output) {
        // The SDKs go by the event's name.
        let named = frame.event().is_some() || kind.is_empty();
        if named && edits.is_empty() && self.withheld.is_none() {
            out.pass(frame);
            return;
        }
        let mut segments = Segments::default();
        if !named {
            segments.push(format!("event: {kind}\n").into());
        }
        segments.append(if edits.is_empty() {
            output::whole(frame)
        } else {
            output::edited(frame, payload, edits)
        });
        self.put_segments(segments, out);
    }

    fn put_segments(&mut self, segments: Segments, out: &mut Output) {
        match &mut self.withheld {
            None => out.put(segments, 1),
            Some((held, frames)) => {
                held.append(segments);
                *frames += 1;
            }
        }
    }

    /// Something was said: what was kept back as a finish of nothing was not the end.
    fn speak(&mut self, out: &mut Output) {
        self.has_substance = true;
        if let Some((held, frames)) = self.withheld.take() {
            out.put(held, frames);
        }
        out.step.meaningful = true;
    }

    fn take_event(&mut self, frame: &Frame, payload: &Bytes, event: &Object<'_>, out: &mut Output) -> Flow {
        let kind = event.word("type");
        let says_something = self.learn(payload, event, &kind);
        if self.plan.offers_tools
            && let Some(frames) = self.leaks.take(event, &kind, &self.plan)
        {
            if !frames.is_empty() {
                self.speak(out);
            }
            frames.into_iter().for_each(|frame| self.put_segments(frame, out));
            return Flow::On;
        }
        if says_something {
            self.speak(out);
        }
        let mut edits = Edits::new();
        self.leaks.renumber(event, &mut edits);
        if let Some(block) = event.object("content_block") {
            block::restore_name(payload, &block, &self.plan, &mut edits);
        }
        if kind == "message_delta" {
            let held = self.leaks.give_up();
            if !held.is_empty() {
                self.speak(out);
                self.put_segments(held, out);
            }
        }
        if kind == "message_delta" && self.finished {
            self.finish(event, &mut edits, out);
        }
        if says_something && edits.is_empty() && self.leaks.is_idle() && frame.event().is_some() {
            self.alike.learn(frame, Lone::of_event(event).as_ref());
        }
        let events = out.step.frames;
        self.put(frame, payload, &kind, edits, out);
        if kind == "ping" {
            // No event of the answer: a provider that thinks for long sends hundreds before it begins.
            out.step.frames = events;
        }
        if kind == "message_stop" { Flow::Done } else { Flow::On }
    }

    /// The event with the `stop_reason`.
    fn finish(&mut self, event: &Object<'_>, edits: &mut Edits, out: &mut Output) {
        if self.leaks.any() && self.meter.finish.as_deref() == Some("end_turn") {
            if let Some(reason) = event.object("delta").and_then(|delta| delta.span("stop_reason")) {
                edits.replace(reason, Bytes::from_static(b"\"tool_use\""));
            }
            self.meter.finish = Some("tool_use".to_owned());
        }
        if !self.has_substance && !self.plan.goes_on && self.promises_substance() {
            self.withheld.get_or_insert_default();
        }
        out.step.meaningful |= self.withheld.is_none();
    }

    /// With these an empty answer is a broken one; the output limit, a filter or a stop sequence may leave nothing.
    fn promises_substance(&self) -> bool {
        block::promises_substance(self.meter.finish.as_deref())
    }
}

impl Reading for MessagesStream {
    fn take(&mut self, frame: &Frame, out: &mut Output) -> Result<Flow, Failure> {
        let payload = frame.data();
        let (payload, event) = match told(&self.classifier, frame, payload.as_ref(), out)? {
            Told::Nothing => return Ok(Flow::On),
            Told::Done => {
                self.check_end()?;
                out.put(Segments::whole(Bytes::from_static(STOP)), 1);
                return Ok(Flow::Done);
            }
            Told::Event(payload, event) => (payload, event),
        };
        if event.word("type") == "message_stop" {
            self.check_end()?;
        }
        Ok(self.take_event(frame, payload, &event, out))
    }

    fn pattern(&self) -> Option<&Pattern> {
        self.alike.pattern()
    }

    fn take_alike(&mut self, frame: &Found, out: &mut Output) -> bool {
        let passes = self.leaks.is_idle() && self.withheld.is_none();
        passes && out.take_alike(frame, &mut self.alike, &mut self.volume, self.plan.offers_tools)
    }

    fn end(&mut self, usage: Option<Usage>, out: &mut Output) -> Result<(), Failure> {
        self.check_end()?;
        if let Some(end) = self.conclude(usage) {
            out.put(end, 1);
        }
        Ok(())
    }

    fn conclude(&self, _usage: Option<Usage>) -> Option<Segments> {
        // The usage stood beside the stop_reason.
        let finished = self.finished && self.withheld.is_none();
        finished.then(|| Segments::whole(Bytes::from_static(STOP)))
    }

    fn give_up(&mut self) -> Segments {
        self.withheld = None;
        self.leaks.give_up()
    }

    fn volume(&self) -> Volume {
        self.volume
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

fn usage(of: &Object<'_>, before: Option<Usage>) -> Option<Usage> {
    let mut usage = before.unwrap_or_default();
    usage.update(Face::Messages, of.value("usage")?).then_some(usage)
}
