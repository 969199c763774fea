//! Messages responses, streamed and whole (Anthropic API reference: streaming messages, 2026-10).
//!
//! `message_start`, blocks, `message_delta` with the `stop_reason` and the usage, `message_stop`. OpenRouter adds
//! `data: [DONE]`, on which Anthropic's SDKs stumble; Moonshot sends neither pings nor error events.

use std::borrow::Cow;

use bytes::Bytes;

use super::body::{self, EMPTY_ANSWER, NOT_JSON, server_failure, truncated_failure};
use super::leak::{begins_with_section, broken_section};
use super::meter::{ContentBytes, Meter, decoded_length};
use super::output::{self, ApiStream, FinishGate, NamedEvent, Output, StreamFlow, read_named_event};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, Segments};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::Frame;
use crate::protocol::usage::TokenUsage;
use crate::provider::classify::Classifier;
use crate::provider::rewrite::AnswerPlan;
use leaked_calls::LeakedCallBlocks;

mod leaked_calls;

const MESSAGE_STOP_EVENT: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

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
    is_finished: bool,
    finish_gate: FinishGate,
    leaks: LeakedCallBlocks,
    /// The open block has a piece of its signature.
    has_signature: bool,
}

impl MessagesStream {
    pub(super) fn new(classifier: Classifier, plan: AnswerPlan) -> Self {
        Self {
            classifier,
            plan,
            meter: Meter::default(),
            content_bytes: ContentBytes::default(),
            initial_usage: None,
            has_content: false,
            is_finished: false,
            finish_gate: FinishGate::default(),
            leaks: LeakedCallBlocks::default(),
            has_signature: false,
        }
    }

    fn check_end(&self) -> Result<(), Failure> {
        if !self.is_finished {
            return Err(truncated_failure("the response ended without a stop_reason"));
        }
        if self.finish_gate.is_closed() {
            return Err(server_failure(EMPTY_ANSWER));
        }
        Ok(())
    }

