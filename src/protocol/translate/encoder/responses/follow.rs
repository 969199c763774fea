//! Responses frames that went to the client without the writer.

use super::item::{Call, Item, Kind};
use super::{Stage, Writer};
use crate::protocol::object::Object;
use crate::protocol::translate::encoder::arguments::Progress;
use crate::protocol::translate::encoder::sequence::Open;

impl Writer {
    pub(in crate::protocol::translate::encoder) fn follow(&mut self, payload: &[u8]) {
        let Some(top) = Object::read(payload) else { return };
        let Some(kind) = top.string("type") else { return };
        let next = top.count("sequence_number").map(|number| number.saturating_add(1));
        self.output.sequence_number = next.unwrap_or(self.output.sequence_number.saturating_add(1));
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => self.follow_head(&top),
            "response.completed" | "response.incomplete" | "response.failed" | "error" => {
                self.stage = Stage::Ended;
            }
            "response.output_item.added" => self.follow_added(&top),
            "response.output_item.done" => self.follow_done(&top),
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                self.follow_part_added(&top);
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                self.follow_part_done(&top);
            }
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.reasoning_text.delta"
            | "response.reasoning_summary_text.delta"
            | "response.function_call_arguments.delta" => self.follow_delta(&top),
            "response.output_text.done"
            | "response.refusal.done"
            | "response.reasoning_text.done"
            | "response.reasoning_summary_text.done"
            | "response.function_call_arguments.done" => {
                if let Some(item) = self.item(&top) {
                    item.ended = true;
                }
                // What follows opens an item of its own.
                self.sequence.follow(Some(Open::Other));
            }
            _ => {}
        }
    }

    fn follow_head(&mut self, top: &Object<'_>) {
        if self.stage != Stage::Before {
            return;
        }
        let Some(response) = top.object("response") else { return };
        self.stage = Stage::Begun;
        self.head.id = response.string("id").unwrap_or_default().into_owned();
        self.head.model = response.string("model").unwrap_or_default().into_owned();
        self.echo.created = response.count("created_at").unwrap_or(self.echo.created);
        self.output.named(&self.head.id);
    }

    fn follow_added(&mut self, top: &Object<'_>) {
        let index = top.count("output_index").unwrap_or(self.output.next);
        self.output.next = self.output.next.max(index.saturating_add(1));
        let (Some(told), Some(raw)) = (top.object("item"), top.value("item")) else { return };
        let text = |key| told.string(key).unwrap_or_default().into_owned();
        let (kind, open) = match told.string("type").as_deref() {
            Some("message") => (Kind::Text, Open::Other),
            Some("reasoning") => (Kind::Reasoning, Open::Other),
            Some("function_call") => {
                let namespace = told.string("namespace").map(|namespace| namespace.into_owned());
                let call = Call { id: text("call_id"), name: text("name"), namespace };
                (Kind::Call(call), Open::Call(self.sequence.calls(), Progress::default()))
            }
            _ => (Kind::Other(one_line(raw)), Open::Other),
        };
        let id = text("id");
        self.output.open.push(Item::new(index, id, kind));
        self.sequence.follow(Some(open));
    }

    fn follow_done(&mut self, top: &Object<'_>) {
        let index = top.count("output_index").unwrap_or(self.output.next.saturating_sub(1));
        self.output.next = self.output.next.max(index.saturating_add(1));
        self.output.open.retain(|item| item.index != index);
        if let Some(raw) = top.value("item") {
            self.output.keep(index, one_line(raw));
        }
        if self.output.open.is_empty() {
            self.sequence.follow(None);
        } else {
            self.sequence.follow(Some(Open::Other));
        }
    }

    fn follow_part_added(&mut self, top: &Object<'_>) {
        let part = top.count("content_index").or_else(|| top.count("summary_index")).unwrap_or(0);
        let kind = top.object("part").and_then(|part| part.string("type"));
        let (kind, open) = match kind.as_deref() {
            Some("output_text") => (Kind::Text, Open::Text),
            Some("refusal") => (Kind::Refusal, Open::Refusal),
            Some("reasoning_text") => (Kind::Reasoning, Open::Reasoning),
            Some("summary_text") => (Kind::Summary, Open::Reasoning),
            _ => return,
        };
        let Some(item) = self.item(top) else { return };
        item.kind = kind;
        item.part = part;
        item.in_part = true;
        item.ended = false;
        item.text.clear();
        self.sequence.follow(Some(open));
    }

    fn follow_part_done(&mut self, top: &Object<'_>) {
        let raw = top.value("part").filter(|_| !self.output.is_forgetful()).map(one_line);
        let Some(item) = self.item(top) else { return };
        item.in_part = false;
        item.text.clear();
        if let Some(raw) = raw {
            if !item.parts.is_empty() {
                item.parts.push(b',');
            }
            item.parts.extend_from_slice(&raw);
        }
        self.sequence.follow(Some(Open::Other));
    }

    fn follow_delta(&mut self, top: &Object<'_>) {
        let Some(literal) = top.literal("delta") else { return };
        let is_forgetful = self.output.is_forgetful();
        let Some(item) = self.item(top) else { return };
        let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
        let inner = if is_forgetful { &[] } else { inner };
        item.text.extend(inner.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }));
        if matches!(item.kind, Kind::Call(_)) {
            self.sequence.follow_piece(&top.string("delta").unwrap_or_default());
        }
    }

    fn item(&mut self, top: &Object<'_>) -> Option<&mut Item> {
        match top.count("output_index") {
            Some(index) => self.output.open.iter_mut().rfind(|item| item.index == index),
            None => self.output.open.last_mut(),
        }
    }
}

/// In JSON a line end is white space, in an event it ends the data line.
fn one_line(raw: &[u8]) -> Vec<u8> {
    raw.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}
