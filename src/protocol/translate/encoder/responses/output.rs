//! The output of a response: its items, as events and as they stand in the response at the end.

use std::collections::BTreeMap;

use super::item::{Call, Item, Kind, Names};
use crate::protocol::translate::echo::Echo;
use crate::protocol::translate::encoder::frame::{escaped, number, put, string};
use crate::protocol::translate::encoder::sequence::{Block, Blocks};
use crate::protocol::translate::ids;

/// What an item takes besides its text, in bytes, about.
const ITEM: usize = 128;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Of the next event.
    pub(super) sequence_number: u64,
    /// Of the next item.
    pub(super) next: u64,
    /// The items that are done, as JSON, by place.
    done: BTreeMap<u64, Vec<u8>>,
    /// What these take, in bytes.
    done_bytes: usize,
    /// What others write is not kept.
    forgetful: bool,
    /// Those that are open; but for frames of others there is one at most, and it is the last.
    pub(super) open: Vec<Item>,
    /// What closes from now on is incomplete.
    pub(super) incomplete: bool,
    /// No events are written: the response is whole.
    pub(super) silent: bool,
    /// What the ids of items have of the response's.
    stem: String,
    encrypted: bool,
    summary: bool,
    namespaced: BTreeMap<String, (String, String)>,
}

impl Blocks for Output {
    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        let kind = match block {
            Block::Reasoning if self.summary => Kind::Summary,
            Block::Reasoning => Kind::Reasoning,
            Block::Text => Kind::Text,
            Block::Refusal => Kind::Refusal,
            Block::Call { id, name } => Kind::Call(self.call(id, name)),
        };
        self.add(kind, out);
    }

    fn piece(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(mut item) = self.open.pop() else { return };
        let from = item.text.len();
        escaped(&mut item.text, text);
        let piece = item.text.get(from..).unwrap_or_default();
        let names = item.kind.names();
        self.event(names.map_or("response.function_call_arguments.delta", |names| names.delta), out, |out| {
            write_place(&item, names.as_ref(), out);
            put(out, ",\"delta\":\"");
            out.extend_from_slice(piece);
            out.push(b'"');
            put(out, names.map_or("", |names| names.beside));
        });
        self.open.push(item);
    }

    fn close(&mut self, seal: Option<&str>, out: &mut Vec<u8>) {
        if let Some(mut item) = self.open.pop() {
            item.seal = seal.filter(|_| self.encrypted).map(str::to_owned);
            self.complete(item, out);
        }
    }

    fn veiled(&mut self, data: &str, out: &mut Vec<u8>) {
        if self.encrypted {
            let mut item = self.item(Kind::Reasoning);
            item.seal = Some(data.to_owned());
            self.added(&item, out);
            self.complete(item, out);
        }
    }
}

impl Output {
    pub(super) fn new(echo: &mut Echo) -> Self {
        Self {
            encrypted: echo.encrypted,
            summary: echo.summary,
            namespaced: std::mem::take(&mut echo.namespaced),
            ..Self::default()
        }
    }

    pub(super) fn know(&mut self, namespaced: &BTreeMap<String, (String, String)>) {
        self.namespaced.extend(namespaced.iter().map(|(sent, own)| (sent.clone(), own.clone())));
    }

    /// Bytes of the items so far.
    pub(super) fn kept(&self) -> usize {
        self.open.iter().map(|item| ITEM + item.parts.len() + item.text.len()).sum::<usize>()
            + self.done_bytes
    }

    /// Drops what is kept, and keeps nothing of what others write.
    pub(super) fn forget(&mut self) {
        self.forgetful = true;
        self.done = BTreeMap::new();
        self.done_bytes = 0;
        for item in &mut self.open {
            item.text = Vec::new();
            item.parts = Vec::new();
        }
    }

    /// Whether what others write is not kept.
    pub(super) const fn is_forgetful(&self) -> bool {
        self.forgetful
    }

    /// An item that is done, as JSON.
    pub(super) fn keep(&mut self, index: u64, item: Vec<u8>) {
        if self.forgetful {
            return;
        }
        self.done_bytes += ITEM + item.len();
        if let Some(before) = self.done.insert(index, item) {
            self.done_bytes -= ITEM + before.len();
        }
    }

    /// The response's id, of which the items' ids are made.
    pub(super) fn named(&mut self, id: &str) {
        id.strip_prefix("resp_").unwrap_or(id).clone_into(&mut self.stem);
    }

