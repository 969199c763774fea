//! Streamed messages answers (Anthropic API reference: streaming messages, 2026-10).
//!
//! `message_start`, blocks, `message_delta` with the `stop_reason` and the usage, `message_stop`. OpenRouter adds
//! `data: [DONE]`, on which Anthropic's SDKs stumble; Moonshot sends neither pings nor error events.

use std::borrow::Cow;

use bytes::Bytes;

use super::error::{EMPTY_ANSWER, server_failure, truncated_failure};
use super::output::{self, Output};
use super::stream::{ApiStream, NamedEvent, StreamFlow, read_named_event};
use super::{ContentBytes, Meter, decoded_length};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::event_template::{EventTemplate, TemplateMatch};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::Frame;
use crate::protocol::template_learner::{SingleDelta, TemplateLearner};
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;
use leaked_calls::LeakedCallBlocks;

mod block;
mod complete;
mod leaked_calls;

pub(super) use complete::read_complete;

const MESSAGE_STOP_EVENT: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Reads one streamed answer.
#[derive(Debug)]
pub(super) struct MessagesStream {
    classifier: Classifier,
    plan: AnswerPlan,
    meter: Meter,
    content_bytes: ContentBytes,
    /// Usage from `message_start`. Its output count is preliminary, so it is metered only with `message_delta`.
    initial_usage: Option<TokenUsage>,
    /// Text, thinking, a tool call or another block was read.
    has_content: bool,
    /// The `stop_reason` was read.
    is_finished: bool,
    /// The finish of an answer that is empty so far, and the frames after it.
    withheld_finish: Option<(Segments, usize)>,
    leaks: LeakedCallBlocks,
    template_learner: TemplateLearner,
}

impl MessagesStream {
    /// At the start of an answer.
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self {
            classifier,
            plan,
            meter: Meter::default(),
            content_bytes: ContentBytes::default(),
            initial_usage: None,
            has_content: false,
            is_finished: false,
            withheld_finish: None,
            leaks: LeakedCallBlocks::default(),
            template_learner: TemplateLearner::default(),
        }
    }

    fn check_end(&self) -> Result<(), Failure> {
        if !self.is_finished {
            return Err(truncated_failure("the answer ended without a stop_reason"));
        }
        if self.withheld_finish.is_some() {
            return Err(server_failure(EMPTY_ANSWER));
        }
        Ok(())
    }

    /// Updates the state from an event; returns whether the event has visible content.
    fn update_meter(&mut self, text: &[u8], event: &ObjectView<'_>, kind: &str) -> bool {
        match kind {
            "message_start" => {
                if let Some(message) = event.object("message") {
                    self.meter.model =
                        self.meter.model.take().or_else(|| message.string("model").map(Cow::into_owned));
                    self.initial_usage = read_usage(&message, None);
                }
                false
            }
            "content_block_start" => {
                let block = event.object("content_block");
                block.is_some_and(|block| block::read_block(text, &block, &mut self.content_bytes))
            }
            "content_block_delta" => {
                let delta = event.object("delta");
                delta.is_some_and(|delta| block::read_delta(text, &delta, &mut self.content_bytes))
            }
            "message_delta" => {
                if let Some(reason) = event.object("delta").and_then(|delta| delta.string("stop_reason")) {
                    self.meter.finish_reason = Some(reason.into_owned());
                    self.is_finished = true;
                }
                if let Some(usage) = read_usage(event, self.meter.usage.or(self.initial_usage)) {
                    self.meter.usage = Some(usage);
                }
                false
            }
            _ => false,
        }
    }

    fn append_frame(&mut self, frame: &Frame, payload: &Bytes, kind: &str, edits: Edits, out: &mut Output) {
        // The SDKs go by the event's name.
        let named = frame.event_name().is_some() || kind.is_empty();
        if named && edits.is_empty() && self.withheld_finish.is_none() {
            out.forward_frame(frame);
            return;
        }
        let mut segments = Segments::default();
        if !named {
            segments.push(format!("event: {kind}\n").into());
        }
        segments.append(if edits.is_empty() {
            output::complete_frame(frame)
        } else {
            output::edit_frame(frame, payload, edits)
        });
        self.append(segments, out);
    }

    fn append(&mut self, segments: Segments, out: &mut Output) {
        match &mut self.withheld_finish {
            None => out.append(segments, 1),
            Some((held, frames)) => {
                held.append(segments);
                *frames += 1;
            }
        }
    }

    /// Something was said: what was kept back as a finish of nothing was not the end.
    fn record_content(&mut self, out: &mut Output) {
        self.has_content = true;
        if let Some((held, frames)) = self.withheld_finish.take() {
            out.append(held, frames);
        }
        out.outcome.has_content = true;
    }

    fn process_event(
        &mut self,
        frame: &Frame,
        payload: &Bytes,
        event: &ObjectView<'_>,
        out: &mut Output,
    ) -> StreamFlow {
        let kind = event.string_or_empty("type");
        let says_something = self.update_meter(payload, event, &kind);
        if self.plan.offers_tools
            && let Some(frames) = self.leaks.process_event(event, &kind, &self.plan)
        {
            if !frames.is_empty() {
                self.record_content(out);
            }
            frames.into_iter().for_each(|frame| self.append(frame, out));
            return StreamFlow::Continue;
        }
        if says_something {
            self.record_content(out);
        }
        let mut edits = Edits::new();
        self.leaks.renumber(event, &mut edits);
        if let Some(block) = event.object("content_block") {
            block::restore_name(payload, &block, &self.plan, &mut edits);
        }
        if kind == "message_delta" {
            let held = self.leaks.flush();
            if !held.is_empty() {
                self.record_content(out);
                self.append(held, out);
            }
        }
        if kind == "message_delta" && self.is_finished {
            self.process_finish(event, &mut edits, out);
        }
        if says_something && edits.is_empty() && self.leaks.is_idle() && frame.event_name().is_some() {
            self.template_learner.learn(frame, SingleDelta::from_messages_event(event).as_ref());
        }
        let events = out.outcome.event_count;
        self.append_frame(frame, payload, &kind, edits, out);
        if kind == "ping" {
            // No event of the answer: a provider that thinks for long sends hundreds before it begins.
            out.outcome.event_count = events;
        }
        if kind == "message_stop" { StreamFlow::Done } else { StreamFlow::Continue }
    }

    /// The event with the `stop_reason`.
    fn process_finish(&mut self, event: &ObjectView<'_>, edits: &mut Edits, out: &mut Output) {
        if self.leaks.has_calls() && self.meter.finish_reason.as_deref() == Some("end_turn") {
            if let Some(reason) = event.object("delta").and_then(|delta| delta.span("stop_reason")) {
                edits.replace(reason, Bytes::from_static(b"\"tool_use\""));
            }
            self.meter.finish_reason = Some("tool_use".to_owned());
        }
        if !self.has_content && !self.plan.is_continuation && self.requires_content() {
            self.withheld_finish.get_or_insert_default();
        }
        out.outcome.has_content |= self.withheld_finish.is_none();
    }

    /// With these an empty answer is a broken one; the output limit, a filter or a stop sequence may leave nothing.
    fn requires_content(&self) -> bool {
        block::requires_content(self.meter.finish_reason.as_deref())
    }
}

