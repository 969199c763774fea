//! Content blocks of a message, as events of a stream or as elements of an array.

use crate::protocol::codec::sequencer::{BlockWriter, NewBlock};
use crate::protocol::model::tools::{RAW_ARGUMENTS_KEY, to_messages_id};
use crate::protocol::object::ObjectView;
use crate::protocol::writer::{ObjectWriter, write_event, write_object};

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
        self.write_start(out, |body| match block {
            NewBlock::Reasoning => write_thinking(body, "", ""),
            NewBlock::Text | NewBlock::Refusal => write_text(body, ""),
            NewBlock::Call { id, name } => {
                write_tool_use(body, id, name);
                body.raw("input", "{}");
            }
        });
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
        write_event(out, "content_block_stop", |event| event.number("index", self.index));
        self.index = self.index.saturating_add(1);
        self.delta_kind = DeltaKind::Text;
    }

    fn write_redacted(&mut self, data: &str, out: &mut Vec<u8>) {
        self.delta_kind = DeltaKind::Text;
        self.write_start(out, |body| write_redacted(body, data));
        self.close(None, out);
    }
}

impl BlockEventWriter {
    fn write_start(&self, out: &mut Vec<u8>, block: impl FnOnce(&mut ObjectWriter<'_>)) {
        write_event(out, "content_block_start", |event| {
            event.number("index", self.index);
            event.object("content_block", block);
        });
    }

    fn write_delta_event(&self, kind: &str, key: &str, text: &str, out: &mut Vec<u8>) {
        write_event(out, "content_block_delta", |event| {
            event.number("index", self.index);
            event.object("delta", |delta| {
                delta.escaped("type", kind);
                delta.text(key, text);
            });
        });
    }
}

#[derive(Debug, Default)]
pub(crate) struct BlockArrayWriter {
    has_blocks: bool,
    delta_kind: DeltaKind,
    /// Of the open block.
    text: String,
    call_id: String,
    call_name: String,
}

impl BlockWriter for BlockArrayWriter {
    fn open(&mut self, block: &NewBlock<'_>, _: &mut Vec<u8>) {
        self.delta_kind = delta_kind(block);
        if let NewBlock::Call { id, name } = block {
            (self.call_id, self.call_name) = ((*id).to_owned(), (*name).to_owned());
        }
    }

    fn write_delta(&mut self, text: &str, _: &mut Vec<u8>) {
        self.text.push_str(text);
    }

    fn close(&mut self, signature: Option<&str>, out: &mut Vec<u8>) {
        let text = std::mem::take(&mut self.text);
        self.write_block(out, |writer, body| match writer.delta_kind {
            DeltaKind::Text => write_text(body, &text),
            DeltaKind::Thinking => write_thinking(body, &text, signature.unwrap_or_default()),
            DeltaKind::Call => {
                write_tool_use(body, &writer.call_id, &writer.call_name);
                write_input(body, &text);
            }
        });
    }

    fn write_redacted(&mut self, data: &str, out: &mut Vec<u8>) {
        self.write_block(out, |_, body| write_redacted(body, data));
    }
}

impl BlockArrayWriter {
    fn write_block(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&Self, &mut ObjectWriter<'_>)) {
        if std::mem::replace(&mut self.has_blocks, true) {
            out.push(b',');
        }
        write_object(out, |body| write(self, body));
    }
}

const fn delta_kind(block: &NewBlock<'_>) -> DeltaKind {
    match block {
        NewBlock::Reasoning => DeltaKind::Thinking,
        NewBlock::Text | NewBlock::Refusal => DeltaKind::Text,
        NewBlock::Call { .. } => DeltaKind::Call,
    }
}

fn write_text(body: &mut ObjectWriter<'_>, text: &str) {
    body.escaped("type", "text");
    body.text("text", text);
}

fn write_thinking(body: &mut ObjectWriter<'_>, text: &str, signature: &str) {
    body.escaped("type", "thinking");
    body.text("thinking", text);
    body.text("signature", signature);
}

fn write_redacted(body: &mut ObjectWriter<'_>, data: &str) {
    body.escaped("type", "redacted_thinking");
    body.text("data", data);
}

fn write_tool_use(body: &mut ObjectWriter<'_>, id: &str, name: &str) {
    body.escaped("type", "tool_use");
    body.text("id", &to_messages_id(id));
    body.text("name", name);
}

/// Messages requires an object. Other arguments, such as ones cut at the output limit, are wrapped in an object that no
/// tool takes, and unwrapped in the history.
fn write_input(body: &mut ObjectWriter<'_>, text: &str) {
    if text.trim_ascii().is_empty() {
        body.raw("input", "{}");
    } else if ObjectView::parse_strict(text.as_bytes()).is_ok() {
        body.raw("input", text.trim_ascii());
    } else {
        body.object("input", |input| input.text(RAW_ARGUMENTS_KEY, text));
    }
}
