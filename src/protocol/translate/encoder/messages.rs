//! Anthropic Messages, streamed. The order and the members of the events are those of Anthropic's streaming reference and
//! SDK types (`RawMessageStreamEvent`), 2026-11.

mod blocks;
mod observe;

use blocks::BlockEventWriter;

use super::primitives::{self, write_raw, write_string};
use super::sequencer::BlockSequencer;
use crate::protocol::api::Api;
use crate::protocol::error::ErrorBody;
use crate::protocol::translate::echo::RequestEcho;
use crate::protocol::translate::event::{FinishReason, ResponseEvent};
use crate::protocol::usage::TokenUsage;

/// See the module.
#[derive(Debug)]
pub(super) struct MessagesEncoder {
    echo: RequestEcho,
    sequencer: BlockSequencer,
    block_events: BlockEventWriter,
    stage: MessagesStage,
    usage: Option<TokenUsage>,
    finish_reason: Option<FinishReason>,
    has_refusal: bool,
}

/// The progress of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum MessagesStage {
    /// Nothing was written.
    NotStarted,
    /// `message_start` was.
    Started,
    /// `message_delta` was.
    StopSent,
    /// `message_stop` or an error was.
    Done,
}

impl MessagesEncoder {
    pub(super) fn new(echo: RequestEcho) -> Self {
        Self {
            echo,
            sequencer: BlockSequencer::default(),
            block_events: BlockEventWriter::default(),
            stage: MessagesStage::NotStarted,
            usage: None,
            finish_reason: None,
            has_refusal: false,
        }
    }

    pub(super) fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        if self.stage >= MessagesStage::StopSent {
            return;
        }
        match event {
            ResponseEvent::Usage(usage) => self.usage = Some(*usage),
            ResponseEvent::Finish(finish) => self.finish_reason = Some(finish.clone()),
            ResponseEvent::Start { id, model } => {
                self.write_start(id, model, out);
                self.sequencer.push(event, &mut self.block_events, out);
            }
            _ => {
                self.write_start("", "", out);
                self.has_refusal |= matches!(event, ResponseEvent::Refusal(_));
                self.sequencer.push(event, &mut self.block_events, out);
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == MessagesStage::Done {
            return;
        }
        self.write_start("", "", out);
        if self.stage == MessagesStage::Started {
            self.sequencer.close_all(&mut self.block_events, out);
            write_raw(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
            write_stop_reason(
                self.finish_reason.as_ref(),
                self.sequencer.call_count() > 0,
                self.has_refusal,
                out,
            );
            write_raw(out, "},\"usage\":");
            write_raw(out, &self.usage.unwrap_or_default().to_json(Api::Messages));
            write_raw(out, "}\n\n");
        }
        write_raw(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        self.stage = MessagesStage::Done;
    }

    pub(super) fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage != MessagesStage::Done {
            self.stage = MessagesStage::Done;
            error.write_event(Api::Messages, out);
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.sequencer.queued_bytes()
    }

    fn write_start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.stage != MessagesStage::NotStarted {
            return;
        }
        self.stage = MessagesStage::Started;
        write_raw(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{");
        write_head(&self.echo, id, model, out);
        write_raw(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        write_raw(out, &self.usage.unwrap_or_default().to_json(Api::Messages));
        write_raw(out, "}}\n\n");
    }
}

/// Id, type, role and model of a message.
fn write_head(echo: &RequestEcho, id: &str, model: &str, out: &mut Vec<u8>) {
    write_raw(out, "\"id\":");
    write_string(out, &primitives::make_id("msg_", id, &echo.id));
    write_raw(out, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    write_string(out, if model.is_empty() { &echo.model } else { model });
}

/// `stop_reason` and `stop_sequence`. A refusal in Chat Completions or Responses ends with an ordinary stop.
fn write_stop_reason(finish: Option<&FinishReason>, has_calls: bool, refused: bool, out: &mut Vec<u8>) {
    let mut sequence = None;
    let reason = match finish {
        None | Some(FinishReason::Stop) if has_calls => "tool_use",
        None | Some(FinishReason::Stop) if refused => "refusal",
        None | Some(FinishReason::Stop) => "end_turn",
        Some(FinishReason::StopSequence(said)) => {
            sequence = said.as_deref();
            "stop_sequence"
        }
        Some(FinishReason::MaxTokens) => "max_tokens",
        Some(FinishReason::ContextWindow) => "model_context_window_exceeded",
        Some(FinishReason::ToolCalls) => "tool_use",
        Some(FinishReason::ContentFilter) => "refusal",
        Some(FinishReason::Pause) => "pause_turn",
    };
    write_raw(out, "\"stop_reason\":");
    write_string(out, reason);
    write_raw(out, ",\"stop_sequence\":");
    match sequence {
        Some(said) => write_string(out, said),
        None => write_raw(out, "null"),
    }
}

/// A whole message.
pub(in crate::protocol::translate) fn encode_response(
    events: &[ResponseEvent],
    echo: &RequestEcho,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let (id, model) = events.iter().find_map(ResponseEvent::id_and_model).unwrap_or_default();
    out.push(b'{');
    write_head(echo, id, model, &mut out);
    write_raw(&mut out, ",\"content\":[");
    let (mut sequence, mut content) = (BlockSequencer::default(), blocks::BlockArrayWriter::default());
    for event in events {
        sequence.push(event, &mut content, &mut out);
    }
    sequence.close_all(&mut content, &mut out);
    write_raw(&mut out, "],");
    let finish = events.iter().rev().find_map(ResponseEvent::finish_reason);
    let refused = events.iter().any(|event| matches!(event, ResponseEvent::Refusal(_)));
    write_stop_reason(finish, sequence.call_count() > 0, refused, &mut out);
    write_raw(&mut out, ",\"usage\":");
    let usage = events.iter().rev().find_map(ResponseEvent::usage).copied().unwrap_or_default();
    write_raw(&mut out, &usage.to_json(Api::Messages));
    out.push(b'}');
    out
}
