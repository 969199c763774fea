//! Responses API responses, streamed and whole. The order and the members of the events are those of the OpenAI SDKs'
//! types (`ResponseStreamEvent`, `Response`), 2026-11. Codex reads items as they are done, the SDKs read the response at
//! the end, so it repeats all of them.

use super::item::{ItemCall, ItemKind, OutputItem};
use super::output::OutputWriter;
use crate::protocol::api::Api;
use crate::protocol::codec::ApiEncoder;
use crate::protocol::codec::sequencer::{BlockSequencer, JsonProgress, OpenBlock};
use crate::protocol::error::ErrorBody;
use crate::protocol::model::answer::{FinishReason, RequestEcho, ResponseEvent};
use crate::protocol::model::client_tools::ClientTools;
use crate::protocol::model::tools::ToolForm;
use crate::protocol::object::ObjectView;
use crate::protocol::usage::TokenUsage;
use crate::protocol::writer::{ObjectWriter, write_event, write_object};

#[derive(Debug)]
pub(crate) struct ResponsesEncoder {
    echo: RequestEcho,
    head: ResponseHead,
    sequencer: BlockSequencer,
    output: OutputWriter,
    stage: ResponsesStage,
    usage: Option<TokenUsage>,
    finish_reason: Option<FinishReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponsesStage {
    NotStarted,
    Started,
    Done,
}

/// The members that are the same in every copy of the response.
#[derive(Debug, Default)]
struct ResponseHead {
    id: String,
    model: String,
}

/// How a response ended, or that it has not.
enum ResponseStatus<'a> {
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed(&'a ErrorBody<'a>),
}

impl ApiEncoder for ResponsesEncoder {
    fn add_client_tools(&mut self, tools: &ClientTools) {
        self.output.add_client_tools(tools);
    }

