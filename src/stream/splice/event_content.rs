//! Parses the content of stream events that matters to a continuation.

use crate::protocol::api::Api;
use crate::protocol::chat::chunk::{ChatChunk, ChunkChoice};
use crate::protocol::edit::Segments;
use crate::protocol::json::{self, Span};
use crate::protocol::object::ObjectView;
use crate::protocol::sse::{Frame, FrameReader};

/// The complete events of a read.
pub(in crate::stream) fn read_frames(out: &Segments) -> Vec<Frame> {
    let mut reader = FrameReader::for_accepted_frames();
    reader.feed(out.to_bytes());
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(frame);
    }
    frames.extend(reader.finish());
    frames
}

/// The content of one event.
#[derive(Debug, Default)]
pub(super) struct EventContent<'t> {
    /// Text that the event adds to the response, still escaped as in its JSON string.
    pub(super) text: &'t [u8],
    /// A part of a tool call.
    pub(super) has_tool_calls: bool,
    /// The finish. Only framing events may follow it.
    pub(super) is_finish: bool,
    /// The role; only Chat Completions sends it separately.
    pub(super) has_role: bool,
    /// Content that no other model can continue: another choice, a refusal, audio, citations, work on the
    /// provider's side.
    pub(super) is_foreign: bool,
    /// A block begins without text, or ends. The next event decides whether the client may have it: a
    /// continuation adds to the open block, and an empty block must not be sent.
    pub(super) is_block_boundary: bool,
    /// A keepalive without content.
    pub(super) is_keep_alive: bool,
}

impl EventContent<'_> {
    fn foreign() -> Self {
        Self { is_foreign: true, ..Self::default() }
    }

    fn tool_calls() -> Self {
        Self { has_tool_calls: true, ..Self::default() }
    }

    fn finish() -> Self {
        Self { is_finish: true, ..Self::default() }
    }

    fn block_boundary() -> Self {
        Self { is_block_boundary: true, ..Self::default() }
    }
}

/// Reads the events of one stream in the client's API.
#[derive(Debug)]
pub(super) enum EventReader {
    ChatCompletions,
    Messages,
    Responses(ResponsesEventReader),
}

impl EventReader {
    pub(super) fn new(api: Api) -> Self {
        match api {
            Api::ChatCompletions => Self::ChatCompletions,
            Api::Messages => Self::Messages,
            Api::Responses => Self::Responses(ResponsesEventReader::default()),
        }
    }

    /// Parses an event's payload; `None` for the end of the stream and for an unreadable payload.
    pub(super) fn read<'t>(&mut self, payload: &'t [u8]) -> Option<EventContent<'t>> {
        match self {
            Self::ChatCompletions => read_chat_chunk(payload),
            Self::Messages => read_messages_event(payload),
            Self::Responses(reader) => reader.read(payload),
        }
    }
}

/// The content between the quotes of a string literal.
fn unquote(literal: &[u8]) -> &[u8] {
    literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or_default()
}

/// A payload that is not a chunk is the end of the stream.
fn read_chat_chunk(payload: &[u8]) -> Option<EventContent<'_>> {
    ChatChunk::parse(payload).ok().map(|chunk| EventContent::from_chunk(payload, &chunk))
}

impl<'t> EventContent<'t> {
    /// The content of a chunk.
    pub(super) fn from_chunk(payload: &'t [u8], chunk: &ChatChunk) -> Self {
        let [choice] = chunk.parsed_choices.as_slice() else {
            return Self { is_foreign: !chunk.parsed_choices.is_empty(), ..Self::default() };
        };
        let at = |span: &Option<Span>| payload.get(span.clone()?);
        let content = at(&choice.content).filter(|literal| literal.starts_with(b"\""));
        let is_first = at(&choice.index).is_none_or(|index| index == b"0");
        Self {
            text: content.map(unquote).unwrap_or_default(),
            has_tool_calls: choice.tool_calls.is_some(),
            is_finish: choice.finish_reason.is_some(),
            has_role: choice.role.is_some(),
            is_foreign: !is_first
                || choice.has_other_output
                || (choice.has_content && content.is_none())
                || is_signed(payload, choice),
            ..Self::default()
        }
    }
}

/// A signature or encryption binds thinking to its model. Chat Completions sends its parts one by one, so the
/// gateway cannot know whether the thinking is complete.
fn is_signed(payload: &[u8], choice: &ChunkChoice) -> bool {
    let Some(details) = &choice.reasoning_details else { return false };
    let Ok((elements, _)) = json::parse_elements(payload, details.start) else { return true };
    elements.iter().any(|element| {
        let Ok((members, _)) = json::parse_members(payload, element.start) else { return true };
        let value = |key| payload.get(json::find_member(payload, &members, key)?.value.clone());
        value("signature").is_some_and(|signature| !matches!(signature, b"null" | b"\"\""))
            || value("type").is_some_and(|kind| json::literal_equals(kind, "reasoning.encrypted"))
    })
}

