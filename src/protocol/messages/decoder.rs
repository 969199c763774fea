//! Messages responses, streamed or whole, read into events.

use std::collections::BTreeMap;

use crate::protocol::api::Api;
use crate::protocol::codec::ApiDecoder;
use crate::protocol::codec::emitter::{Channel, EventEmitter};
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::object::ObjectView;

#[derive(Debug, Default)]
pub(crate) struct MessagesDecoder {
    emitter: EventEmitter,
    /// The blocks that are open, by index.
    open_blocks: BTreeMap<u64, BlockState>,
}

#[derive(Debug)]
enum BlockState {
    Text,
    Thinking {
        signature: String,
    },
    Call {
        number: usize,
        /// The arguments in its start event, used if no pieces follow.
        initial_input: Option<String>,
    },
    /// Work on the provider's side, which clients of other formats do not support.
    Other,
}

impl ApiDecoder for MessagesDecoder {
    fn read_payload(&mut self, payload: &[u8], out: &mut Vec<ResponseEvent>) {
        if self.emitter.has_ended() {
            return;
        }
        let Some(top) = ObjectView::parse(payload) else { return };
        let index = top.count("index").unwrap_or(0);
        match top.string("type").as_deref() {
            Some("message_start") => {
                let Some(message) = top.object("message") else { return };
                self.read_head(&message, out);
                self.read_content(&message, out);
            }
            Some("content_block_start") => {
                self.close_block(index, out);
                if let Some(block) = top.object("content_block") {
                    self.open_block(index, &block, out);
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = top.object("delta") {
                    self.read_delta(index, &delta, out);
                }
            }
            Some("content_block_stop") => self.close_block(index, out),
            Some("message_delta") => {
                if let Some(delta) = top.object("delta") {
                    self.read_stop_reason(&delta);
                }
                self.emitter.push_usage(Api::Messages, top.value("usage"), out);
            }
            Some("message_stop") => self.end(out),
            _ => {}
        }
    }

    fn read_body(&mut self, body: &[u8], out: &mut Vec<ResponseEvent>) {
        let Some(message) = ObjectView::parse(body) else { return };
        self.read_head(&message, out);
        self.read_content(&message, out);
        self.read_stop_reason(&message);
    }

    fn end(&mut self, out: &mut Vec<ResponseEvent>) {
        while let Some(index) = self.open_blocks.keys().next().copied() {
            self.close_block(index, out);
        }
        self.emitter.end(out);
    }
}

impl MessagesDecoder {
    fn read_head(&mut self, message: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        self.emitter.start(message.string("id"), message.string("model"), out);
        self.emitter.push_usage(Api::Messages, message.value("usage"), out);
    }

    fn read_content(&mut self, message: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        for block in message.objects("content") {
            self.open_block(u64::MAX, &block, out);
            self.close_block(u64::MAX, out);
        }
    }

    fn open_block(&mut self, index: u64, block: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        let text = |key| block.string(key).unwrap_or_default().into_owned();
        let opened = match block.string("type").as_deref() {
            Some("text") => {
                self.emitter.push_literal(Channel::Text, block.literal("text").unwrap_or_default(), out);
                BlockState::Text
            }
            Some("thinking") => {
                self.emitter.push_literal(
                    Channel::Reasoning,
                    block.literal("thinking").unwrap_or_default(),
                    out,
                );
                BlockState::Thinking { signature: text("signature") }
            }
            Some("redacted_thinking") => {
                if block.literal("data").is_some_and(|literal| literal.len() > 2) {
                    self.emitter.push_opaque(ResponseEvent::RedactedReasoning(text("data")), out);
                }
                BlockState::Other
            }
            Some("tool_use") => {
                let input = block.value("input").filter(|input| !is_empty_object(input));
                let number = self.emitter.start_call(text("id"), text("name"), out);
                BlockState::Call {
                    number,
                    initial_input: input.map(|input| String::from_utf8_lossy(input).into_owned()),
                }
            }
            _ => BlockState::Other,
        };
        self.open_blocks.insert(index, opened);
    }

    fn read_delta(&mut self, index: u64, delta: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        let block = self.open_blocks.get_mut(&index);
        match (delta.string("type").as_deref(), block) {
            (Some("text_delta"), Some(BlockState::Text) | None) => {
                self.emitter.push_literal(Channel::Text, delta.literal("text").unwrap_or_default(), out);
            }
            (Some("thinking_delta"), Some(BlockState::Thinking { .. }) | None) => {
                self.emitter.push_literal(
                    Channel::Reasoning,
                    delta.literal("thinking").unwrap_or_default(),
                    out,
                );
            }
            (Some("signature_delta"), Some(BlockState::Thinking { signature })) => {
                signature.push_str(&delta.string("signature").unwrap_or_default());
            }
            (Some("input_json_delta"), Some(BlockState::Call { number, initial_input: input })) => {
                let Some(piece) = delta.literal("partial_json").filter(|literal| literal.len() > 2) else {
                    return;
                };
                *input = None;
                self.emitter.push_literal(Channel::Arguments(*number), piece, out);
            }
            _ => {}
        }
    }

    fn close_block(&mut self, index: u64, out: &mut Vec<ResponseEvent>) {
        match self.open_blocks.remove(&index) {
            Some(BlockState::Thinking { signature }) if !signature.is_empty() => {
                self.emitter.push_opaque(ResponseEvent::ReasoningSignature(signature), out);
            }
            Some(BlockState::Call { number, initial_input: input }) => {
                if let Some(input) = input {
                    self.emitter.push_text(Channel::Arguments(number), input, out);
                }
                self.emitter.end_call(number, out);
            }
            _ => {}
        }
    }

    /// `stop_reason` and `stop_sequence` of a message or of its last delta.
    fn read_stop_reason(&mut self, of: &ObjectView<'_>) {
        let Some(reason) = of.string("stop_reason") else { return };
        self.emitter.set_finish_reason(match &*reason {
            "max_tokens" => FinishReason::MaxTokens,
            "stop_sequence" => {
                FinishReason::StopSequence(of.string("stop_sequence").map(|text| text.into_owned()))
            }
            "tool_use" => FinishReason::ToolCalls,
            "pause_turn" => FinishReason::Pause,
            "refusal" => FinishReason::ContentFilter,
            "model_context_window_exceeded" => FinishReason::ContextWindow,
            _ => FinishReason::Stop,
        });
    }
}

fn is_empty_object(input: &[u8]) -> bool {
    ObjectView::parse(input).is_some_and(|object| object.is_empty())
}
