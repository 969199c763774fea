//! Responses API responses, streamed or whole, read into events.
//!
//! The same text arrives up to four times: in deltas, at the end of its part, at the end of its item, and in the
//! response that ends the stream. Some servers omit some of them; the first one received counts.

use crate::protocol::api::Api;
use crate::protocol::codec::ApiDecoder;
use crate::protocol::codec::emitter::{Channel, EventEmitter};
use crate::protocol::model::answer::{FinishReason, ResponseEvent};
use crate::protocol::model::losses;
use crate::protocol::object::ObjectView;

#[derive(Debug, Default)]
pub(crate) struct ResponsesDecoder {
    items: Vec<PartialItem>,
}

impl ApiDecoder for ResponsesDecoder {
    fn read_payload(&mut self, payload: &[u8], emitter: &mut EventEmitter) {
        let Some(top) = ObjectView::parse(payload) else { return };
        let Some(kind) = top.string("type") else { return };
        let Some(what) = kind.strip_prefix("response.") else { return };
        match what {
            "created" | "in_progress" | "queued" => {
                if let Some(response) = top.object("response") {
                    emitter.start(response.string("id"), response.string("model"));
                }
            }
            "completed" | "incomplete" => {
                if let Some(response) = top.object("response") {
                    self.read_response(&response, emitter);
                }
                self.end(emitter);
            }
            "output_item.added" => {
                if let Some(object) = top.object("item") {
                    self.find_or_add_item(&top, &object).start(&object, emitter);
                }
            }
            "output_item.done" => {
                if let Some(object) = top.object("item") {
                    self.find_or_add_item(&top, &object).finish(&object, emitter);
                }
            }
            "content_part.done" => {
                if let Some(part) = top.object("part") {
                    let index = top.count("content_index").unwrap_or(0);
                    self.find_event_item(&top).push_content_part(&part, index, emitter);
                }
            }
            _ => self.read_delta(what, &top, emitter),
        }
    }

    fn read_body(&mut self, body: &[u8], emitter: &mut EventEmitter) {
        if let Some(response) = ObjectView::parse(body) {
            self.read_response(&response, emitter);
        }
    }

    fn end(&mut self, emitter: &mut EventEmitter) {
        for item in &mut self.items {
            item.end(emitter);
        }
        emitter.end();
    }
}

impl ResponsesDecoder {
    /// Pieces of text and arguments, and their ends.
    fn read_delta(&mut self, what: &str, top: &ObjectView<'_>, emitter: &mut EventEmitter) {
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
        let item = self.find_event_item(top);
        if !is_end || !item.seen_parts.contains(&part) {
            item.push_delta(part, literal, emitter);
        }
    }

    /// A response as it is when it is finished.
    fn read_response(&mut self, response: &ObjectView<'_>, emitter: &mut EventEmitter) {
        emitter.start(response.string("id"), response.string("model"));
        for (at, item_object) in response.objects("output").into_iter().enumerate() {
            let index = u64::try_from(at).ok();
            let id = item_object.string("id").unwrap_or_default();
            let known = self.items.iter().position(|item| item.has_id(&id));
            let known = known.or_else(|| self.items.iter().position(|item| item.may_match(index, &id)));
            self.item_at(known, index, &id).finish(&item_object, emitter);
        }
        emitter.push_usage(Api::Responses, response.value("usage"));
        let details = response.object("incomplete_details");
        let reason = details.as_ref().and_then(|details| details.string("reason"));
        match (response.string("status").as_deref(), reason.as_deref()) {
            (Some("incomplete"), Some("content_filter")) => {
                emitter.set_finish_reason(FinishReason::ContentFilter)
            }
            (Some("incomplete"), _) => emitter.set_finish_reason(FinishReason::MaxTokens),
            (Some("completed") | None, _) => emitter.set_finish_reason(FinishReason::Stop),
            _ => {}
        }
    }

    /// The item that an event brings.
    fn find_or_add_item(&mut self, top: &ObjectView<'_>, item: &ObjectView<'_>) -> &mut PartialItem {
        let (index, id) = (top.count("output_index"), item.string("id").unwrap_or_default());
        self.item_at(self.find_index(index, &id), index, &id)
    }

