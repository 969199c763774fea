//! Content blocks of a message, as events of a stream or as elements of an array.

use crate::protocol::codec::sequencer::{BlockWriter, NewBlock};
use crate::protocol::codec::writer::{write_number, write_raw};
use crate::protocol::json::{write_escaped, write_string};
use crate::protocol::model::tools::to_messages_id;
use crate::protocol::object::ObjectView;

#[derive(Debug, Default)]
pub(crate) struct BlockEventWriter {
    /// The index of the open block, or of the next one.
    pub(crate) index: u64,
    pub(crate) delta_kind: DeltaKind,
    /// The open block of reasoning has its signature.
    pub(crate) is_signed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeltaKind {
    #[default]
    Text,
    Thinking,
    Call,
}

impl BlockWriter for BlockEventWriter {
    fn open(&mut self, block: &NewBlock<'_>, out: &mut Vec<u8>) {
        self.delta_kind = delta_kind(block);
        self.is_signed = false;
        self.write_start(out);
        match block {
            NewBlock::Reasoning => write_raw(out, "\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"),
            NewBlock::Text | NewBlock::Refusal => write_raw(out, "\"text\",\"text\":\"\"}}\n\n"),
            NewBlock::Call { id, name } => {
                write_tool_use(id, name, out);
                write_raw(out, ",\"input\":{}}}\n\n");
            }
        }
    }

    fn write_delta(&mut self, text: &str, out: &mut Vec<u8>) {
        match self.delta_kind {
            DeltaKind::Text => self.write_delta_event("text_delta", "text", text, out),
            DeltaKind::Thinking => self.write_delta_event("thinking_delta", "thinking", text, out),
            DeltaKind::Call => self.write_delta_event("input_json_delta", "partial_json", text, out),
        }
    }

    fn close(&mut self, signature: Option<&str>, out: &mut Vec<u8>) {
        // Clients replay the block with its signature and require the field even if no signature was received.
        if self.delta_kind == DeltaKind::Thinking && !self.is_signed {
            self.write_delta_event("signature_delta", "signature", signature.unwrap_or_default(), out);
        }
        write_raw(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":");
        write_number(out, self.index);
        write_raw(out, "}\n\n");
        self.index = self.index.saturating_add(1);
        self.delta_kind = DeltaKind::Text;
    }

    fn write_redacted(&mut self, data: &str, out: &mut Vec<u8>) {
        self.delta_kind = DeltaKind::Text;
        self.write_start(out);
        write_raw(out, "\"redacted_thinking\",\"data\":");
        write_string(out, data);
        write_raw(out, "}}\n\n");
        self.close(None, out);
    }
}

impl BlockEventWriter {
    /// Up to the block's type.
    fn write_start(&self, out: &mut Vec<u8>) {
        write_raw(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":");
        write_number(out, self.index);
        write_raw(out, ",\"content_block\":{\"type\":");
    }

    fn write_delta_event(&self, kind: &str, key: &str, text: &str, out: &mut Vec<u8>) {
        write_raw(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        write_number(out, self.index);
        write_raw(out, ",\"delta\":{\"type\":\"");
        write_raw(out, kind);
        write_raw(out, "\",\"");
        write_raw(out, key);
        write_raw(out, "\":");
        write_string(out, text);
        write_raw(out, "}}\n\n");
    }
}

#[derive(Debug, Default)]
pub(crate) struct BlockArrayWriter {
    has_blocks: bool,
    delta_kind: DeltaKind,
    call_input: String,
}

impl BlockWriter for BlockArrayWriter {
    fn open(&mut self, block: &NewBlock<'_>, out: &mut Vec<u8>) {
        self.write_block_start(out);
        self.delta_kind = delta_kind(block);
        match block {
            NewBlock::Reasoning => write_raw(out, "\"thinking\",\"thinking\":\""),
            NewBlock::Text | NewBlock::Refusal => write_raw(out, "\"text\",\"text\":\""),
            NewBlock::Call { id, name } => write_tool_use(id, name, out),
        }
    }

    fn write_delta(&mut self, text: &str, out: &mut Vec<u8>) {
        match self.delta_kind {
            DeltaKind::Text | DeltaKind::Thinking => write_escaped(out, text),
            DeltaKind::Call => self.call_input.push_str(text),
        }
    }

    fn close(&mut self, signature: Option<&str>, out: &mut Vec<u8>) {
        match self.delta_kind {
            DeltaKind::Text => out.push(b'"'),
            DeltaKind::Thinking => {
                write_raw(out, "\",\"signature\":");
                write_string(out, signature.unwrap_or_default());
            }
            DeltaKind::Call => {
                write_raw(out, ",\"input\":");
                write_arguments_object(&std::mem::take(&mut self.call_input), out);
            }
        }
        out.push(b'}');
    }

    fn write_redacted(&mut self, data: &str, out: &mut Vec<u8>) {
        self.write_block_start(out);
        write_raw(out, "\"redacted_thinking\",\"data\":");
        write_string(out, data);
        out.push(b'}');
    }
}

impl BlockArrayWriter {
    /// Up to the block's type.
    fn write_block_start(&mut self, out: &mut Vec<u8>) {
        let comma = if std::mem::replace(&mut self.has_blocks, true) { "," } else { "" };
        write_raw(out, comma);
        write_raw(out, "{\"type\":");
    }
}

const fn delta_kind(block: &NewBlock<'_>) -> DeltaKind {
    match block {
        NewBlock::Reasoning => DeltaKind::Thinking,
        NewBlock::Text | NewBlock::Refusal => DeltaKind::Text,
        NewBlock::Call { .. } => DeltaKind::Call,
    }
}

fn write_tool_use(id: &str, name: &str, out: &mut Vec<u8>) {
    write_raw(out, "\"tool_use\",\"id\":");
    write_string(out, &to_messages_id(id));
    write_raw(out, ",\"name\":");
    write_string(out, name);
}

/// Messages requires an object. Other arguments, such as ones cut at the output limit, are wrapped in an
/// object, so that no tool runs with truncated arguments.
fn write_arguments_object(text: &str, out: &mut Vec<u8>) {
    if text.trim_ascii().is_empty() {
        write_raw(out, "{}");
    } else if ObjectView::parse_strict(text.as_bytes()).is_ok() {
        write_raw(out, text.trim_ascii());
    } else {
        write_raw(out, "{\"arguments\":");
        write_string(out, text);
        out.push(b'}');
    }
}
