//! Streamed responses answers (OpenAI API reference: streaming responses, 2026).
//!
//! Finish and end are one event, `response.completed` or `response.incomplete`, which holds the whole answer again; an
//! answer that breaks ends with `response.failed` or `error`.

use std::borrow::Cow;

use bytes::Bytes;

use super::output::{self, Output};
use super::refusal::{EMPTY, server, truncated};
use super::stream::{Flow, Reading, Told, told};
use super::{Meter, Volume, length};
use crate::failure::Failure;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::Object;
use crate::protocol::sse::Frame;
use crate::protocol::usage::Usage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

mod item;
mod whole;

pub(super) use whole::whole;

/// Reads one streamed answer.
#[derive(Debug)]
pub(super) struct ResponsesStream {
    classifier: Classifier,
    plan: AnswerPlan,
    meter: Meter,
    volume: Volume,
    /// Text, reasoning or a call was read.
    has_substance: bool,
}

impl ResponsesStream {
    /// At the start of an answer.
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self { classifier, plan, meter: Meter::default(), volume: Volume::default(), has_substance: false }
    }

    /// Learns from an event; tells whether it says something that a person would notice.
    fn learn(&mut self, text: &[u8], event: &Object<'_>, kind: &str) -> bool {
        let count = match kind {
            "response.output_text.delta" | "response.refusal.delta" => &mut self.volume.text,
            "response.reasoning_text.delta"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning.delta" => &mut self.volume.reasoning,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                &mut self.volume.calls
            }
            "response.output_item.added" | "response.output_item.done" => {
                let item = event.object("item");
                if let Some(item) = item.as_ref().filter(|_| kind.ends_with("added")) {
                    self.volume.calls += length(text, item.span("name").as_ref());
                }
                return item.is_some_and(|item| item::says_something(&item));
            }
            _ => return false,
        };
        *count += length(text, event.span("delta").as_ref());
        event.says("delta")
    }

    /// The end of the answer; `ended` is its event's word for it.
    fn finish(&mut self, text: &[u8], response: Option<&Object<'_>>, ended: &str) -> Result<(), Failure> {
        self.meter.finish = response.and_then(item::finish).or_else(|| Some(ended.to_owned()));
        let Some(response) = response else {
            return if self.has_substance { Ok(()) } else { Err(server(EMPTY)) };
        };
        item::check(&self.classifier, text, response)?;
        self.meter.usage = item::usage(response);
        self.has_substance |= item::has_substance(response);
        if !self.has_substance && !self.plan.goes_on && item::promises_substance(response) {
            return Err(server(EMPTY));
        }
        Ok(())
    }

    fn take_event(
        &mut self,
        frame: &Frame,
        payload: &Bytes,
        event: &Object<'_>,
        out: &mut Output,
    ) -> Result<Flow, Failure> {
        let kind = event.word("type");
        let response = event.object("response");
        if let Some(response) = &response {
            self.meter.model =
                self.meter.model.take().or_else(|| response.string("model").map(Cow::into_owned));
        }
        let flow = match &*kind {
            "response.completed" | "response.incomplete" | "response.done" => Flow::Done,
            "response.failed" | "response.cancelled" => {
                return Err(item::failure(&self.classifier, payload, response.as_ref(), &kind));
            }
            _ => Flow::On,
        };
        if flow == Flow::Done {
            self.finish(payload, response.as_ref(), kind.trim_start_matches("response."))?;
        }
        let says_something = self.learn(payload, event, &kind);
        self.has_substance |= says_something;
        let mut edits = Edits::new();
        item::restore_names(payload, event, response.as_ref(), &self.plan, &mut edits);
        out.step.meaningful |= says_something || flow == Flow::Done;
        if edits.is_empty() {
            out.pass(frame);
        } else {
            out.put(output::edited(frame, payload, edits), 1);
        }
        Ok(flow)
    }
}

impl Reading for ResponsesStream {
    fn take(&mut self, frame: &Frame, out: &mut Output) -> Result<Flow, Failure> {
        let payload = frame.data();
        let (payload, event) = match told(&self.classifier, frame, payload.as_ref(), out)? {
            Told::Nothing => return Ok(Flow::On),
            Told::Done => return Err(truncated(CUT)),
            Told::Event(payload, event) => (payload, event),
        };
        self.take_event(frame, payload, &event, out)
    }

    fn end(&mut self, _usage: Option<Usage>, _out: &mut Output) -> Result<(), Failure> {
        Err(truncated(CUT))
    }

    fn conclude(&self, _usage: Option<Usage>) -> Option<Segments> {
        None
    }

    fn give_up(&mut self) -> Segments {
        Segments::default()
    }

    fn volume(&self) -> Volume {
        self.volume
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

const CUT: &str = "the answer ended without response.completed";
