//! The output of a response: its items, as events and as members of the final response.

use std::collections::BTreeMap;

use super::item::{ItemCall, ItemKind, OutputItem, PartNames};
use crate::protocol::codec::sequencer::{BlockWriter, NewBlock};
use crate::protocol::json::write_escaped;
use crate::protocol::model::answer::RequestEcho;
use crate::protocol::model::client_tools::{ClientTool, ClientTools};
use crate::protocol::model::tools::{ToolForm, to_responses_id};
use crate::protocol::writer::{ObjectWriter, write_event};

/// The part of a response's id in the ids of its items.
const MAX_STEM_CHARS: usize = 48;

/// The approximate size of an item besides its text, in bytes.
const ITEM_OVERHEAD_BYTES: usize = 128;

/// Writes the items of one response.
#[derive(Debug, Default)]
pub(crate) struct OutputWriter {
    /// Of the next event.
    pub(crate) sequence_number: u64,
    /// Of the next item.
    pub(crate) next_index: u64,
    /// The finished items as JSON, by index.
    done_items: BTreeMap<u64, Vec<u8>>,
    /// Their size in bytes.
    done_bytes: usize,
    /// Content of other writers is not buffered.
    discards_items: bool,
    /// Those that are open; but for frames of others there is one at most, and it is the last.
    pub(crate) open_items: Vec<OutputItem>,
    /// Items closed from now on are incomplete.
    pub(crate) is_incomplete: bool,
    /// No events are written: the response is whole.
    pub(crate) is_silent: bool,
    /// The part of the response id that item ids share.
    id_stem: String,
    includes_encrypted: bool,
    uses_summary: bool,
    client_tools: ClientTools,
}

impl BlockWriter for OutputWriter {
    fn open(&mut self, block: &NewBlock<'_>, out: &mut Vec<u8>) {
        let kind = match block {
            NewBlock::Reasoning if self.uses_summary => ItemKind::Summary,
            NewBlock::Reasoning => ItemKind::Reasoning,
            NewBlock::Text => ItemKind::Text,
            NewBlock::Refusal => ItemKind::Refusal,
            NewBlock::Call { id, name } => ItemKind::Call(self.make_call(id, name)),
        };
        self.open_item(kind, out);
    }

    fn write_delta(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(mut item) = self.open_items.pop() else { return };
        let from = item.open_text.len();
        write_escaped(&mut item.open_text, text);
        if !item.is_withheld() {
            self.write_text_delta(&item, from, out);
        }
        self.open_items.push(item);
    }

    fn close(&mut self, signature: Option<&str>, out: &mut Vec<u8>) {
        if let Some(mut item) = self.open_items.pop() {
            item.encrypted_content = signature.filter(|_| self.includes_encrypted).map(str::to_owned);
            self.close_item(item, out);
        }
    }

    fn write_redacted(&mut self, data: &str, out: &mut Vec<u8>) {
        if self.includes_encrypted {
            let mut item = self.make_item(ItemKind::Reasoning);
            item.encrypted_content = Some(data.to_owned());
            self.write_item_added(&item, out);
            self.close_item(item, out);
        }
    }
}

impl OutputWriter {
    pub(crate) fn new(echo: &mut RequestEcho) -> Self {
        Self {
            includes_encrypted: echo.wants_encrypted_reasoning,
            uses_summary: echo.wants_reasoning_summary,
            client_tools: std::mem::take(&mut echo.client_tools),
            ..Self::default()
        }
    }

    pub(crate) fn add_client_tools(&mut self, tools: &ClientTools) {
        self.client_tools.extend(tools.iter().map(|(sent, own)| (sent.clone(), own.clone())));
    }

