//! Messages responses, streamed and whole. The order and the members of the events are those of Anthropic's streaming
//! reference and SDK types (`RawMessageStreamEvent`), 2026-11.

use super::blocks::{BlockArrayWriter, BlockEventWriter, DeltaKind};
use crate::protocol::api::Api;
use crate::protocol::codec::ApiEncoder;
use crate::protocol::codec::sequencer::{BlockSequencer, JsonProgress, OpenBlock};
use crate::protocol::error::ErrorBody;
use crate::protocol::model::answer::{FinishReason, RequestEcho, ResponseEvent};
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;
use crate::protocol::writer::{ObjectWriter, write_event, write_object};

#[derive(Debug)]
pub(crate) struct MessagesEncoder {
    echo: RequestEcho,
    sequencer: BlockSequencer,
    block_events: BlockEventWriter,
    stage: MessagesStage,
    usage: Option<TokenUsage>,
    finish_reason: Option<FinishReason>,
    has_refusal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum MessagesStage {
    NotStarted,
    /// `message_start` was.
    Started,
    /// `message_delta` was.
    StopSent,
    /// `message_stop` or an error was.
    Done,
}

impl ApiEncoder for MessagesEncoder {
    fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        if self.stage >= MessagesStage::StopSent {
            return;
        }
        match event {
            ResponseEvent::Usage(usage) => self.usage = Some(*usage),
            ResponseEvent::Finish(finish) => self.finish_reason = Some(finish.clone()),
            _ => {
                let (id, model) = event.id_and_model().unwrap_or_default();
                self.write_start(id, model, out);
                self.has_refusal |= matches!(event, ResponseEvent::Refusal(_));
                self.sequencer.push(event, &mut self.block_events, out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == MessagesStage::Done {
            return;
        }
        self.write_start("", "", out);
        if self.stage == MessagesStage::Started {
            self.sequencer.close_all(&mut self.block_events, out);
            write_event(out, "message_delta", |event| {
                event.object("delta", |delta| {
                    let has_calls = self.sequencer.call_count() > 0;
                    write_stop_reason(delta, self.finish_reason.as_ref(), has_calls, self.has_refusal);
                });
                event.raw("usage", self.usage.unwrap_or_default().to_json(Api::Messages));
            });
        }
        write_event(out, "message_stop", |_| {});
        self.stage = MessagesStage::Done;
    }

    fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage != MessagesStage::Done {
            self.stage = MessagesStage::Done;
            error.write_event(Api::Messages, out);
        }
    }

    fn observe_payload(&mut self, payload: &[u8]) {
        let Some(top) = ObjectView::parse(payload) else { return };
        match top.string("type").as_deref() {
            Some("message_start") => {
                self.stage = self.stage.max(MessagesStage::Started);
                if let Some(message) = top.object("message") {
                    self.observe_usage(message.value("usage"));
                }
            }
            Some("content_block_start") => self.observe_block_start(&top),
            Some("content_block_delta") => self.observe_delta(&top),
            Some("content_block_stop") => {
                self.sequencer.observe_block(None);
                self.block_events.index =
                    top.count("index").unwrap_or(self.block_events.index).saturating_add(1);
            }
            Some("message_delta") => {
                self.observe_usage(top.value("usage"));
                let stopped = top.object("delta").is_some_and(|delta| delta.value("stop_reason").is_some());
                if stopped {
                    self.stage = self.stage.max(MessagesStage::StopSent);
                }
            }
            Some("message_stop" | "error") => self.stage = MessagesStage::Done,
            _ => {}
        }
    }

    fn buffered_bytes(&self) -> usize {
        self.sequencer.queued_bytes()
    }
}

impl MessagesEncoder {
    pub(crate) fn new(echo: RequestEcho) -> Self {
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

    fn write_start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.stage != MessagesStage::NotStarted {
            return;
        }
        self.stage = MessagesStage::Started;
        write_event(out, "message_start", |event| {
            event.object("message", |message| {
                write_head(message, &self.echo, id, model);
                message.raw("content", "[]");
                message.raw("stop_reason", "null");
                message.raw("stop_sequence", "null");
                message.raw("usage", self.usage.unwrap_or_default().to_json(Api::Messages));
            });
        });
    }
}

fn write_head(message: &mut ObjectWriter<'_>, echo: &RequestEcho, id: &str, model: &str) {
    message.text("id", &echo.make_id("msg_", id));
    message.escaped("type", "message");
    message.escaped("role", "assistant");
    message.text("model", if model.is_empty() { &echo.model } else { model });
}

/// `stop_reason` and `stop_sequence`. A refusal in Chat Completions or Responses ends with an ordinary stop.
fn write_stop_reason(
    message: &mut ObjectWriter<'_>,
    finish: Option<&FinishReason>,
    has_calls: bool,
    has_refusal: bool,
) {
    let mut sequence = None;
    let reason = match finish {
        None | Some(FinishReason::Stop) if has_calls => "tool_use",
        None | Some(FinishReason::Stop) if has_refusal => "refusal",
        None | Some(FinishReason::Stop) => "end_turn",
        Some(FinishReason::StopSequence(text)) => {
            sequence = text.as_deref();
            "stop_sequence"
        }
        Some(FinishReason::MaxTokens) => "max_tokens",
        Some(FinishReason::ContextWindow) => "model_context_window_exceeded",
        Some(FinishReason::ToolCalls) => "tool_use",
        Some(FinishReason::ContentFilter) => "refusal",
        Some(FinishReason::Pause) => "pause_turn",
    };
    message.escaped("stop_reason", reason);
    message.text_or_null("stop_sequence", sequence);
}

pub(crate) fn encode_response(events: &[ResponseEvent], echo: &RequestEcho) -> Vec<u8> {
    let mut content = Vec::with_capacity(1024);
    let (mut sequence, mut blocks) = (BlockSequencer::default(), BlockArrayWriter::default());
    for event in events {
        sequence.push(event, &mut blocks, &mut content);
    }
    sequence.close_all(&mut blocks, &mut content);
    let (id, model) = events.iter().find_map(ResponseEvent::id_and_model).unwrap_or_default();
    let finish = events.iter().rev().find_map(ResponseEvent::finish_reason);
    let usage = events.iter().rev().find_map(ResponseEvent::usage).copied().unwrap_or_default();
    let has_refusal = events.iter().any(|event| matches!(event, ResponseEvent::Refusal(_)));
    let mut out = Vec::with_capacity(content.len() + 512);
    write_object(&mut out, |message| {
        write_head(message, echo, id, model);
        message.raw("content", [b"[", content.as_slice(), b"]"].concat());
        write_stop_reason(message, finish, sequence.call_count() > 0, has_refusal);
        message.raw("usage", usage.to_json(Api::Messages));
    });
    out
}

impl MessagesEncoder {
    fn observe_block_start(&mut self, top: &ObjectView<'_>) {
        self.block_events.index = top.count("index").unwrap_or(self.block_events.index);
        self.block_events.is_signed = false;
        let Some(block) = top.object("content_block") else { return };
        let (kind, open) = match block.string("type").as_deref() {
            Some("text") => (DeltaKind::Text, OpenBlock::Text),
            Some("thinking") => (DeltaKind::Thinking, OpenBlock::Reasoning),
            Some("tool_use") => {
                (DeltaKind::Call, OpenBlock::Call(self.sequencer.call_count(), JsonProgress::default()))
            }
            _ => (DeltaKind::Text, OpenBlock::Other),
        };
        self.block_events.delta_kind = kind;
        self.sequencer.observe_block(Some(open));
    }

    fn observe_delta(&mut self, top: &ObjectView<'_>) {
        let Some(delta) = top.object("delta") else { return };
        match delta.string("type").as_deref() {
            // Reasoning cannot be extended after its signature.
            Some("signature_delta") => {
                self.block_events.is_signed = true;
                self.sequencer.observe_block(Some(OpenBlock::Other));
            }
            Some("input_json_delta") => {
                self.sequencer.observe_arguments(&delta.string("partial_json").unwrap_or_default());
            }
            _ => {}
        }
    }

    fn observe_usage(&mut self, text: Option<&[u8]>) {
        let mut usage = self.usage.unwrap_or_default();
        if text.is_some_and(|text| TokenUsage::update(&mut usage, Api::Messages, text)) {
            self.usage = Some(usage);
        }
    }
}
