//! One item of a response's output, as its events make it known.

use crate::protocol::object::Object;
use crate::protocol::translate::decoder::pieces::{Channel, Pieces};
use crate::protocol::translate::event::Event;

/// See the module.
#[derive(Debug)]
pub(super) struct Item {
    /// `output_index`.
    pub(super) index: Option<u64>,
    id: String,
    /// The call's number, where it is one that has begun.
    call: Option<usize>,
    /// It is a call of a custom tool, whose input is text: the input is wrapped as the argument `input`.
    custom: bool,
    /// The parts of which something was said.
    said: Vec<Part>,
    done: bool,
}

/// A part of an item, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(u64),
    Refusal(u64),
    Reasoning(u64),
    Summary(u64),
    Arguments,
    Input,
}

impl Item {
    pub(super) fn new(index: Option<u64>, id: &str) -> Self {
        Self { index, id: id.to_owned(), call: None, custom: false, said: Vec::new(), done: false }
    }

    /// Whether it has this id.
    pub(super) fn is(&self, id: &str) -> bool {
        !id.is_empty() && self.id == id
    }

    /// Whether it stands at this place and no id speaks against it.
    pub(super) fn may_be(&self, index: Option<u64>, id: &str) -> bool {
        self.index == index && (id.is_empty() || self.id.is_empty())
    }

    /// What its beginning tells: of a call, id and name. A call without a name yet begins when it has one.
    pub(super) fn begin(&mut self, told: &Object<'_>, pieces: &mut Pieces, out: &mut Vec<Event>) {
        if told.string("name").is_some_and(|name| !name.is_empty()) {
            self.begin_call(told, pieces, out);
        }
    }

    fn begin_call(&mut self, told: &Object<'_>, pieces: &mut Pieces, out: &mut Vec<Event>) {
        let text = |key| told.string(key).filter(|text| !text.is_empty());
        if self.id.is_empty() {
            self.id = text("id").unwrap_or_default().into_owned();
        }
        let kind = told.string("type");
        self.custom = kind.as_deref() == Some("custom_tool_call");
        let is_call = self.custom || kind.as_deref() == Some("function_call");
        if is_call && self.call.is_none() {
            let id = text("call_id").or_else(|| text("id")).unwrap_or_default();
            let name = text("name").unwrap_or_default();
            self.call = Some(pieces.call(id.into_owned(), name.into_owned(), out));
        }
    }

    /// A piece of a part.
    pub(super) fn say(&mut self, part: Part, literal: &[u8], pieces: &mut Pieces, out: &mut Vec<Event>) {
        let Some(inner) = literal.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
            return;
        };
        if inner.is_empty() || self.done {
            return;
        }
        let channel = match (part, self.call) {
            (Part::Text(_), _) => Channel::Text,
            (Part::Refusal(_), _) => Channel::Refusal,
            // The one repeats the other in other words.
            (Part::Reasoning(_), _) if self.said.iter().any(|said| matches!(said, Part::Summary(_))) => {
                return;
            }
            (Part::Summary(_), _) if self.said.iter().any(|said| matches!(said, Part::Reasoning(_))) => {
                return;
            }
            (Part::Reasoning(_) | Part::Summary(_), _) => Channel::Reasoning,
            (Part::Arguments | Part::Input, Some(call)) => Channel::Arguments(call),
            (Part::Arguments | Part::Input, None) => return,
        };
        let begins = !self.said.contains(&part);
        if begins {
            if channel == Channel::Reasoning && !self.said.is_empty() {
                pieces.put(channel, "\n\n".to_owned(), out);
            }
            self.said.push(part);
        }
        if part == Part::Input {
            // What stands between the quotes of one string stands as well between those of another.
            let opening = if begins { "{\"input\":\"" } else { "" };
            pieces.put(channel, format!("{opening}{}", String::from_utf8_lossy(inner)), out);
        } else {
            pieces.say(channel, literal, out);
        }
    }

    /// A part as a whole: news where none of it was said.
    pub(super) fn complete(&mut self, part: Part, literal: &[u8], pieces: &mut Pieces, out: &mut Vec<Event>) {
        if !self.said.contains(&part) {
            self.say(part, literal, pieces, out);
        }
    }

    /// A whole part of a message's or a reasoning item's content.
    pub(super) fn content(
        &mut self,
        told: &Object<'_>,
        index: u64,
        pieces: &mut Pieces,
        out: &mut Vec<Event>,
    ) {
        let (part, key) = match told.string("type").as_deref() {
            Some("output_text" | "text") => (Part::Text(index), "text"),
            Some("refusal") => (Part::Refusal(index), "refusal"),
            Some("reasoning_text") => (Part::Reasoning(index), "text"),
            Some("summary_text") => (Part::Summary(index), "text"),
            _ => return,
        };
        self.complete(part, told.literal(key).unwrap_or_default(), pieces, out);
    }

    /// The whole item: what of it was not said, and its end.
    pub(super) fn finish(&mut self, told: &Object<'_>, pieces: &mut Pieces, out: &mut Vec<Event>) {
        if self.done {
            return;
        }
        self.begin_call(told, pieces, out);
        let mut parts = 0_usize;
        for (key, only) in [("content", None), ("summary", Some("summary_text"))] {
            for (index, part) in (0..).zip(told.objects(key)) {
                if only.is_none_or(|only| part.string("type").as_deref() == Some(only)) {
                    self.content(&part, index, pieces, out);
                    parts += 1;
                }
            }
        }
        for (part, key) in [(Part::Arguments, "arguments"), (Part::Input, "input")] {
            if self.call.is_some() && self.custom == (part == Part::Input) {
                self.complete(part, told.literal(key).unwrap_or_default(), pieces, out);
            }
        }
        let sealed = told.string("encrypted_content").filter(|sealed| !sealed.is_empty());
        if let Some(sealed) = sealed.filter(|_| told.string("type").as_deref() == Some("reasoning")) {
            // Reasoning without a readable part is veiled; an empty part tells one whose text was left out.
            let readable = parts > 0 || !self.said.is_empty();
            let wrap = if readable { Event::Seal } else { Event::Veiled };
            pieces.opaque(wrap(sealed.into_owned()), out);
        }
        self.end(pieces, out);
    }

    /// Nothing follows.
    pub(super) fn end(&mut self, pieces: &mut Pieces, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let Some(call) = self.call else { return };
        if self.custom {
            let rest = if self.said.contains(&Part::Input) { "\"}" } else { "{\"input\":\"\"}" };
            pieces.put(Channel::Arguments(call), rest.to_owned(), out);
        }
        pieces.end_call(call, out);
    }
}
