//! Streamed responses answers (OpenAI API reference: streaming responses, 2026).
//!
//! Finish and end are one event, `response.completed` or `response.incomplete`, which holds the whole answer again; an
//! answer that breaks ends with `response.failed` or `error`.

use std::borrow::Cow;

use bytes::Bytes;

use super::error::{EMPTY_ANSWER, server_failure, truncated_failure};
use super::output::{self, Output};
use super::stream::{ApiStream, NamedEvent, StreamFlow, read_named_event};
use super::{ContentBytes, Meter, decoded_length};
use crate::failure::Failure;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::Frame;
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;

mod complete;
mod item;

pub(super) use complete::read_complete;

/// Reads one streamed answer.
#[derive(Debug)]
pub(super) struct ResponsesStream {
    classifier: Classifier,
    plan: AnswerPlan,
    meter: Meter,
    content_bytes: ContentBytes,
    /// Text, reasoning or a call was read.
    has_content: bool,
}

impl ResponsesStream {
    /// At the start of an answer.
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self {
            classifier,
            plan,
            meter: Meter::default(),
            content_bytes: ContentBytes::default(),
            has_content: false,
        }
    }

    /// Updates the state from an event; returns whether the event has visible content.
    fn update_meter(&mut self, text: &[u8], event: &ObjectView<'_>, kind: &str) -> bool {
        let count = match kind {
            "response.output_text.delta" | "response.refusal.delta" => &mut self.content_bytes.text,
            "response.reasoning_text.delta"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning.delta" => &mut self.content_bytes.reasoning,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                &mut self.content_bytes.tool_calls
            }
            "response.output_item.added" | "response.output_item.done" => {
                let item = event.object("item");
                if let Some(item) = item.as_ref().filter(|_| kind.ends_with("added")) {
                    self.content_bytes.tool_calls += decoded_length(text, item.span("name").as_ref());
                }
                return item.is_some_and(|item| item::item_has_content(&item));
            }
            _ => return false,
        };
        *count += decoded_length(text, event.span("delta").as_ref());
        event.has_text("delta")
    }

    /// The end of the answer; `ended` is its event's word for it.
    fn process_finish(
        &mut self,
        text: &[u8],
        response: Option<&ObjectView<'_>>,
        ended: &str,
    ) -> Result<(), Failure> {
        self.meter.finish_reason =
            response.and_then(item::read_finish_reason).or_else(|| Some(ended.to_owned()));
        let Some(response) = response else {
            return if self.has_content { Ok(()) } else { Err(server_failure(EMPTY_ANSWER)) };
        };
        item::check_status(&self.classifier, text, response)?;
        self.meter.usage = item::read_usage(response);
        self.has_content |= item::response_has_content(response);
        if !self.has_content && !self.plan.is_continuation && item::requires_content(response) {
            return Err(server_failure(EMPTY_ANSWER));
        }
        Ok(())
    }

    fn process_event(
        &mut self,
        frame: &Frame,
        payload: &Bytes,
        event: &ObjectView<'_>,
        out: &mut Output,
    ) -> Result<StreamFlow, Failure> {
        let kind = event.string_or_empty("type");
        let response = event.object("response");
        if let Some(response) = &response {
            self.meter.model =
                self.meter.model.take().or_else(|| response.string("model").map(Cow::into_owned));
        }
        let flow = match &*kind {
            "response.completed" | "response.incomplete" | "response.done" => StreamFlow::Done,
            "response.failed" | "response.cancelled" => {
                return Err(item::build_failure(&self.classifier, payload, response.as_ref(), &kind));
            }
            _ => StreamFlow::Continue,
        };
        if flow == StreamFlow::Done {
            self.process_finish(payload, response.as_ref(), kind.trim_start_matches("response."))?;
        }
        let says_something = self.update_meter(payload, event, &kind);
        self.has_content |= says_something;
        let mut edits = Edits::new();
        item::restore_names(payload, event, response.as_ref(), &self.plan, &mut edits);
        out.outcome.has_content |= says_something || flow == StreamFlow::Done;
        if edits.is_empty() {
            out.forward_frame(frame);
        } else {
            out.append(output::edit_frame(frame, payload, edits), 1);
        }
        Ok(flow)
    }
}

impl ApiStream for ResponsesStream {
    fn process_frame(&mut self, frame: &Frame, out: &mut Output) -> Result<StreamFlow, Failure> {
        let payload = frame.data();
        let (payload, event) = match read_named_event(&self.classifier, frame, payload.as_ref(), out)? {
            NamedEvent::Ignored => return Ok(StreamFlow::Continue),
            NamedEvent::Done => return Err(truncated_failure(MISSING_END)),
            NamedEvent::Event(payload, event) => (payload, event),
        };
        self.process_event(frame, payload, &event, out)
    }

    fn process_end(&mut self, _usage: Option<TokenUsage>, _out: &mut Output) -> Result<(), Failure> {
        Err(truncated_failure(MISSING_END))
    }

    fn render_missing_end(&self, _usage: Option<TokenUsage>) -> Option<Segments> {
        None
    }

    fn take_withheld(&mut self) -> Segments {
        Segments::default()
    }

    fn content_bytes(&self) -> ContentBytes {
        self.content_bytes
    }

    fn meter(&self) -> &Meter {
        &self.meter
    }
}

const MISSING_END: &str = "the answer ended without response.completed";
