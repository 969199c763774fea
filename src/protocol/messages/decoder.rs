//! Messages responses, streamed or whole, read into events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::protocol::api::Api;
use crate::protocol::codec::ApiDecoder;
use crate::protocol::codec::emitter::{Channel, EventEmitter};
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::model::losses;
use crate::protocol::object::ObjectView;

#[derive(Debug, Default)]
pub(crate) struct MessagesDecoder {
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
    fn read_payload(&mut self, payload: &[u8], emitter: &mut EventEmitter) {
        let Some(top) = ObjectView::parse(payload) else { return };
        let index = top.count("index").unwrap_or(0);
        match top.string("type").as_deref() {
            Some("message_start") => {
                if let Some(message) = top.object("message") {
                    self.read_message(&message, emitter);
                }
            }
            Some("content_block_start") => {
                self.close_block(index, emitter);
                if let Some(block) = top.object("content_block") {
                    self.open_block(index, &block, emitter);
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = top.object("delta") {
                    self.read_delta(index, &delta, emitter);
                }
            }
            Some("content_block_stop") => self.close_block(index, emitter),
            Some("message_delta") => {
                if let Some(delta) = top.object("delta") {
                    read_stop_reason(&delta, emitter);
                }
                emitter.push_usage(Api::Messages, top.value("usage"));
            }
            Some("message_stop") => self.end(emitter),
            _ => {}
        }
    }

    fn read_body(&mut self, body: &[u8], emitter: &mut EventEmitter) {
        let Some(message) = ObjectView::parse(body) else { return };
        self.read_message(&message, emitter);
        read_stop_reason(&message, emitter);
    }

    fn end(&mut self, emitter: &mut EventEmitter) {
        while let Some(index) = self.open_blocks.keys().next().copied() {
            self.close_block(index, emitter);
        }
        emitter.end();
    }
}

impl MessagesDecoder {
    /// The message at the start of a stream, or the whole one.
    fn read_message(&mut self, message: &ObjectView<'_>, emitter: &mut EventEmitter) {
        emitter.start(message.string("id"), message.string("model"));
        emitter.push_usage(Api::Messages, message.value("usage"));
        for block in message.objects("content") {
            self.open_block(u64::MAX, &block, emitter);
            self.close_block(u64::MAX, emitter);
        }
    }

    fn open_block(&mut self, index: u64, block: &ObjectView<'_>, emitter: &mut EventEmitter) {
        let text = |key| block.string(key).unwrap_or_default().into_owned();
        let opened = match block.string("type").as_deref() {
            Some("text") => {
                emitter.push_member(Channel::Text, block, "text");
                BlockState::Text
            }
            Some("thinking") => {
                emitter.push_member(Channel::Reasoning, block, "thinking");
                BlockState::Thinking { signature: text("signature") }
            }
            Some("redacted_thinking") => {
                if block.literal("data").is_some_and(|literal| literal.len() > 2) {
                    emitter.push_opaque(ResponseEvent::RedactedReasoning(text("data")));
                }
                BlockState::Other
            }
            Some("tool_use") => {
                let input = block.value("input").filter(|input| !is_empty_object(input));
                let number = emitter.start_call(text("id"), text("name"));
                BlockState::Call {
                    number,
                    initial_input: input.map(|input| String::from_utf8_lossy(input).into_owned()),
                }
            }
            kind => {
                emitter.losses.record_if(kind.is_some(), losses::ANSWER_TOOLS);
                BlockState::Other
            }
        };
        let has_citations = !block.objects("citations").is_empty();
        emitter.losses.record_if(has_citations, losses::ANSWER_CITATIONS);
        self.open_blocks.insert(index, opened);
    }

    fn read_delta(&mut self, index: u64, delta: &ObjectView<'_>, emitter: &mut EventEmitter) {
        let block = self.open_blocks.get_mut(&index);
        match (delta.string("type").as_deref(), block) {
            (Some("citations_delta"), _) => emitter.losses.record(losses::ANSWER_CITATIONS),
            (Some("text_delta"), Some(BlockState::Text) | None) => {
                emitter.push_member(Channel::Text, delta, "text");
            }
            (Some("thinking_delta"), Some(BlockState::Thinking { .. }) | None) => {
                emitter.push_member(Channel::Reasoning, delta, "thinking");
            }
            (Some("signature_delta"), Some(BlockState::Thinking { signature })) => {
                signature.push_str(&delta.string("signature").unwrap_or_default());
            }
            (Some("input_json_delta"), Some(BlockState::Call { number, initial_input: input })) => {
                let Some(piece) = delta.literal("partial_json").filter(|literal| literal.len() > 2) else {
                    return;
                };
                *input = None;
                emitter.push_literal(Channel::Arguments(*number), piece);
            }
            _ => {}
        }
    }

    fn close_block(&mut self, index: u64, emitter: &mut EventEmitter) {
        match self.open_blocks.remove(&index) {
            Some(BlockState::Thinking { signature }) if !signature.is_empty() => {
                emitter.push_opaque(ResponseEvent::ReasoningSignature(signature));
            }
            Some(BlockState::Call { number, initial_input: input }) => {
                if let Some(input) = input {
                    emitter.push_text(Channel::Arguments(number), input);
                }
                emitter.end_call(number);
            }
            _ => {}
        }
    }
}

/// `stop_reason` and `stop_sequence` of a message or of its last delta.
fn read_stop_reason(of: &ObjectView<'_>, emitter: &mut EventEmitter) {
    let Some(reason) = of.string("stop_reason") else { return };
    emitter.set_finish_reason(match &*reason {
        "max_tokens" => FinishReason::MaxTokens,
        "stop_sequence" => FinishReason::StopSequence(of.string("stop_sequence").map(Cow::into_owned)),
        "tool_use" => FinishReason::ToolCalls,
        "pause_turn" => FinishReason::Pause,
        "refusal" => FinishReason::ContentFilter,
        "model_context_window_exceeded" => FinishReason::ContextWindow,
        _ => FinishReason::Stop,
    });
}

fn is_empty_object(input: &[u8]) -> bool {
    ObjectView::parse(input).is_some_and(|object| object.is_empty())
}
