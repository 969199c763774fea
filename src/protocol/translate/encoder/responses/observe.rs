//! Observes Responses frames that were forwarded to the client directly.

use super::item::{ItemCall, ItemKind, OutputItem};
use super::{ResponsesEncoder, ResponsesStage};
use crate::protocol::object::ObjectView;
use crate::protocol::translate::encoder::arguments::JsonProgress;
use crate::protocol::translate::encoder::sequencer::OpenBlock;

impl ResponsesEncoder {
    pub(in crate::protocol::translate::encoder) fn observe_payload(&mut self, payload: &[u8]) {
        let Some(top) = ObjectView::parse(payload) else { return };
        let Some(kind) = top.string("type") else { return };
        let next = top.count("sequence_number").map(|number| number.saturating_add(1));
        self.output.sequence_number = next.unwrap_or(self.output.sequence_number.saturating_add(1));
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => self.observe_head(&top),
            "response.completed" | "response.incomplete" | "response.failed" | "error" => {
                self.stage = ResponsesStage::Done;
            }
            "response.output_item.added" => self.observe_item_added(&top),
            "response.output_item.done" => self.observe_item_done(&top),
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                self.observe_part_added(&top);
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                self.observe_part_done(&top);
            }
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.reasoning_text.delta"
            | "response.reasoning_summary_text.delta"
            | "response.function_call_arguments.delta" => self.observe_delta(&top),
            "response.output_text.done"
            | "response.refusal.done"
            | "response.reasoning_text.done"
            | "response.reasoning_summary_text.done"
            | "response.function_call_arguments.done" => {
                if let Some(item) = self.find_open_item(&top) {
                    item.is_text_done = true;
                }
                // Later content opens a new item.
                self.sequencer.observe_block(Some(OpenBlock::Other));
            }
            _ => {}
        }
    }

    fn observe_head(&mut self, top: &ObjectView<'_>) {
        if self.stage != ResponsesStage::NotStarted {
            return;
        }
        let Some(response) = top.object("response") else { return };
        self.stage = ResponsesStage::Started;
        self.head.id = response.string("id").unwrap_or_default().into_owned();
        self.head.model = response.string("model").unwrap_or_default().into_owned();
        self.echo.created_at = response.count("created_at").unwrap_or(self.echo.created_at);
        self.output.set_response_id(&self.head.id);
    }

    fn observe_item_added(&mut self, top: &ObjectView<'_>) {
        let index = top.count("output_index").unwrap_or(self.output.next_index);
        self.output.next_index = self.output.next_index.max(index.saturating_add(1));
        let (Some(told), Some(raw)) = (top.object("item"), top.value("item")) else { return };
        let text = |key| told.string(key).unwrap_or_default().into_owned();
        let (kind, open) = match told.string("type").as_deref() {
            Some("message") => (ItemKind::Text, OpenBlock::Other),
            Some("reasoning") => (ItemKind::Reasoning, OpenBlock::Other),
            Some("function_call") => {
                let namespace = told.string("namespace").map(|namespace| namespace.into_owned());
                let call = ItemCall { id: text("call_id"), name: text("name"), namespace };
                (ItemKind::Call(call), OpenBlock::Call(self.sequencer.call_count(), JsonProgress::default()))
            }
            _ => (ItemKind::Other(replace_line_breaks(raw)), OpenBlock::Other),
        };
        let id = text("id");
        self.output.open_items.push(OutputItem::new(index, id, kind));
        self.sequencer.observe_block(Some(open));
    }

    fn observe_item_done(&mut self, top: &ObjectView<'_>) {
        let index = top.count("output_index").unwrap_or(self.output.next_index.saturating_sub(1));
        self.output.next_index = self.output.next_index.max(index.saturating_add(1));
        self.output.open_items.retain(|item| item.index != index);
        if let Some(raw) = top.value("item") {
            self.output.store_item(index, replace_line_breaks(raw));
        }
        if self.output.open_items.is_empty() {
            self.sequencer.observe_block(None);
        } else {
            self.sequencer.observe_block(Some(OpenBlock::Other));
        }
    }

    fn observe_part_added(&mut self, top: &ObjectView<'_>) {
        let part = top.count("content_index").or_else(|| top.count("summary_index")).unwrap_or(0);
        let kind = top.object("part").and_then(|part| part.string("type"));
        let (kind, open) = match kind.as_deref() {
            Some("output_text") => (ItemKind::Text, OpenBlock::Text),
            Some("refusal") => (ItemKind::Refusal, OpenBlock::Refusal),
            Some("reasoning_text") => (ItemKind::Reasoning, OpenBlock::Reasoning),
            Some("summary_text") => (ItemKind::Summary, OpenBlock::Reasoning),
            _ => return,
        };
        let Some(item) = self.find_open_item(top) else { return };
        item.kind = kind;
        item.part_index = part;
        item.in_part = true;
        item.is_text_done = false;
        item.open_text.clear();
        self.sequencer.observe_block(Some(open));
    }

    fn observe_part_done(&mut self, top: &ObjectView<'_>) {
        let raw = top.value("part").filter(|_| !self.output.discards_items()).map(replace_line_breaks);
        let Some(item) = self.find_open_item(top) else { return };
        item.in_part = false;
        item.open_text.clear();
        if let Some(raw) = raw {
            if !item.closed_parts.is_empty() {
                item.closed_parts.push(b',');
            }
            item.closed_parts.extend_from_slice(&raw);
        }
        self.sequencer.observe_block(Some(OpenBlock::Other));
    }

    fn observe_delta(&mut self, top: &ObjectView<'_>) {
        let Some(literal) = top.literal("delta") else { return };
        let is_forgetful = self.output.discards_items();
        let Some(item) = self.find_open_item(top) else { return };
        let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
        let inner = if is_forgetful { &[] } else { inner };
        item.open_text.extend(inner.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }));
        if matches!(item.kind, ItemKind::Call(_)) {
            self.sequencer.observe_arguments(&top.string("delta").unwrap_or_default());
        }
    }

    fn find_open_item(&mut self, top: &ObjectView<'_>) -> Option<&mut OutputItem> {
        match top.count("output_index") {
            Some(index) => self.output.open_items.iter_mut().rfind(|item| item.index == index),
            None => self.output.open_items.last_mut(),
        }
    }
}

/// In JSON a line end is white space, in an event it ends the data line.
fn replace_line_breaks(raw: &[u8]) -> Vec<u8> {
    raw.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}