/// Thinking that is signed and complete is a separate block of the client's history, and stays valid if another
/// model continues. An interrupted thinking block ends without a signature, as thinking of models that never
/// sign does.
fn read_messages_event(payload: &[u8]) -> Option<EventContent<'_>> {
    let top = ObjectView::parse(payload)?;
    let content = match &*top.string("type")? {
        "message_start" => EventContent::default(),
        "ping" => EventContent { is_keep_alive: true, ..EventContent::default() },
        "content_block_start" => {
            top.object("content_block").map_or_else(EventContent::foreign, |block| read_block_start(&block))
        }
        "content_block_delta" => {
            top.object("delta").map_or_else(EventContent::foreign, |delta| read_delta(&delta))
        }
        "content_block_stop" => EventContent::block_boundary(),
        "message_delta" => {
            let finish = top.object("delta").is_some_and(|delta| delta.value("stop_reason").is_some());
            EventContent { is_finish: finish, ..EventContent::default() }
        }
        "message_stop" | "error" => EventContent::finish(),
        _ => EventContent::foreign(),
    };
    Some(content)
}

fn read_block_start<'t>(block: &ObjectView<'t>) -> EventContent<'t> {
    let literal = |key| unquote(block.literal(key).unwrap_or_default());
    match block.string("type").as_deref() {
        Some("text") if !block.elements("citations").is_empty() => EventContent::foreign(),
        Some("text") => match literal("text") {
            b"" => EventContent::block_boundary(),
            text => EventContent { text, ..EventContent::default() },
        },
        Some("thinking") if literal("thinking").is_empty() && literal("signature").is_empty() => {
            EventContent::block_boundary()
        }
        Some("thinking" | "redacted_thinking") => EventContent::default(),
        Some("tool_use") => EventContent::tool_calls(),
        _ => EventContent::foreign(),
    }
}

fn read_delta<'t>(delta: &ObjectView<'t>) -> EventContent<'t> {
    match delta.string("type").as_deref() {
        Some("text_delta") => {
            let text = unquote(delta.literal("text").unwrap_or_default());
            EventContent { text, ..EventContent::default() }
        }
        Some("thinking_delta" | "signature_delta") => EventContent::default(),
        Some("input_json_delta") => EventContent::tool_calls(),
        _ => EventContent::foreign(),
    }
}

/// Reads events of the Responses API; what an event means depends on earlier ones.
#[derive(Debug, Default)]
pub(super) struct ResponsesEventReader {
    /// The open part's text came in deltas; its final event repeats it.
    has_text_deltas: bool,
}

impl ResponsesEventReader {
    fn read<'t>(&mut self, payload: &'t [u8]) -> Option<EventContent<'t>> {
        let top = ObjectView::parse(payload)?;
        let kind = top.string("type")?;
        if kind == "keepalive" {
            // It carries its own index, so its position stays the same.
            return Some(EventContent::default());
        }
        let content = match kind.strip_prefix("response.").unwrap_or_default() {
            "created" | "in_progress" | "queued" => EventContent::default(),
            "output_item.added" => self.read_item(&top, ItemPhase::Started),
            "output_item.done" => self.read_item(&top, ItemPhase::Completed),
            "content_part.added" => {
                self.has_text_deltas = false;
                self.read_part(&top)
            }
            "content_part.done" => self.read_part(&top),
            "output_text.delta" => {
                self.has_text_deltas = true;
                EventContent {
                    text: unquote(top.literal("delta").unwrap_or_default()),
                    ..EventContent::default()
                }
            }
            "output_text.done" if self.has_text_deltas => EventContent::block_boundary(),
            "reasoning_text.delta" | "reasoning_summary_text.delta" => EventContent::default(),
            "reasoning_text.done"
            | "reasoning_summary_part.added"
            | "reasoning_summary_part.done"
            | "reasoning_summary_text.done" => EventContent::block_boundary(),
            "completed" | "incomplete" | "failed" | "done" => EventContent::finish(),
            called if is_call_event(called) => EventContent::tool_calls(),
            _ => EventContent::foreign(),
        };
        Some(content)
    }

    fn read_item<'t>(&mut self, top: &ObjectView<'t>, item: ItemPhase) -> EventContent<'t> {
        let Some(content) = top.object("item") else { return EventContent::foreign() };
        let is_empty = |key| content.elements(key).is_empty();
        match content.string("type").as_deref() {
            Some("message") if item == ItemPhase::Started && is_empty("content") => {
                self.has_text_deltas = false;
                EventContent::block_boundary()
            }
            // Text that appears only in the item's final event is not known here.
            Some("message")
                if item == ItemPhase::Completed && (self.has_text_deltas || is_empty("content")) =>
            {
                EventContent::block_boundary()
            }
            // Encrypted content binds the continuation to its model.
            Some("reasoning") if content.literal("encrypted_content").is_some_and(|text| text.len() > 2) => {
                EventContent::foreign()
            }
            Some("reasoning") => EventContent::block_boundary(),
            Some("function_call" | "custom_tool_call") => EventContent::tool_calls(),
            _ => EventContent::foreign(),
        }
    }

    fn read_part<'t>(&mut self, top: &ObjectView<'t>) -> EventContent<'t> {
        let Some(part) = top.object("part") else { return EventContent::foreign() };
        let is_cited = || !part.elements("annotations").is_empty();
        match part.string("type").as_deref() {
            Some("output_text") if self.has_text_deltas && !is_cited() => EventContent::block_boundary(),
            Some("output_text") if part.literal("text").is_none_or(|text| text.len() <= 2) => {
                EventContent::block_boundary()
            }
            Some("reasoning_text") => EventContent::block_boundary(),
            _ => EventContent::foreign(),
        }
    }
}

/// The content of an event about an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ItemPhase {
    Started,
    Completed,
}

fn is_call_event(kind: &str) -> bool {
    let called = kind.strip_prefix("function_call_arguments.");
    called.or_else(|| kind.strip_prefix("custom_tool_call_input.")).is_some()
}
