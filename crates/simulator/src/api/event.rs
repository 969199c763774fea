//! Server-sent events, before faults change them.

use serde_json::Value;

use crate::value::text;

/// The content of an event; faults count and replace by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A comment line.
    Comment,
    /// The event that opens the answer, names the role and has no content.
    Role,
    /// The start or the end of a content block or an output item.
    BlockBoundary,
    /// Reasoning, text or a piece of a tool call.
    Content,
    /// The event with the finish reason.
    Finish,
    /// The usage chunk.
    Usage,
    /// The event that ends a stream: `[DONE]`, `message_stop`, `response.completed`.
    Done,
    /// An error, or something that is not an event.
    Other,
}

/// One event, without its blank line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SseEvent {
    pub(crate) kind: EventKind,
    pub(crate) text: String,
}

impl SseEvent {
    /// A `data:` event.
    pub(crate) fn data(kind: EventKind, value: &Value) -> Self {
        Self { kind, text: format!("data: {value}") }
    }

    /// An event with a name, that of its `type`.
    pub(crate) fn with_name(kind: EventKind, value: &Value) -> Self {
        Self { kind, text: format!("event: {}\ndata: {value}", text(&value["type"])) }
    }

    /// The value of a `data:` line.
    pub(crate) fn payload(&self) -> Option<Value> {
        let data = self.text.lines().find_map(|line| line.strip_prefix("data: "))?;
        serde_json::from_str(data).ok()
    }

    /// Whether its content is thinking, in any API.
    pub(crate) fn is_thinking(&self) -> bool {
        ["\"reasoning", "\"response.reasoning", "\"thinking_delta\""]
            .iter()
            .any(|word| self.text.contains(word))
    }

    /// Whether its content is a piece of text, in any API.
    pub(crate) fn is_answer_text(&self) -> bool {
        !self.is_thinking() && !self.is_call()
    }

    /// Whether its content is a piece of a tool call, in any API.
    pub(crate) fn is_call(&self) -> bool {
        ["\"tool_calls\"", "\"input_json_delta\"", "function_call_arguments"]
            .iter()
            .any(|word| self.text.contains(word))
    }

    /// Whether it has the usage of the whole answer; the one at the beginning of a message is not that.
    pub(crate) fn has_usage(&self) -> bool {
        matches!(self.kind, EventKind::Finish | EventKind::Usage | EventKind::Done)
            && self.text.contains(r#""usage":{"#)
    }

    pub(crate) fn done() -> Self {
        Self { kind: EventKind::Done, text: "data: [DONE]".into() }
    }

    /// OpenRouter's keep-alive comment.
    pub(crate) fn processing() -> Self {
        Self { kind: EventKind::Comment, text: ": OPENROUTER PROCESSING".into() }
    }
}

/// Bytes of text in one chunk; long answers come in at most about 4,000 chunks.
const MIN_PIECE_BYTES: usize = 24;
const MAX_PIECES: usize = 4000;

/// Cuts text at character boundaries into pieces for chunks.
pub(super) fn split_text(text: &str) -> Vec<&str> {
    let size = MIN_PIECE_BYTES.max(text.len() / MAX_PIECES);
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.ceil_char_boundary(size));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// An amount in millionths of millionths of a dollar, in dollars. Below a thousand dollars it keeps all digits.
pub(super) fn dollars_from_picos(picos: u64) -> f64 {
    picos as f64 / 1e12
}
