//! Content blocks, as events of a stream or as elements of a message.

use crate::protocol::object::Object;
use crate::protocol::translate::encoder::frame::{escaped, number, put, string};
use crate::protocol::translate::encoder::sequence::{Block, Blocks};
use crate::protocol::translate::ids;

/// Writes blocks as events.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The index of the open block, or of the next one.
    pub(super) index: u64,
    pub(super) kind: Kind,
    /// The open block of reasoning has its signature.
    pub(super) signed: bool,
}

/// What the open block's deltas are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Text,
    Thinking,
    Call,
}

impl Blocks for Frames {
    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        self.kind = kind(block);
        self.signed = false;
        self.start(out);
        match block {
            Block::Reasoning => put(out, "\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"),
            Block::Text | Block::Refusal => put(out, "\"text\",\"text\":\"\"}}\n\n"),
            Block::Call { id, name } => {
                write_call(id, name, out);
                put(out, ",\"input\":{}}}\n\n");
            }
        }
    }

    fn piece(&mut self, text: &str, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Text => self.delta("text_delta", "text", text, out),
            Kind::Thinking => self.delta("thinking_delta", "thinking", text, out),
            Kind::Call => self.delta("input_json_delta", "partial_json", text, out),
        }
    }

    fn close(&mut self, seal: Option<&str>, out: &mut Vec<u8>) {
        // Clients replay the block with its signature, and miss one that never came.
        if self.kind == Kind::Thinking && !self.signed {
            self.delta("signature_delta", "signature", seal.unwrap_or_default(), out);
        }
        put(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        number(out, self.index);
        put(out, "}\n\n");
        self.index = self.index.saturating_add(1);
        self.kind = Kind::Text;
    }

    fn veiled(&mut self, data: &str, out: &mut Vec<u8>) {
        self.kind = Kind::Text;
        self.start(out);
        put(out, "\"redacted_thinking\",\"data\":");
        string(out, data);
        put(out, "}}\n\n");
        self.close(None, out);
    }
}

impl Frames {
    /// Up to the block's type.
    fn start(&self, out: &mut Vec<u8>) {
        put(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        number(out, self.index);
        put(out, ",\"content_block\":{\"type\":");
    }

    fn delta(&self, kind: &str, key: &str, text: &str, out: &mut Vec<u8>) {
        put(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        number(out, self.index);
        put(out, ",\"delta\":{\"type\":\"");
        put(out, kind);
        put(out, "\",\"");
        put(out, key);
        put(out, "\":");
        string(out, text);
        put(out, "}}\n\n");
    }
}

/// Writes blocks as elements of an array.
#[derive(Debug, Default)]
pub(super) struct Content {
    begun: bool,
    kind: Kind,
    /// The arguments of the open call.
    input: String,
}

impl Blocks for Content {
    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        self.begin(out);
        self.kind = kind(block);
        match block {
            Block::Reasoning => put(out, "\"thinking\",\"thinking\":\""),
            Block::Text | Block::Refusal => put(out, "\"text\",\"text\":\""),
            Block::Call { id, name } => write_call(id, name, out),
        }
    }

    fn piece(&mut self, text: &str, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Text | Kind::Thinking => escaped(out, text),
            Kind::Call => self.input.push_str(text),
        }
    }

    fn close(&mut self, seal: Option<&str>, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Text => out.push(b'"'),
            Kind::Thinking => {
                put(out, "\",\"signature\":");
                string(out, seal.unwrap_or_default());
            }
            Kind::Call => {
                put(out, ",\"input\":");
                write_input(&std::mem::take(&mut self.input), out);
            }
        }
        out.push(b'}');
    }

    fn veiled(&mut self, data: &str, out: &mut Vec<u8>) {
        self.begin(out);
        put(out, "\"redacted_thinking\",\"data\":");
        string(out, data);
        out.push(b'}');
    }
}

impl Content {
    /// Up to the block's type.
    fn begin(&mut self, out: &mut Vec<u8>) {
        let comma = if std::mem::replace(&mut self.begun, true) { "," } else { "" };
        put(out, comma);
        put(out, "{\"type\":");
    }
}

const fn kind(block: &Block<'_>) -> Kind {
    match block {
        Block::Reasoning => Kind::Thinking,
        Block::Text | Block::Refusal => Kind::Text,
        Block::Call { .. } => Kind::Call,
    }
}

fn write_call(id: &str, name: &str, out: &mut Vec<u8>) {
    put(out, "\"tool_use\",\"id\":");
    string(out, &ids::for_messages(id));
    put(out, ",\"name\":");
    string(out, name);
}

/// A message wants an object. What is none, as arguments that the output limit cut, is wrapped in one, so that no tool
/// runs on half of its arguments.
fn write_input(text: &str, out: &mut Vec<u8>) {
    if text.trim_ascii().is_empty() {
        put(out, "{}");
    } else if Object::whole(text.as_bytes()).is_ok() {
        put(out, text.trim_ascii());
    } else {
        put(out, "{\"arguments\":");
        string(out, text);
        out.push(b'}');
    }
}