    /// Closes what others left open beside the last item.
    pub(super) fn settle(&mut self, out: &mut Vec<u8>) {
        while self.open.len() > 1 {
            let item = self.open.remove(0);
            self.complete(item, out);
        }
    }

    /// Counts what is open among the items, without a word.
    pub(super) fn abandon(&mut self) {
        for item in std::mem::take(&mut self.open) {
            let mut text = Vec::new();
            item.write("incomplete", &mut text);
            self.keep(item.index, text);
        }
    }

    /// The items that are done, with commas between.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (at, item) in self.done.values().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(item);
        }
    }

    /// The beginning of an event, up to its own members.
    pub(super) fn begin(&mut self, name: &str, out: &mut Vec<u8>) {
        put(out, "event: ");
        put(out, name);
        put(out, "\ndata: {\"type\":\"");
        put(out, name);
        put(out, "\",\"sequence_number\":");
        number(out, self.sequence_number);
        out.push(b',');
        self.sequence_number = self.sequence_number.saturating_add(1);
    }

    fn event(&mut self, name: &str, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        if !self.silent {
            self.begin(name, out);
            members(out);
            put(out, "}\n\n");
        }
    }

    fn call(&self, id: &str, name: &str) -> Call {
        let (namespace, name) = match self.namespaced.get(name) {
            Some((namespace, name)) => (Some(namespace.clone()), name.as_str()),
            None => (None, name),
        };
        Call { id: ids::for_responses(id).into_owned(), name: name.to_owned(), namespace }
    }

    fn item(&mut self, kind: Kind) -> Item {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        let id = format!("{}{}_{index}", kind.prefix(), self.stem);
        Item::new(index, id, kind)
    }

    fn add(&mut self, kind: Kind, out: &mut Vec<u8>) {
        let mut item = self.item(kind);
        self.added(&item, out);
        if let Some(names) = item.kind.names() {
            self.part(names.part_added, &item, &names, out);
            item.in_part = true;
        }
        self.open.push(item);
    }

    fn added(&mut self, item: &Item, out: &mut Vec<u8>) {
        self.event("response.output_item.added", out, |out| {
            put(out, "\"output_index\":");
            number(out, item.index);
            put(out, ",\"item\":");
            item.write("in_progress", out);
        });
    }

    fn part(&mut self, name: &str, item: &Item, names: &Names, out: &mut Vec<u8>) {
        self.event(name, out, |out| {
            write_place(item, Some(names), out);
            put(out, ",\"part\":");
            item.write_part(names, out);
        });
    }

    /// The events that end an item.
    fn complete(&mut self, mut item: Item, out: &mut Vec<u8>) {
        let names = item.kind.names();
        if let Some(names) = names.filter(|_| item.in_part) {
            self.text_done(names.done, names.key, &item, Some(&names), out);
            self.part(names.part_done, &item, &names, out);
            if !item.parts.is_empty() {
                item.parts.push(b',');
            }
            let mut part = Vec::with_capacity(item.text.len() + 64);
            item.write_part(&names, &mut part);
            item.parts.append(&mut part);
            item.in_part = false;
        } else if matches!(item.kind, Kind::Call(_)) {
            self.text_done("response.function_call_arguments.done", "arguments", &item, None, out);
        }
        let mut text = Vec::with_capacity(item.parts.len() + item.text.len() + 128);
        item.write(if self.incomplete { "incomplete" } else { "completed" }, &mut text);
        self.event("response.output_item.done", out, |out| {
            put(out, "\"output_index\":");
            number(out, item.index);
            put(out, ",\"item\":");
            out.extend_from_slice(&text);
        });
        self.keep(item.index, text);
    }

    fn text_done(&mut self, name: &str, key: &str, item: &Item, names: Option<&Names>, out: &mut Vec<u8>) {
        if item.ended {
            return;
        }
        self.event(name, out, |out| {
            write_place(item, names, out);
            if let Kind::Call(call) = &item.kind {
                put(out, ",\"name\":");
                string(out, &call.name);
            }
            put(out, ",\"");
            put(out, key);
            put(out, "\":\"");
            out.extend_from_slice(&item.text);
            out.push(b'"');
            put(out, names.map_or("", |names| names.beside));
        });
    }
}

/// Which item an event is about, and which part of it.
fn write_place(item: &Item, names: Option<&Names>, out: &mut Vec<u8>) {
    put(out, "\"item_id\":");
    string(out, &item.id);
    put(out, ",\"output_index\":");
    number(out, item.index);
    if let Some(names) = names {
        put(out, ",\"");
        put(out, names.index);
        put(out, "\":");
        number(out, item.part);
    }
}