impl ApiStream for MessagesStream {
    fn process_frame(&mut self, frame: &Frame, out: &mut Output) -> Result<StreamFlow, Failure> {
        let payload = frame.data();
        let (payload, event) = match read_named_event(&self.classifier, frame, payload.as_ref(), out)? {
            NamedEvent::Ignored => return Ok(StreamFlow::Continue),
            NamedEvent::Done => {
                self.check_end()?;
                out.append(Segments::from_bytes(Bytes::from_static(MESSAGE_STOP_EVENT)), 1);
                return Ok(StreamFlow::Done);
            }
            NamedEvent::Event(payload, event) => (payload, event),
        };
        if event.string_or_empty("type") == "message_stop" {
            self.check_end()?;
        }
        Ok(self.process_event(frame, payload, &event, out))
    }

    fn template(&self) -> Option<&EventTemplate> {
        self.template_learner.template()
    }

    fn process_matching(&mut self, frame: &TemplateMatch, out: &mut Output) -> bool {
        let passes = self.leaks.is_idle() && self.withheld_finish.is_none();
        passes
            && out.forward_matching(
                frame,
                &mut self.template_learner,
                &mut self.content_bytes,
                self.plan.offers_tools,
            )
    }

    fn process_end(&mut self, usage: Option<TokenUsage>, out: &mut Output) -> Result<(), Failure> {
        self.check_end()?;
        if let Some(end) = self.render_missing_end(usage) {
            out.append(end, 1);
        }
        Ok(())
    }

    fn render_missing_end(&self, _usage: Option<TokenUsage>) -> Option<Segments> {
        // The usage stood beside the stop_reason.
        let finished = self.is_finished && self.withheld_finish.is_none();
        finished.then(|| Segments::from_bytes(Bytes::from_static(MESSAGE_STOP_EVENT)))
    }

    fn take_withheld(&mut self) -> Segments {
        self.withheld_finish = None;
        self.leaks.flush()
    }

    fn content_bytes(&self) -> ContentBytes {
        self.content_bytes
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

fn read_usage(of: &ObjectView<'_>, before: Option<TokenUsage>) -> Option<TokenUsage> {
    let mut usage = before.unwrap_or_default();
    usage.update(Api::Messages, of.value("usage")?).then_some(usage)
}
