//! OpenAI Responses. The same text comes up to four times: in deltas, at the end of its part, at the end of its item,
//! and in the response that ends the stream. Some servers leave some of them out; the first that comes counts.

mod item;

use item::{Item, Part};

use super::pieces::Pieces;
use crate::protocol::face::Face;
use crate::protocol::object::Object;
use crate::protocol::translate::event::{Event, Finish};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pieces: Pieces,
    items: Vec<Item>,
}

impl Reader {
    pub(super) fn frame(&mut self, payload: &[u8], out: &mut Vec<Event>) {
        if self.pieces.has_ended() {
            return;
        }
        let Some(top) = Object::read(payload) else { return };
        let Some(kind) = top.string("type") else { return };
        let Some(what) = kind.strip_prefix("response.") else { return };
        match what {
            "created" | "in_progress" | "queued" => {
                if let Some(response) = top.object("response") {
                    self.pieces.start(response.string("id"), response.string("model"), out);
                }
            }
            "completed" | "incomplete" => {
                if let Some(response) = top.object("response") {
                    self.response(&response, out);
                }
                self.end(out);
            }
            "output_item.added" => {
                let Some(told) = top.object("item") else { return };
                if let Some((item, pieces)) = self.place(&top, &told) {
                    item.begin(&told, pieces, out);
                }
            }
            "output_item.done" => {
                let Some(told) = top.object("item") else { return };
                if let Some((item, pieces)) = self.place(&top, &told) {
                    item.finish(&told, pieces, out);
                }
            }
            "content_part.done" => {
                let (Some(part), index) = (top.object("part"), top.count("content_index")) else { return };
                if let Some((item, pieces)) = self.named(&top) {
                    item.content(&part, index.unwrap_or(0), pieces, out);
                }
            }
            _ => self.piece(what, &top, out),
        }
    }

    pub(super) fn whole(&mut self, body: &[u8], out: &mut Vec<Event>) {
        if let Some(response) = Object::read(body) {
            self.response(&response, out);
        }
    }

    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        if self.pieces.has_ended() {
            return;
        }
        for item in &mut self.items {
            item.end(&mut self.pieces, out);
        }
        self.pieces.end(out);
    }

    /// Pieces of text and arguments, and their ends.
    fn piece(&mut self, what: &str, top: &Object<'_>, out: &mut Vec<Event>) {
        let content = top.count("content_index").unwrap_or(0);
        let summary = top.count("summary_index").unwrap_or(0);
        let (part, is_end, key) = match what {
            "output_text.delta" => (Part::Text(content), false, "delta"),
            "output_text.done" => (Part::Text(content), true, "text"),
            "refusal.delta" => (Part::Refusal(content), false, "delta"),
            "refusal.done" => (Part::Refusal(content), true, "refusal"),
            "reasoning_text.delta" => (Part::Reasoning(content), false, "delta"),
            "reasoning_text.done" => (Part::Reasoning(content), true, "text"),
            "reasoning_summary_text.delta" => (Part::Summary(summary), false, "delta"),
            "reasoning_summary_text.done" => (Part::Summary(summary), true, "text"),
            "function_call_arguments.delta" => (Part::Arguments, false, "delta"),
            "function_call_arguments.done" => (Part::Arguments, true, "arguments"),
            "custom_tool_call_input.delta" => (Part::Input, false, "delta"),
            "custom_tool_call_input.done" => (Part::Input, true, "input"),
            _ => return,
        };
        let Some(literal) = top.literal(key) else { return };
        let Some((item, pieces)) = self.named(top) else { return };
        if is_end {
            item.complete(part, literal, pieces, out);
        } else {
            item.say(part, literal, pieces, out);
        }
    }

    /// A response as it is when it is finished.
    fn response(&mut self, response: &Object<'_>, out: &mut Vec<Event>) {
        self.pieces.start(response.string("id"), response.string("model"), out);
        for (at, told) in response.objects("output").into_iter().enumerate() {
            let index = u64::try_from(at).ok();
            let id = told.string("id").unwrap_or_default();
            let known = self.items.iter().position(|item| item.is(&id));
            let known = known.or_else(|| self.items.iter().position(|item| item.may_be(index, &id)));
            let at = known.unwrap_or_else(|| self.add(index, &id));
            if let Some((item, pieces)) = self.at(at) {
                item.finish(&told, pieces, out);
            }
        }
        self.pieces.usage(Face::Responses, response.value("usage"), out);
        let details = response.object("incomplete_details");
        let reason = details.as_ref().and_then(|details| details.string("reason"));
        match (response.string("status").as_deref(), reason.as_deref()) {
            (Some("incomplete"), Some("content_filter")) => self.pieces.finish(Finish::Filtered),
            (Some("incomplete"), _) => self.pieces.finish(Finish::Length),
            (Some("completed") | None, _) => self.pieces.finish(Finish::Stop),
            _ => {}
        }
    }

    /// The item that an event brings.
    fn place(&mut self, top: &Object<'_>, told: &Object<'_>) -> Option<(&mut Item, &mut Pieces)> {
        let (index, id) = (top.count("output_index"), told.string("id").unwrap_or_default());
        let at = self.find(index, &id).unwrap_or_else(|| self.add(index, &id));
        self.at(at)
    }

    /// The item that an event is about: by place, else by id, else the last one.
    fn named(&mut self, top: &Object<'_>) -> Option<(&mut Item, &mut Pieces)> {
        let (index, id) = (top.count("output_index"), top.string("item_id").unwrap_or_default());
        let last = if index.is_none() && id.is_empty() { self.items.len().checked_sub(1) } else { None };
        let at = self.find(index, &id).or(last).unwrap_or_else(|| self.add(index, &id));
        self.at(at)
    }

    fn find(&self, index: Option<u64>, id: &str) -> Option<usize> {
        match index {
            Some(_) => self.items.iter().rposition(|item| item.index == index),
            None => self.items.iter().rposition(|item| item.is(id)),
        }
    }

    fn add(&mut self, index: Option<u64>, id: &str) -> usize {
        self.items.push(Item::new(index, id));
        self.items.len() - 1
    }

    fn at(&mut self, at: usize) -> Option<(&mut Item, &mut Pieces)> {
        Some((self.items.get_mut(at)?, &mut self.pieces))
    }
}