    fn write(&mut self, event: &ResponseEvent, out: &mut Vec<u8>) {
        if self.stage == ResponsesStage::Done {
            return;
        }
        match event {
            ResponseEvent::Usage(usage) => self.usage = Some(*usage),
            ResponseEvent::Finish(finish) => self.finish_reason = Some(finish.clone()),
            _ => {
                let (id, model) = event.id_and_model().unwrap_or_default();
                self.write_start(id, model, out);
                self.output.close_other_items(out);
                self.sequencer.push(event, &mut self.output, out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.stage == ResponsesStage::Done {
            return;
        }
        self.write_start("", "", out);
        let state = self.status();
        self.output.is_incomplete = matches!(state, ResponseStatus::Incomplete(_));
        self.output.close_other_items(out);
        self.sequencer.close_all(&mut self.output, out);
        let name = if self.output.is_incomplete { "response.incomplete" } else { "response.completed" };
        self.write_response_event(name, &state, out);
        self.stage = ResponsesStage::Done;
    }

    fn fail(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        if self.stage == ResponsesStage::Done {
            return;
        }
        self.write_start("", "", out);
        self.output.store_open_items();
        self.write_response_event("response.failed", &ResponseStatus::Failed(error), out);
        self.stage = ResponsesStage::Done;
    }

    fn observe_payload(&mut self, payload: &[u8]) {
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

    fn buffered_bytes(&self) -> usize {
        self.sequencer.queued_bytes() + self.output.buffered_bytes()
    }

    fn drop_buffer(&mut self) {
        self.output.drop_items();
    }
}

impl ResponsesEncoder {
    pub(crate) fn new(mut echo: RequestEcho) -> Self {
        let output = OutputWriter::new(&mut echo);
        Self {
            echo,
            head: ResponseHead::default(),
            sequencer: BlockSequencer::default(),
            output,
            stage: ResponsesStage::NotStarted,
            usage: None,
            finish_reason: None,
        }
    }

    /// A response for a client that does not stream.
    fn encode_response(mut self, events: &[ResponseEvent]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.output.is_silent = true;
        for event in events {
            self.write(event, &mut out);
        }
        let state = self.status();
        self.output.is_incomplete = matches!(state, ResponseStatus::Incomplete(_));
        self.sequencer.close_all(&mut self.output, &mut out);
        write_object(&mut out, |response| self.write_response(&state, response));
        out
    }

    fn status(&self) -> ResponseStatus<'static> {
        match self.finish_reason {
            Some(FinishReason::MaxTokens | FinishReason::ContextWindow) => {
                ResponseStatus::Incomplete("max_output_tokens")
            }
            Some(FinishReason::ContentFilter) => ResponseStatus::Incomplete("content_filter"),
            _ => ResponseStatus::Completed,
        }
    }

    fn write_start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if self.stage != ResponsesStage::NotStarted {
            return;
        }
        self.stage = ResponsesStage::Started;
        self.head.id = self.echo.make_id("resp_", id);
        self.head.model = if model.is_empty() { self.echo.model.clone() } else { model.to_owned() };
        self.output.set_response_id(&self.head.id);
        self.write_response_event("response.created", &ResponseStatus::InProgress, out);
        self.write_response_event("response.in_progress", &ResponseStatus::InProgress, out);
    }

    /// An event that has the response.
    fn write_response_event(&mut self, name: &str, state: &ResponseStatus<'_>, out: &mut Vec<u8>) {
        if self.output.is_silent {
            return;
        }
        let number = self.output.take_sequence_number();
        write_event(out, name, |event| {
            event.number("sequence_number", number);
            event.object("response", |response| self.write_response(state, response));
        });
    }

    fn write_response(&self, state: &ResponseStatus<'_>, response: &mut ObjectWriter<'_>) {
        let is_ended = !matches!(state, ResponseStatus::InProgress);
        response.text("id", &self.head.id);
        response.escaped("object", "response");
        response.number("created_at", self.echo.created_at);
        let status = match state {
            ResponseStatus::InProgress => "in_progress",
            ResponseStatus::Completed => "completed",
            ResponseStatus::Incomplete(_) => "incomplete",
            ResponseStatus::Failed(_) => "failed",
        };
        response.escaped("status", status);
        match state {
            ResponseStatus::Failed(error) => {
                response.object("error", |body| error.write_response_error(body))
            }
            _ => response.raw("error", "null"),
        }
        match state {
            ResponseStatus::Incomplete(reason) => {
                response.object("incomplete_details", |details| details.escaped("reason", reason));
            }
            _ => response.raw("incomplete_details", "null"),
        }
        response.text("model", &self.head.model);
        self.echo.write_members(response);
        let items = self.output.done_items().filter(|_| is_ended);
        response.array("output", items, |out, item| out.extend_from_slice(item));
        match self.usage.filter(|_| is_ended) {
            Some(usage) => response.raw("usage", usage.to_json(Api::Responses)),
            None => response.raw("usage", "null"),
        }
    }
}

pub(crate) fn encode_response(events: &[ResponseEvent], echo: &RequestEcho) -> Vec<u8> {
    ResponsesEncoder::new(echo.clone()).encode_response(events)
}

impl ResponsesEncoder {
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
        let (Some(item_object), Some(raw)) = (top.object("item"), top.value("item")) else { return };
        let text = |key| item_object.string(key).unwrap_or_default().into_owned();
        let (kind, open) = match item_object.string("type").as_deref() {
            Some("message") => (ItemKind::Text, OpenBlock::Other),
            Some("reasoning") => (ItemKind::Reasoning, OpenBlock::Other),
            Some("function_call") => {
                let namespace = item_object.string("namespace").map(|namespace| namespace.into_owned());
                let (id, name, form) = (text("call_id"), text("name"), ToolForm::Function);
                let call = ItemCall { id, name, namespace, form };
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
        let is_open = !self.output.open_items.is_empty();
        self.sequencer.observe_block(is_open.then_some(OpenBlock::Other));
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
            item.push_closed_part(&raw);
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