    /// The item of an event: by index, else by id, else the last one.
    fn find_event_item(&mut self, top: &ObjectView<'_>) -> &mut PartialItem {
        let (index, id) = (top.count("output_index"), top.string("item_id").unwrap_or_default());
        let last = if index.is_none() && id.is_empty() { self.items.len().checked_sub(1) } else { None };
        self.item_at(self.find_index(index, &id).or(last), index, &id)
    }

    fn find_index(&self, index: Option<u64>, id: &str) -> Option<usize> {
        match index {
            Some(_) => self.items.iter().rposition(|item| item.index == index),
            None => self.items.iter().rposition(|item| item.has_id(id)),
        }
    }

    /// The item at `at`, or a new one with this index and id.
    #[expect(clippy::indexing_slicing, reason = "`at` was found, or its item was just added")]
    fn item_at(&mut self, at: Option<usize>, index: Option<u64>, id: &str) -> &mut PartialItem {
        let at = at.unwrap_or(self.items.len());
        if at == self.items.len() {
            self.items.push(PartialItem { index, id: id.to_owned(), ..PartialItem::default() });
        }
        &mut self.items[at]
    }
}

/// One output item, as far as its events describe it.
#[derive(Debug, Default)]
struct PartialItem {
    /// `output_index`.
    index: Option<u64>,
    id: String,
    /// The call's number, where it is one that has begun.
    call: Option<usize>,
    /// It is a call of a custom tool, whose input is text: the input is wrapped as the argument `input`.
    is_custom: bool,
    /// The parts that were already emitted.
    seen_parts: Vec<ItemPart>,
    is_done: bool,
}

/// A part of an item, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemPart {
    Text(u64),
    Refusal(u64),
    Reasoning(u64),
    Summary(u64),
    Arguments,
    Input,
}

impl PartialItem {
    /// Whether it has this id.
    fn has_id(&self, id: &str) -> bool {
        !id.is_empty() && self.id == id
    }

    /// Whether it has this index and no conflicting id.
    fn may_match(&self, index: Option<u64>, id: &str) -> bool {
        self.index == index && (id.is_empty() || self.id.is_empty())
    }

    fn has_seen(&self, is_such: impl Fn(&ItemPart) -> bool) -> bool {
        self.seen_parts.iter().any(is_such)
    }

    /// Reads its start: id and name of a call. A call without a name starts when its name arrives.
    fn start(&mut self, item_object: &ObjectView<'_>, emitter: &mut EventEmitter) {
        if item_object.string("name").is_some_and(|name| !name.is_empty()) {
            self.start_call(item_object, emitter);
        }
    }

    fn start_call(&mut self, item_object: &ObjectView<'_>, emitter: &mut EventEmitter) {
        let text = |key| item_object.string(key).filter(|text| !text.is_empty());
        if self.id.is_empty() {
            self.id = text("id").unwrap_or_default().into_owned();
        }
        let kind = item_object.string("type");
        self.is_custom = kind.as_deref() == Some("custom_tool_call");
        let is_call = self.is_custom || kind.as_deref() == Some("function_call");
        if is_call && self.call.is_none() {
            let id = text("call_id").or_else(|| text("id")).unwrap_or_default();
            let name = text("name").unwrap_or_default();
            self.call = Some(emitter.start_call(id.into_owned(), name.into_owned()));
        }
    }

