//! Server-sent events, with what faults need to know of them.

use serde_json::Value;

/// What an event carries; faults count and replace by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum EventKind {
    /// A comment line.
    Comment,
    /// The event that opens the answer, names the role and has no content.
    Role,
    /// The frame of a content block or an output item: its beginning, its end.
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
pub(in crate::simulator) struct SseEvent {
    pub(in crate::simulator) kind: EventKind,
    pub(in crate::simulator) text: String,
}

impl SseEvent {
    /// A `data:` event.
    pub(in crate::simulator) fn data(kind: EventKind, value: &Value) -> Self {
        Self { kind, text: format!("data: {value}") }
    }

    /// An event with a name, that of its `type`.
    pub(in crate::simulator) fn with_name(kind: EventKind, value: &Value) -> Self {
        let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
        Self { kind, text: format!("event: {name}\ndata: {value}") }
    }

    /// Whether the figures of the whole answer are in it; those at the beginning of a message are not.
    pub(in crate::simulator) fn has_usage(&self) -> bool {
        matches!(self.kind, EventKind::Finish | EventKind::Usage | EventKind::Done)
            && self.text.contains(r#""usage":{"#)
    }

    /// `data: [DONE]`.
    pub(in crate::simulator) fn done() -> Self {
        Self { kind: EventKind::Done, text: "data: [DONE]".into() }
    }

    /// OpenRouter's sign of life.
    pub(in crate::simulator) fn processing() -> Self {
        Self { kind: EventKind::Comment, text: ": OPENROUTER PROCESSING".into() }
    }
}

/// Bytes of text in one chunk; long answers come in at most about 4,000 chunks.
const MIN_PIECE_BYTES: usize = 24;
const MAX_PIECES: usize = 4000;

/// Cuts text at character boundaries into pieces for chunks.
pub(in crate::simulator) fn split_text(text: &str) -> Vec<&str> {
    let size = MIN_PIECE_BYTES.max(text.len() / MAX_PIECES);
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let at = if rest.len() <= size { rest.len() } else { rest.ceil_char_boundary(size) };
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    pieces
}
