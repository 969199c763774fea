//! One output item of a response, as far as its events describe it.

use crate::protocol::object::ObjectView;
use crate::protocol::translate::decoder::emitter::{Channel, EventEmitter};
use crate::protocol::translate::event::ResponseEvent;

/// See the module.
#[derive(Debug)]
pub(super) struct PartialItem {
    /// `output_index`.
    pub(super) index: Option<u64>,
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
pub(super) enum ItemPart {
    Text(u64),
    Refusal(u64),
    Reasoning(u64),
    Summary(u64),
    Arguments,
    Input,
}

impl PartialItem {
    pub(super) fn new(index: Option<u64>, id: &str) -> Self {
        Self {
            index,
            id: id.to_owned(),
            call: None,
            is_custom: false,
            seen_parts: Vec::new(),
            is_done: false,
        }
    }

    /// Whether it has this id.
    pub(super) fn has_id(&self, id: &str) -> bool {
        !id.is_empty() && self.id == id
    }

    /// Whether it has this index and no conflicting id.
    pub(super) fn may_match(&self, index: Option<u64>, id: &str) -> bool {
        self.index == index && (id.is_empty() || self.id.is_empty())
    }

    /// Reads its start: id and name of a call. A call without a name starts when its name arrives.
    pub(super) fn start(
        &mut self,
        told: &ObjectView<'_>,
        pieces: &mut EventEmitter,
        out: &mut Vec<ResponseEvent>,
    ) {
        if told.string("name").is_some_and(|name| !name.is_empty()) {
            self.start_call(told, pieces, out);
        }
    }

    fn start_call(&mut self, told: &ObjectView<'_>, pieces: &mut EventEmitter, out: &mut Vec<ResponseEvent>) {
        let text = |key| told.string(key).filter(|text| !text.is_empty());
        if self.id.is_empty() {
            self.id = text("id").unwrap_or_default().into_owned();
        }
        let kind = told.string("type");
        self.is_custom = kind.as_deref() == Some("custom_tool_call");
        let is_call = self.is_custom || kind.as_deref() == Some("function_call");
        if is_call && self.call.is_none() {
            let id = text("call_id").or_else(|| text("id")).unwrap_or_default();
            let name = text("name").unwrap_or_default();
            self.call = Some(pieces.start_call(id.into_owned(), name.into_owned(), out));
        }
    }

    /// A piece of a part.
    pub(super) fn push_delta(
        &mut self,
        part: ItemPart,
        literal: &[u8],
        pieces: &mut EventEmitter,
        out: &mut Vec<ResponseEvent>,
    ) {
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
            (ItemPart::Reasoning(_), _)
                if self.seen_parts.iter().any(|said| matches!(said, ItemPart::Summary(_))) =>
            {
                return;
            }
            (ItemPart::Summary(_), _)
                if self.seen_parts.iter().any(|said| matches!(said, ItemPart::Reasoning(_))) =>
            {
                return;
            }
            (ItemPart::Reasoning(_) | ItemPart::Summary(_), _) => Channel::Reasoning,
            (ItemPart::Arguments | ItemPart::Input, Some(call)) => Channel::Arguments(call),
            (ItemPart::Arguments | ItemPart::Input, None) => return,
        };
        let begins = !self.seen_parts.contains(&part);
        if begins {
            if channel == Channel::Reasoning && !self.seen_parts.is_empty() {
                pieces.push_text(channel, "\n\n".to_owned(), out);
            }
            self.seen_parts.push(part);
        }
        if part == ItemPart::Input {
            // The text between the quotes of one string is also valid between those of another.
            let opening = if begins { "{\"input\":\"" } else { "" };
            pieces.push_text(channel, format!("{opening}{}", String::from_utf8_lossy(inner)), out);
        } else {
            pieces.push_literal(channel, literal, out);
        }
    }

    /// A complete part: emitted if none of it was before.
    pub(super) fn push_complete_part(
        &mut self,
        part: ItemPart,
        literal: &[u8],
        pieces: &mut EventEmitter,
        out: &mut Vec<ResponseEvent>,
    ) {
        if !self.seen_parts.contains(&part) {
            self.push_delta(part, literal, pieces, out);
        }
    }

    /// A whole part of a message's or a reasoning item's content.
    pub(super) fn push_content_part(
        &mut self,
        told: &ObjectView<'_>,
        index: u64,
        pieces: &mut EventEmitter,
        out: &mut Vec<ResponseEvent>,
    ) {
        let (part, key) = match told.string("type").as_deref() {
            Some("output_text" | "text") => (ItemPart::Text(index), "text"),
            Some("refusal") => (ItemPart::Refusal(index), "refusal"),
            Some("reasoning_text") => (ItemPart::Reasoning(index), "text"),
            Some("summary_text") => (ItemPart::Summary(index), "text"),
            _ => return,
        };
        self.push_complete_part(part, told.literal(key).unwrap_or_default(), pieces, out);
    }

    /// The complete item: emits what was not emitted before, and its end.
    pub(super) fn finish(
        &mut self,
        told: &ObjectView<'_>,
        pieces: &mut EventEmitter,
        out: &mut Vec<ResponseEvent>,
    ) {
        if self.is_done {
            return;
        }
        self.start_call(told, pieces, out);
        let mut parts = 0_usize;
        for (key, only) in [("content", None), ("summary", Some("summary_text"))] {
            for (index, part) in (0..).zip(told.objects(key)) {
                if only.is_none_or(|only| part.string("type").as_deref() == Some(only)) {
                    self.push_content_part(&part, index, pieces, out);
                    parts += 1;
                }
            }
        }
        for (part, key) in [(ItemPart::Arguments, "arguments"), (ItemPart::Input, "input")] {
            if self.call.is_some() && self.is_custom == (part == ItemPart::Input) {
                self.push_complete_part(part, told.literal(key).unwrap_or_default(), pieces, out);
            }
        }
        let sealed = told.string("encrypted_content").filter(|sealed| !sealed.is_empty());
        if let Some(sealed) = sealed.filter(|_| told.string("type").as_deref() == Some("reasoning")) {
            // Reasoning without a readable part is redacted; an empty part means that the text was omitted.
            let readable = parts > 0 || !self.seen_parts.is_empty();
            let wrap =
                if readable { ResponseEvent::ReasoningSignature } else { ResponseEvent::RedactedReasoning };
            pieces.push_opaque(wrap(sealed.into_owned()), out);
        }
        self.end(pieces, out);
    }

    /// No more pieces follow.
    pub(super) fn end(&mut self, pieces: &mut EventEmitter, out: &mut Vec<ResponseEvent>) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        let Some(call) = self.call else { return };
        if self.is_custom {
            let rest = if self.seen_parts.contains(&ItemPart::Input) { "\"}" } else { "{\"input\":\"\"}" };
            pieces.push_text(Channel::Arguments(call), rest.to_owned(), out);
        }
        pieces.end_call(call, out);
    }
}