    /// Bytes of the items so far.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.open_items
            .iter()
            .map(|item| ITEM_OVERHEAD_BYTES + item.closed_parts.len() + item.open_text.len())
            .sum::<usize>()
            + self.done_bytes
    }

    /// Drops the buffer and stops buffering content of other writers.
    pub(crate) fn drop_items(&mut self) {
        self.discards_items = true;
        self.done_items = BTreeMap::new();
        self.done_bytes = 0;
        for item in &mut self.open_items {
            item.open_text = Vec::new();
            item.closed_parts = Vec::new();
        }
    }

    /// Whether content of other writers is not buffered.
    pub(crate) const fn discards_items(&self) -> bool {
        self.discards_items
    }

    /// An item that is done, as JSON.
    pub(crate) fn store_item(&mut self, index: u64, item: Vec<u8>) {
        if self.discards_items {
            return;
        }
        self.done_bytes += ITEM_OVERHEAD_BYTES + item.len();
        if let Some(before) = self.done_items.insert(index, item) {
            self.done_bytes -= ITEM_OVERHEAD_BYTES + before.len();
        }
    }

    /// The response's id, of which the items' ids are made. `OpenAI` refuses items whose ids have a dash, or more than 64
    /// characters (CopilotKit/CopilotKit pull request 6117, Wei-Shaw/sub2api issue 3785).
    pub(crate) fn set_response_id(&mut self, id: &str) {
        let plain = id.strip_prefix("resp_").unwrap_or(id).replace('-', "_");
        self.id_stem = plain.chars().take(MAX_STEM_CHARS).collect();
    }

    /// Closes items that other writers left open, besides the last one.
    pub(crate) fn close_other_items(&mut self, out: &mut Vec<u8>) {
        while self.open_items.len() > 1 {
            let item = self.open_items.remove(0);
            self.close_item(item, out);
        }
    }

    /// Counts the open item as finished without writing events.
    pub(crate) fn store_open_items(&mut self) {
        for mut item in std::mem::take(&mut self.open_items) {
            item.restore_form();
            let mut text = Vec::new();
            item.write("incomplete", &mut text);
            self.store_item(item.index, text);
        }
    }

    /// The items that are done.
    pub(crate) fn done_items(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.done_items.values()
    }

    /// The number of the next event.
    pub(crate) const fn take_sequence_number(&mut self) -> u64 {
        let number = self.sequence_number;
        self.sequence_number = number.saturating_add(1);
        number
    }

    fn write_event(&mut self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        if !self.is_silent {
            let number = self.take_sequence_number();
            write_event(out, name, |event| {
                event.number("sequence_number", number);
                write(event);
            });
        }
    }

    fn make_call(&self, id: &str, name: &str) -> ItemCall {
        let function = || ClientTool { name: name.to_owned(), ..ClientTool::default() };
        let ClientTool { namespace, name, form } =
            self.client_tools.get(name).cloned().unwrap_or_else(function);
        ItemCall { id: to_responses_id(id).into_owned(), name, namespace, form }
    }

    fn make_item(&mut self, kind: ItemKind) -> OutputItem {
        let index = self.next_index;
        self.next_index = self.next_index.saturating_add(1);
        let id = format!("{}{}_{index}", kind.prefix(), self.id_stem);
        OutputItem::new(index, id, kind)
    }

    fn open_item(&mut self, kind: ItemKind, out: &mut Vec<u8>) {
        let mut item = self.make_item(kind);
        if !item.is_withheld() {
            self.write_item_added(&item, out);
        }
        if let Some(names) = item.kind.part_names() {
            self.write_part_event(names.part_added, &item, &names, out);
            item.in_part = true;
        }
        self.open_items.push(item);
    }

    /// The event of the text from an offset.
    fn write_text_delta(&mut self, item: &OutputItem, from: usize, out: &mut Vec<u8>) {
        let piece = item.open_text.get(from..).unwrap_or_default();
        let names = item.kind.part_names();
        self.write_event(delta_event(item, names.as_ref()), out, |event| {
            write_item_location(item, names.as_ref(), event);
            event.escaped("delta", piece);
            write_log_probabilities(names.as_ref(), event);
        });
    }

    /// The first events of a call that was withheld.
    fn write_withheld(&mut self, item: &mut OutputItem, out: &mut Vec<u8>) {
        item.restore_form();
        let input = std::mem::take(&mut item.open_text);
        self.write_item_added(item, out);
        item.open_text = input;
        if !matches!(&item.kind, ItemKind::Call(call) if call.form == ToolForm::LocalShell) {
            self.write_text_delta(item, 0, out);
        }
    }

    fn write_item_added(&mut self, item: &OutputItem, out: &mut Vec<u8>) {
        self.write_event("response.output_item.added", out, |event| {
            event.number("output_index", item.index);
            item.write("in_progress", event.value("item"));
        });
    }

    fn write_part_event(&mut self, name: &str, item: &OutputItem, names: &PartNames, out: &mut Vec<u8>) {
        self.write_event(name, out, |event| {
            write_item_location(item, Some(names), event);
            event.object("part", |part| item.write_part(names, part));
        });
    }

    /// The events that end an item.
    fn close_item(&mut self, mut item: OutputItem, out: &mut Vec<u8>) {
        if item.is_withheld() {
            self.write_withheld(&mut item, out);
        }
        let names = item.kind.part_names();
        if let Some(names) = names.filter(|_| item.in_part) {
            self.write_text_done(names.done, names.key, &item, Some(&names), out);
            self.write_part_event(names.part_done, &item, &names, out);
            item.end_part(&names);
            item.in_part = false;
        } else if let ItemKind::Call(call) = &item.kind {
            match call.form {
                ToolForm::Function => {
                    self.write_text_done(
                        "response.function_call_arguments.done",
                        "arguments",
                        &item,
                        None,
                        out,
                    );
                }
                ToolForm::FreeText => {
                    self.write_text_done("response.custom_tool_call_input.done", "input", &item, None, out);
                }
                ToolForm::LocalShell => {}
            }
        }
        let mut text = Vec::with_capacity(item.closed_parts.len() + item.open_text.len() + 128);
        item.write(if self.is_incomplete { "incomplete" } else { "completed" }, &mut text);
        self.write_event("response.output_item.done", out, |event| {
            event.number("output_index", item.index);
            event.raw("item", &text);
        });
        self.store_item(item.index, text);
    }

    fn write_text_done(
        &mut self,
        name: &str,
        key: &str,
        item: &OutputItem,
        names: Option<&PartNames>,
        out: &mut Vec<u8>,
    ) {
        if item.is_text_done {
            return;
        }
        self.write_event(name, out, |event| {
            write_item_location(item, names, event);
            if let ItemKind::Call(call) = &item.kind
                && call.form == ToolForm::Function
            {
                event.text("name", &call.name);
            }
            event.escaped(key, &item.open_text);
            write_log_probabilities(names, event);
        });
    }
}

/// The name of the event with a piece of an item's text or input.
fn delta_event(item: &OutputItem, names: Option<&PartNames>) -> &'static str {
    match (names, &item.kind) {
        (Some(names), _) => names.delta,
        (None, ItemKind::Call(call)) if call.form == ToolForm::FreeText => {
            "response.custom_tool_call_input.delta"
        }
        (None, _) => "response.function_call_arguments.delta",
    }
}

/// Which item an event is about, and which part of it.
fn write_item_location(item: &OutputItem, names: Option<&PartNames>, event: &mut ObjectWriter<'_>) {
    event.text("item_id", &item.id);
    event.number("output_index", item.index);
    if let Some(names) = names {
        event.number(names.index, item.part_index);
    }
}

fn write_log_probabilities(names: Option<&PartNames>, event: &mut ObjectWriter<'_>) {
    if names.is_some_and(|names| names.has_annotations) {
        event.raw("logprobs", "[]");
    }
}
