//! The answer to a request, independent of the API: one shape for requests and one for answers.
//!
//! The providers' own services work like that: they translate their other APIs to Chat Completions, as texts
//! such as `reasoning_content is missing in assistant tool call message` on the Messages API show. So the shape
//! is that of Chat Completions.

pub(crate) mod answer;
pub(crate) mod prompt;
pub(crate) mod request;

use serde_json::Value;

use crate::models::SimulatedModel;
use crate::provider::{Api, Provider};

/// What an answer costs, in millionths of millionths of a US dollar: tokens times the price of a million of them in
/// millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseCost {
    /// Of the prompt.
    pub(super) prompt: u64,
    /// Of the completion.
    pub(super) completion: u64,
    /// The cost of both together that the answer reports, where its provider reports one.
    pub(super) reported: u64,
}

impl ResponseCost {
    /// An amount in dollars as a JSON number. Below a thousand dollars it keeps all digits.
    pub(super) fn dollars_from_picos(picos: u64) -> Value {
        (picos as f64 / 1e12).into()
    }
}

/// What every object of one answer repeats.
#[derive(Clone, Debug)]
pub(super) struct ResponseContext {
    /// The provider that answers.
    pub(super) provider: Provider,
    /// In which protocol.
    pub(super) api: Api,
    /// With which model.
    pub(super) model: &'static SimulatedModel,
    /// The model id of the answer: the requested one, which Kimi Code echoes even when it is an alias.
    pub(super) echoed_model: String,
    /// `chatcmpl-…`, `msg_…`, `resp_…`, or `gen-…` on all APIs of OpenRouter.
    pub(super) id: String,
    /// Unix time, seconds.
    pub(super) created: u64,
}

impl ResponseContext {
    /// What an answer costs.
    pub(super) fn cost(&self, usage: &answer::TokenUsage) -> ResponseCost {
        let [hit, miss, output] = self.model.price;
        let prompt = usage.cached * hit + (usage.prompt - usage.cached) * miss;
        let completion = usage.completion * output;
        let reported = if self.provider == Provider::OpenRouter { prompt + completion } else { 0 };
        ResponseCost { prompt, completion, reported }
    }
}

/// What an event carries; faults count and replace by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
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
        let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
        Self { kind, text: format!("event: {name}\ndata: {value}") }
    }

    /// Whether the figures of the whole answer are in it; those at the beginning of a message are not.
    pub(crate) fn has_usage(&self) -> bool {
        matches!(self.kind, EventKind::Finish | EventKind::Usage | EventKind::Done)
            && self.text.contains(r#""usage":{"#)
    }

    /// `data: [DONE]`.
    pub(crate) fn done() -> Self {
        Self { kind: EventKind::Done, text: "data: [DONE]".into() }
    }

    /// OpenRouter's sign of life.
    pub(crate) fn processing() -> Self {
        Self { kind: EventKind::Comment, text: ": OPENROUTER PROCESSING".into() }
    }
}

/// Bytes of text in one chunk; long answers come in at most about 4,000 chunks.
const MIN_PIECE_BYTES: usize = 24;
const MAX_PIECES: usize = 4000;

/// Cuts text at character boundaries into pieces for chunks.
pub(crate) fn split_text(text: &str) -> Vec<&str> {
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

/// FNV-1a: ids need to differ, not to be secret.
pub(crate) fn fnv1a_hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The elements of a list; empty if the value is not a list.
pub(crate) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
