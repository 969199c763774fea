//! Events of responses.

use super::{Said, inner};
use crate::protocol::object::Object;

/// What earlier events say about the next.
#[derive(Debug, Default)]
pub(in crate::routing::continuation) struct Reading {
    /// The open part's text came in pieces; its end repeats it.
    in_pieces: bool,
}

impl Reading {
    pub(super) fn read<'t>(&mut self, payload: &'t [u8]) -> Option<Said<'t>> {
        let top = Object::read(payload)?;
        let kind = top.string("type")?;
        if kind == "keepalive" {
            // It bears a number of its own, so it stays where it stands.
            return Some(Said::default());
        }
        let said = match kind.strip_prefix("response.").unwrap_or_default() {
            "created" | "in_progress" | "queued" => Said::default(),
            "output_item.added" => self.item(&top, Item::Begins),
            "output_item.done" => self.item(&top, Item::Ends),
            "content_part.added" => {
                self.in_pieces = false;
                self.part(&top)
            }
            "content_part.done" => self.part(&top),
            "output_text.delta" => {
                self.in_pieces = true;
                Said { text: inner(top.literal("delta").unwrap_or_default()), ..Said::default() }
            }
            "output_text.done" if self.in_pieces => Said::edge(),
            "reasoning_text.delta" | "reasoning_summary_text.delta" => Said::default(),
            "reasoning_text.done"
            | "reasoning_summary_part.added"
            | "reasoning_summary_part.done"
            | "reasoning_summary_text.done" => Said::edge(),
            "completed" | "incomplete" | "failed" | "done" => Said::finish(),
            called if is_call(called) => Said::calls(),
            _ => Said::foreign(),
        };
        Some(said)
    }

    fn item<'t>(&mut self, top: &Object<'t>, item: Item) -> Said<'t> {
        let Some(told) = top.object("item") else { return Said::foreign() };
        let is_empty = |key| told.elements(key).is_empty();
        match told.string("type").as_deref() {
            Some("message") if item == Item::Begins && is_empty("content") => {
                self.in_pieces = false;
                Said::edge()
            }
            // Text that only the item's end told is not known here.
            Some("message") if item == Item::Ends && (self.in_pieces || is_empty("content")) => Said::edge(),
            // What is encrypted binds the rest to its model.
            Some("reasoning") if told.literal("encrypted_content").is_some_and(|text| text.len() > 2) => {
                Said::foreign()
            }
            Some("reasoning") => Said::edge(),
            Some("function_call" | "custom_tool_call") => Said::calls(),
            _ => Said::foreign(),
        }
    }

    fn part<'t>(&mut self, top: &Object<'t>) -> Said<'t> {
        let Some(part) = top.object("part") else { return Said::foreign() };
        let is_cited = || !part.elements("annotations").is_empty();
        match part.string("type").as_deref() {
            Some("output_text") if self.in_pieces && !is_cited() => Said::edge(),
            Some("output_text") if part.literal("text").is_none_or(|text| text.len() <= 2) => Said::edge(),
            Some("reasoning_text") => Said::edge(),
            _ => Said::foreign(),
        }
    }
}

/// What an event says of an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Begins,
    Ends,
}

fn is_call(kind: &str) -> bool {
    let called = kind.strip_prefix("function_call_arguments.");
    called.or_else(|| kind.strip_prefix("custom_tool_call_input.")).is_some()
}