    /// A piece of a part.
    fn push_delta(&mut self, part: ItemPart, literal: &[u8], emitter: &mut EventEmitter) {
        let Some(inner) = literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
            return;
        };
        if inner.is_empty() || self.is_done {
            return;
        }
        let channel = match (part, self.call) {
            (ItemPart::Text(_), _) => Channel::Text,
            (ItemPart::Refusal(_), _) => Channel::Refusal,
            // Both contain the same reasoning in different wording.
            (ItemPart::Reasoning(_), _) if self.has_seen(|seen| matches!(seen, ItemPart::Summary(_))) => {
                return;
            }
            (ItemPart::Summary(_), _) if self.has_seen(|seen| matches!(seen, ItemPart::Reasoning(_))) => {
                return;
            }
            (ItemPart::Reasoning(_) | ItemPart::Summary(_), _) => Channel::Reasoning,
            (ItemPart::Arguments | ItemPart::Input, Some(call)) => Channel::Arguments(call),
            (ItemPart::Arguments | ItemPart::Input, None) => return,
        };
        let begins = !self.seen_parts.contains(&part);
        if begins {
            if channel == Channel::Reasoning && !self.seen_parts.is_empty() {
                emitter.push_text(channel, "\n\n".to_owned());
            }
            self.seen_parts.push(part);
        }
        if part == ItemPart::Input {
            // The text between the quotes of one string is also valid between those of another.
            let opening = if begins { "{\"input\":\"" } else { "" };
            emitter.push_text(channel, format!("{opening}{}", String::from_utf8_lossy(inner)));
        } else {
            emitter.push_literal(channel, literal);
        }
    }

    /// The complete part under `key`: emitted if none of it was before.
    fn push_complete(&mut self, part: ItemPart, of: &ObjectView<'_>, key: &str, emitter: &mut EventEmitter) {
        if let Some(literal) = of.literal(key).filter(|_| !self.seen_parts.contains(&part)) {
            self.push_delta(part, literal, emitter);
        }
    }

    /// A whole part of a message's or a reasoning item's content.
    fn push_content_part(&mut self, object: &ObjectView<'_>, index: u64, emitter: &mut EventEmitter) {
        let (part, key) = match object.string("type").as_deref() {
            Some("output_text" | "text") => (ItemPart::Text(index), "text"),
            Some("refusal") => (ItemPart::Refusal(index), "refusal"),
            Some("reasoning_text") => (ItemPart::Reasoning(index), "text"),
            Some("summary_text") => (ItemPart::Summary(index), "text"),
            _ => return,
        };
        let has = |key| !object.objects(key).is_empty();
        emitter.losses.record_if(has("annotations"), losses::ANSWER_CITATIONS);
        emitter.losses.record_if(has("logprobs"), losses::ANSWER_LOGPROBS);
        self.push_complete(part, object, key, emitter);
    }

    /// The complete item: emits what was not emitted before, and its end.
    fn finish(&mut self, item_object: &ObjectView<'_>, emitter: &mut EventEmitter) {
        if self.is_done {
            return;
        }
        match item_object.string_or_empty("type").as_ref() {
            "image_generation_call" => emitter.push_image_note(),
            "message" | "reasoning" | "function_call" | "custom_tool_call" | "" => {}
            _ => emitter.losses.record(losses::ANSWER_TOOLS),
        }
        self.start_call(item_object, emitter);
        let mut parts = 0_usize;
        for (key, only) in [("content", None), ("summary", Some("summary_text"))] {
            for (index, part) in (0..).zip(item_object.objects(key)) {
                if only.is_none_or(|only| part.string("type").as_deref() == Some(only)) {
                    self.push_content_part(&part, index, emitter);
                    parts += 1;
                }
            }
        }
        for (part, key) in [(ItemPart::Arguments, "arguments"), (ItemPart::Input, "input")] {
            if self.call.is_some() && self.is_custom == (part == ItemPart::Input) {
                self.push_complete(part, item_object, key, emitter);
            }
        }
        let encrypted = item_object.string("encrypted_content").filter(|encrypted| !encrypted.is_empty());
        if let Some(encrypted) =
            encrypted.filter(|_| item_object.string("type").as_deref() == Some("reasoning"))
        {
            // Reasoning without a readable part is redacted; an empty part means that the text was omitted.
            let readable = parts > 0 || !self.seen_parts.is_empty();
            let wrap =
                if readable { ResponseEvent::ReasoningSignature } else { ResponseEvent::RedactedReasoning };
            emitter.push_opaque(wrap(encrypted.into_owned()));
        }
        self.end(emitter);
    }

    /// No more pieces follow.
    fn end(&mut self, emitter: &mut EventEmitter) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        let Some(call) = self.call else { return };
        if self.is_custom {
            let rest = if self.seen_parts.contains(&ItemPart::Input) { "\"}" } else { "{\"input\":\"\"}" };
            emitter.push_text(Channel::Arguments(call), rest.to_owned());
        }
        emitter.end_call(call);
    }
}