    /// Updates the state from an event; returns whether the event has visible content.
    fn update_meter(&mut self, text: &[u8], event: &ObjectView<'_>, kind: &str) -> bool {
        match kind {
            "message_start" => {
                if let Some(message) = event.object("message") {
                    self.meter.provider = message.string("provider").map(Cow::into_owned);
                    self.meter.model =
                        self.meter.model.take().or_else(|| message.string("model").map(Cow::into_owned));
                    self.initial_usage = read_usage(&message, None);
                }
                false
            }
            "content_block_start" => {
                let block = event.object("content_block");
                block.is_some_and(|block| read_block(text, &block, &mut self.content_bytes))
            }
            "content_block_delta" => {
                let delta = event.object("delta");
                delta.is_some_and(|delta| read_delta(text, &delta, &mut self.content_bytes))
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
        if named && edits.is_empty() && !self.finish_gate.is_closed() {
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
        self.finish_gate.append(segments, 1, out);
    }

    /// Records content: a withheld finish was not the end.
    fn record_content(&mut self, out: &mut Output) {
        self.has_content = true;
        self.finish_gate.open(out);
        out.outcome.has_content = true;
    }

    fn process_event(
        &mut self,
        frame: &Frame,
        payload: &Bytes,
        event: &ObjectView<'_>,
        out: &mut Output,
    ) -> Result<StreamFlow, Failure> {
        let kind = event.string_or_empty("type");
        let had_content = self.has_content;
        let says_something = self.update_meter(payload, event, &kind);
        let thinking = event.object("delta").and_then(|delta| delta.escaped("thinking"));
        if self.plan.offers_tools && !had_content && thinking.is_some_and(begins_with_section) {
            return Err(broken_section());
        }
        if self.plan.offers_tools
            && let Some(frames) = self.leaks.process_event(event, &kind, &self.plan)
        {
            if !self.has_content && self.leaks.is_broken() {
                return Err(broken_section());
            }
            if !frames.is_empty() {
                self.record_content(out);
            }
            frames.into_iter().for_each(|frame| self.finish_gate.append(frame, 1, out));
            return Ok(StreamFlow::Continue);
        }
        if says_something {
            self.record_content(out);
        }
        let mut edits = Edits::new();
        self.leaks.renumber(event, &mut edits);
        if let Some(block) = event.object("content_block") {
            restore_block(payload, &block, &self.plan, &mut edits);
            self.has_signature = block.has_text("signature");
        }
        if let Some(delta) = event.object("delta").filter(|delta| delta.has_text("signature"))
            && !std::mem::replace(&mut self.has_signature, true)
        {
            self.plan.write_origin(&delta, "signature", &mut edits);
        }
        if kind == "message_delta" {
            let held = self.leaks.flush();
            if !held.is_empty() {
                self.record_content(out);
                self.finish_gate.append(held, 1, out);
            }
        }
        if kind == "message_delta" && self.is_finished {
            self.process_finish(event, &mut edits, out);
        }
        let events = out.outcome.event_count;
        self.append_frame(frame, payload, &kind, edits, out);
        if kind == "ping" {
            // Not an event of the response: a provider that thinks for long sends hundreds before it starts.
            out.outcome.event_count = events;
        }
        Ok(if kind == "message_stop" { StreamFlow::Done } else { StreamFlow::Continue })
    }

    /// The event with the `stop_reason`.
    fn process_finish(&mut self, event: &ObjectView<'_>, edits: &mut Edits, out: &mut Output) {
        if self.leaks.has_calls() && self.meter.finish_reason.as_deref() == Some("end_turn") {
            if let Some(reason) = event.object("delta").and_then(|delta| delta.span("stop_reason")) {
                edits.replace(reason, Bytes::from_static(b"\"tool_use\""));
            }
            self.meter.finish_reason = Some("tool_use".to_owned());
        }
        if !self.has_content
            && !self.plan.is_continuation
            && requires_content(self.meter.finish_reason.as_deref())
        {
            self.finish_gate.close();
        }
        out.outcome.has_content |= !self.finish_gate.is_closed();
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
        self.process_event(frame, payload, &event, out)
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
        let finished = self.is_finished && !self.finish_gate.is_closed();
        finished.then(|| Segments::from_bytes(Bytes::from_static(MESSAGE_STOP_EVENT)))
    }

    fn take_withheld(&mut self) -> Segments {
        self.finish_gate.discard();
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

/// Reads a block, complete or at its start; returns whether it has content by itself.
fn read_block(text: &[u8], block: &ObjectView<'_>, content_bytes: &mut ContentBytes) -> bool {
    match &*block.string_or_empty("type") {
        "text" => {
            content_bytes.text += decoded_length(text, block.span("text").as_ref());
            block.has_text("text")
        }
        "thinking" => {
            content_bytes.reasoning += decoded_length(text, block.span("thinking").as_ref());
            block.has_text("thinking") || block.has_text("signature")
        }
        "redacted_thinking" => true,
        kind if kind.ends_with("tool_use") => {
            content_bytes.tool_calls += decoded_length(text, block.span("name").as_ref());
            content_bytes.tool_calls += decoded_length(text, block.span("input").as_ref());
            true
        }
        // Results of the provider's own tools, and later additions.
        kind => !kind.is_empty(),
    }
}

/// Reads a delta of a block; returns whether it has content.
fn read_delta(text: &[u8], delta: &ObjectView<'_>, content_bytes: &mut ContentBytes) -> bool {
    let (key, count) = match &*delta.string_or_empty("type") {
        "text_delta" => ("text", &mut content_bytes.text),
        "thinking_delta" => ("thinking", &mut content_bytes.reasoning),
        "input_json_delta" => ("partial_json", &mut content_bytes.tool_calls),
        "signature_delta" => return delta.has_text("signature"),
        _ => return true,
    };
    *count += decoded_length(text, delta.span(key).as_ref());
    delta.has_text(key)
}

/// Gives a block the client's tool name and the origin of its sealed value.
fn restore_block(text: &[u8], block: &ObjectView<'_>, plan: &AnswerPlan, edits: &mut Edits) {
    match &*block.string_or_empty("type") {
        "tool_use" => plan.restore_name(text, block.span("name").as_ref(), edits),
        "thinking" => plan.write_origin(block, "signature", edits),
        "redacted_thinking" => plan.write_origin(block, "data", edits),
        _ => {}
    }
}

/// Whether an empty response is a failure; after the output limit, a filter or a stop sequence it is not.
fn requires_content(stop_reason: Option<&str>) -> bool {
    matches!(stop_reason, Some("end_turn" | "tool_use"))
}

/// Reads a whole response.
///
/// # Errors
/// When it holds an error object, is not JSON, or is empty.
pub(super) fn read_complete(
    classifier: &Classifier,
    plan: &AnswerPlan,
    body: &Bytes,
) -> Result<(Segments, Meter), Failure> {
    let answer = ObjectView::parse_strict(body).map_err(|_| server_failure(NOT_JSON))?;
    if answer.string_or_empty("type") == "error" || body::has_error(&answer) {
        return Err(body::classify_body(classifier, body));
    }
    if !answer.has_array("content") {
        return Err(server_failure("the response has no content"));
    }
    let mut meter = Meter {
        usage: read_usage(&answer, None),
        finish_reason: answer.string("stop_reason").map(Cow::into_owned),
        model: answer.string("model").map(Cow::into_owned),
        provider: answer.string("provider").map(Cow::into_owned),
    };
    let mut edits = Edits::new();
    let mut has_substance = false;
    for block in answer.objects("content") {
        has_substance |= read_block(body, &block, &mut ContentBytes::default());
        restore_block(body, &block, plan, &mut edits);
        let text = block.escaped("text").or_else(|| block.escaped("thinking"));
        let begins = text.is_some_and(begins_with_section);
        let is_repaired = begins && leaked_calls::replace_block(&block, plan).is_some();
        if plan.offers_tools && begins && !is_repaired {
            return Err(broken_section());
        }
        if plan.offers_tools
            && let Some(blocks) = leaked_calls::replace_block(&block, plan)
        {
            edits.replace(block.extent(), blocks);
            if meter.finish_reason.as_deref() == Some("end_turn") {
                meter.finish_reason = Some("tool_use".to_owned());
                edits.replace(
                    answer.span("stop_reason").unwrap_or_default(),
                    Bytes::from_static(b"\"tool_use\""),
                );
            }
        }
    }
    if !has_substance && !plan.is_continuation && requires_content(meter.finish_reason.as_deref()) {
        return Err(server_failure(EMPTY_ANSWER));
    }
    Ok((edits.apply(body), meter))
}
