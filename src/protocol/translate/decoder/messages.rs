//! Anthropic Messages.

use std::collections::BTreeMap;

use super::pieces::{Channel, Pieces};
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::translate::event::{Event, Finish};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pieces: Pieces,
    /// The blocks that are open, by index.
    blocks: BTreeMap<u64, Block>,
}

#[derive(Debug)]
enum Block {
    Text,
    Thinking {
        signature: String,
    },
    Call {
        number: usize,
        /// What its start had for arguments; it counts where no pieces come.
        input: Option<String>,
    },
    /// Work on the provider's side, which clients of other faces do not know.
    Other,
}

impl Reader {
    pub(super) fn frame(&mut self, payload: &[u8], out: &mut Vec<Event>) {
        if self.pieces.has_ended() {
            return;
        }
        let Some(top) = Object::read(payload) else { return };
        let index = top.count("index").unwrap_or(0);
        match top.string("type").as_deref() {
            Some("message_start") => {
                let Some(message) = top.object("message") else { return };
                self.head(&message, out);
                self.content(&message, out);
            }
            Some("content_block_start") => {
                self.stop(index, out);
                if let Some(block) = top.object("content_block") {
                    self.open(index, &block, out);
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = top.object("delta") {
                    self.delta(index, &delta, out);
                }
            }
            Some("content_block_stop") => self.stop(index, out),
            Some("message_delta") => {
                if let Some(delta) = top.object("delta") {
                    self.finish(&delta);
                }
                self.pieces.usage(Face::Messages, top.value("usage"), out);
            }
            Some("message_stop") => self.end(out),
            _ => {}
        }
    }

    pub(super) fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) {
        let Some(message) = Object::read(body) else { return };
        self.head(&message, out);
        self.content(&message, out);
        self.finish(&message);
    }

    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        while let Some(index) = self.blocks.keys().next().copied() {
            self.stop(index, out);
        }
        self.pieces.end(out);
    }

    fn head(&mut self, message: &Object<'_>, out: &mut Vec<Event>) {
        self.pieces.start(message.string("id"), message.string("model"), out);
        self.pieces.usage(Face::Messages, message.value("usage"), out);
    }

    fn content(&mut self, message: &Object<'_>, out: &mut Vec<Event>) {
        for block in message.objects("content") {
            self.open(u64::MAX, &block, out);
            self.stop(u64::MAX, out);
        }
    }

    fn open(&mut self, index: u64, block: &Object<'_>, out: &mut Vec<Event>) {
        let text = |key| block.string(key).unwrap_or_default().into_owned();
        let opened = match block.string("type").as_deref() {
            Some("text") => {
                self.pieces.say(Channel::Text, block.literal("text").unwrap_or_default(), out);
                Block::Text
            }
            Some("thinking") => {
                self.pieces.say(Channel::Reasoning, block.literal("thinking").unwrap_or_default(), out);
                Block::Thinking { signature: text("signature") }
            }
            Some("redacted_thinking") => {
                if block.literal("data").is_some_and(|literal| literal.len() > 2) {
                    self.pieces.opaque(Event::Veiled(text("data")), out);
                }
                Block::Other
            }
            Some("tool_use") => {
                let input = block.value("input").filter(|input| !is_empty_object(input));
                let number = self.pieces.call(text("id"), text("name"), out);
                Block::Call { number, input: input.map(|input| String::from_utf8_lossy(input).into_owned()) }
            }
            _ => Block::Other,
        };
        self.blocks.insert(index, opened);
    }

    fn delta(&mut self, index: u64, delta: &Object<'_>, out: &mut Vec<Event>) {
        let block = self.blocks.get_mut(&index);
        match (delta.string("type").as_deref(), block) {
            (Some("text_delta"), Some(Block::Text) | None) => {
                self.pieces.say(Channel::Text, delta.literal("text").unwrap_or_default(), out);
            }
            (Some("thinking_delta"), Some(Block::Thinking { .. }) | None) => {
                self.pieces.say(Channel::Reasoning, delta.literal("thinking").unwrap_or_default(), out);
            }
            (Some("signature_delta"), Some(Block::Thinking { signature })) => {
                signature.push_str(&delta.string("signature").unwrap_or_default());
            }
            (Some("input_json_delta"), Some(Block::Call { number, input })) => {
                let Some(piece) = delta.literal("partial_json").filter(|literal| literal.len() > 2) else {
                    return;
                };
                *input = None;
                self.pieces.say(Channel::Arguments(*number), piece, out);
            }
            _ => {}
        }
    }

    fn stop(&mut self, index: u64, out: &mut Vec<Event>) {
        match self.blocks.remove(&index) {
            Some(Block::Thinking { signature }) if !signature.is_empty() => {
                self.pieces.opaque(Event::Seal(signature), out);
            }
            Some(Block::Call { number, input }) => {
                if let Some(input) = input {
                    self.pieces.put(Channel::Arguments(number), input, out);
                }
                self.pieces.end_call(number, out);
            }
            _ => {}
        }
    }

    /// `stop_reason` and `stop_sequence` of a message or of its last delta.
    fn finish(&mut self, of: &Object<'_>) {
        let Some(reason) = of.string("stop_reason") else { return };
        self.pieces.finish(match &*reason {
            "max_tokens" => Finish::Length,
            "stop_sequence" => Finish::StopSequence(of.string("stop_sequence").map(|text| text.into_owned())),
            "tool_use" => Finish::Calls,
            "pause_turn" => Finish::Pause,
            "refusal" => Finish::Filtered,
            "model_context_window_exceeded" => Finish::Window,
            _ => Finish::Stop,
        });
    }
}

fn is_empty_object(input: &[u8]) -> bool {
    Object::read(input).is_some_and(|object| object.is_empty())
}
