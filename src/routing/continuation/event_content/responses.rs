//! Parses events of the Responses API.

use super::{EventContent, unquote};
use crate::protocol::object::ObjectView;

/// State from earlier events that the next event depends on.
#[derive(Debug, Default)]
pub(in crate::routing::continuation) struct ResponsesEventReader {
    /// The open part's text came in deltas; its final event repeats it.
    has_text_deltas: bool,
}

impl ResponsesEventReader {
    pub(super) fn read<'t>(&mut self, payload: &'t [u8]) -> Option<EventContent<'t>> {
        let top = ObjectView::parse(payload)?;
        let kind = top.string("type")?;
        if kind == "keepalive" {
            // It carries its own index, so its position stays the same.
            return Some(EventContent::default());
        }
        let said = match kind.strip_prefix("response.").unwrap_or_default() {
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
        Some(said)
    }

    fn read_item<'t>(&mut self, top: &ObjectView<'t>, item: ItemPhase) -> EventContent<'t> {
        let Some(told) = top.object("item") else { return EventContent::foreign() };
        let is_empty = |key| told.elements(key).is_empty();
        match told.string("type").as_deref() {
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
            Some("reasoning") if told.literal("encrypted_content").is_some_and(|text| text.len() > 2) => {
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
