//! OpenAI Responses. The same text arrives up to four times: in deltas, at the end of its part, at the end of
//! its item, and in the response that ends the stream. Some servers omit some of them; the first one received
//! counts.

mod item;

use item::{ItemPart, PartialItem};

use super::emitter::EventEmitter;
use crate::protocol::api::Api;
use crate::protocol::object::ObjectView;
use crate::protocol::translate::event::{FinishReason, ResponseEvent};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ResponsesDecoder {
    emitter: EventEmitter,
    items: Vec<PartialItem>,
}

impl ResponsesDecoder {
    pub(super) fn read_payload(&mut self, payload: &[u8], out: &mut Vec<ResponseEvent>) {
        if self.emitter.has_ended() {
            return;
        }
        let Some(top) = ObjectView::parse(payload) else { return };
        let Some(kind) = top.string("type") else { return };
        let Some(what) = kind.strip_prefix("response.") else { return };
        match what {
            "created" | "in_progress" | "queued" => {
                if let Some(response) = top.object("response") {
                    self.emitter.start(response.string("id"), response.string("model"), out);
                }
            }
            "completed" | "incomplete" => {
                if let Some(response) = top.object("response") {
                    self.read_response(&response, out);
                }
                self.end(out);
            }
            "output_item.added" => {
                let Some(told) = top.object("item") else { return };
                if let Some((item, pieces)) = self.find_or_add_item(&top, &told) {
                    item.start(&told, pieces, out);
                }
            }
            "output_item.done" => {
                let Some(told) = top.object("item") else { return };
                if let Some((item, pieces)) = self.find_or_add_item(&top, &told) {
                    item.finish(&told, pieces, out);
                }
            }
            "content_part.done" => {
                let (Some(part), index) = (top.object("part"), top.count("content_index")) else { return };
                if let Some((item, pieces)) = self.find_event_item(&top) {
                    item.push_content_part(&part, index.unwrap_or(0), pieces, out);
                }
            }
            _ => self.read_delta(what, &top, out),
        }
    }

    pub(super) fn read_body(&mut self, body: &[u8], out: &mut Vec<ResponseEvent>) {
        if let Some(response) = ObjectView::parse(body) {
            self.read_response(&response, out);
        }
    }

    pub(super) fn end(&mut self, out: &mut Vec<ResponseEvent>) {
        if self.emitter.has_ended() {
            return;
        }
        for item in &mut self.items {
            item.end(&mut self.emitter, out);
        }
        self.emitter.end(out);
    }

    /// Pieces of text and arguments, and their ends.
    fn read_delta(&mut self, what: &str, top: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        let content = top.count("content_index").unwrap_or(0);
        let summary = top.count("summary_index").unwrap_or(0);
        let (part, is_end, key) = match what {
            "output_text.delta" => (ItemPart::Text(content), false, "delta"),
            "output_text.done" => (ItemPart::Text(content), true, "text"),
            "refusal.delta" => (ItemPart::Refusal(content), false, "delta"),
            "refusal.done" => (ItemPart::Refusal(content), true, "refusal"),
            "reasoning_text.delta" => (ItemPart::Reasoning(content), false, "delta"),
            "reasoning_text.done" => (ItemPart::Reasoning(content), true, "text"),
            "reasoning_summary_text.delta" => (ItemPart::Summary(summary), false, "delta"),
            "reasoning_summary_text.done" => (ItemPart::Summary(summary), true, "text"),
            "function_call_arguments.delta" => (ItemPart::Arguments, false, "delta"),
            "function_call_arguments.done" => (ItemPart::Arguments, true, "arguments"),
            "custom_tool_call_input.delta" => (ItemPart::Input, false, "delta"),
            "custom_tool_call_input.done" => (ItemPart::Input, true, "input"),
            _ => return,
        };
        let Some(literal) = top.literal(key) else { return };
        let Some((item, pieces)) = self.find_event_item(top) else { return };
        if is_end {
            item.push_complete_part(part, literal, pieces, out);
        } else {
            item.push_delta(part, literal, pieces, out);
        }
    }

    /// A response as it is when it is finished.
    fn read_response(&mut self, response: &ObjectView<'_>, out: &mut Vec<ResponseEvent>) {
        self.emitter.start(response.string("id"), response.string("model"), out);
        for (at, told) in response.objects("output").into_iter().enumerate() {
            let index = u64::try_from(at).ok();
            let id = told.string("id").unwrap_or_default();
            let known = self.items.iter().position(|item| item.has_id(&id));
            let known = known.or_else(|| self.items.iter().position(|item| item.may_match(index, &id)));
            let at = known.unwrap_or_else(|| self.add_item(index, &id));
            if let Some((item, pieces)) = self.item_at(at) {
                item.finish(&told, pieces, out);
            }
        }
        self.emitter.push_usage(Api::Responses, response.value("usage"), out);
        let details = response.object("incomplete_details");
        let reason = details.as_ref().and_then(|details| details.string("reason"));
        match (response.string("status").as_deref(), reason.as_deref()) {
            (Some("incomplete"), Some("content_filter")) => {
                self.emitter.set_finish_reason(FinishReason::ContentFilter)
            }
            (Some("incomplete"), _) => self.emitter.set_finish_reason(FinishReason::MaxTokens),
            (Some("completed") | None, _) => self.emitter.set_finish_reason(FinishReason::Stop),
            _ => {}
        }
    }

    /// The item that an event brings.
    fn find_or_add_item(
        &mut self,
        top: &ObjectView<'_>,
        told: &ObjectView<'_>,
    ) -> Option<(&mut PartialItem, &mut EventEmitter)> {
        let (index, id) = (top.count("output_index"), told.string("id").unwrap_or_default());
        let at = self.find_index(index, &id).unwrap_or_else(|| self.add_item(index, &id));
        self.item_at(at)
    }

    /// The item of an event: by index, else by id, else the last one.
    fn find_event_item(&mut self, top: &ObjectView<'_>) -> Option<(&mut PartialItem, &mut EventEmitter)> {
        let (index, id) = (top.count("output_index"), top.string("item_id").unwrap_or_default());
        let last = if index.is_none() && id.is_empty() { self.items.len().checked_sub(1) } else { None };
        let at = self.find_index(index, &id).or(last).unwrap_or_else(|| self.add_item(index, &id));
        self.item_at(at)
    }

    fn find_index(&self, index: Option<u64>, id: &str) -> Option<usize> {
        match index {
            Some(_) => self.items.iter().rposition(|item| item.index == index),
            None => self.items.iter().rposition(|item| item.has_id(id)),
        }
    }

    fn add_item(&mut self, index: Option<u64>, id: &str) -> usize {
        self.items.push(PartialItem::new(index, id));
        self.items.len() - 1
    }

    fn item_at(&mut self, at: usize) -> Option<(&mut PartialItem, &mut EventEmitter)> {
        Some((self.items.get_mut(at)?, &mut self.emitter))
    }
}
