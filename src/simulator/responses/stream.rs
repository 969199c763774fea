//! The response as server-sent events: named by OpenAI's rule, but for OpenRouter, which sends `data:` alone and closes
//! with `[DONE]` (its streams, recorded by anomalyco/opencode).

use serde_json::{Value, json};

use super::response;
use crate::simulator::engine::ResponseContext;
use crate::simulator::engine::answer::SimulatedAnswer;
use crate::simulator::engine::event::{EventKind, SseEvent, split_text};
use crate::simulator::engine::request::EngineRequest;
use crate::simulator::provider::Provider;

/// All events of the answer.
pub(in crate::simulator) fn response_events(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    let brokered = exchange.provider == Provider::OpenRouter;
    let mut stream = EventWriter { events: Vec::new(), next_sequence_number: 0, is_openrouter: brokered };
    if brokered {
        stream.events.extend([SseEvent::processing(), SseEvent::processing()]);
    }
    let opening = response::initial_response(exchange, request);
    stream.push(EventKind::Role, json!({ "type": "response.created", "response": opening }));
    stream.push(EventKind::BlockBoundary, json!({ "type": "response.in_progress", "response": opening }));
    let items = response::output_items(exchange, request, answer);
    for (index, item) in items.iter().enumerate() {
        stream.push_item(index, item);
    }
    let closing = response::final_response(exchange, request, answer, items);
    let kind = if answer.finish_reason == "length" { "response.incomplete" } else { "response.completed" };
    stream.push(EventKind::Done, json!({ "type": kind, "response": closing }));
    if brokered {
        stream.events.push(SseEvent::done());
    }
    stream.events
}

/// An error in the middle of a stream: `response.failed` where the response was begun, else OpenAI's `error`.
pub(in crate::simulator) fn error_event(exchange: &ResponseContext, kept: &[SseEvent]) -> SseEvent {
    let message = match exchange.provider {
        Provider::OpenRouter => "Provider returned error",
        Provider::Moonshot | Provider::Kimi => "The server had an error while processing your request",
    };
    let sent: Vec<Value> = kept.iter().filter_map(event_payload).collect();
    let mut response = sent.iter().find_map(|event| event.get("response")).cloned();
    let members = response.as_mut().and_then(Value::as_object_mut);
    let value = match members {
        Some(members) => {
            members.insert("status".into(), "failed".into());
            members.insert("error".into(), json!({ "code": "server_error", "message": message }));
            json!({ "type": "response.failed", "response": response, "sequence_number": sent.len() })
        }
        None => json!({
            "type": "error",
            "code": "server_error",
            "message": message,
            "param": null,
            "sequence_number": sent.len(),
        }),
    };
    match exchange.provider {
        Provider::OpenRouter => SseEvent::data(EventKind::Other, &value),
        Provider::Moonshot | Provider::Kimi => SseEvent::with_name(EventKind::Other, &value),
    }
}

fn event_payload(event: &SseEvent) -> Option<Value> {
    let data = event.text.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(data).ok()
}

struct EventWriter {
    events: Vec<SseEvent>,
    next_sequence_number: u64,
    is_openrouter: bool,
}

impl EventWriter {
    fn push(&mut self, kind: EventKind, mut value: Value) {
        if let Some(members) = value.as_object_mut() {
            members.insert("sequence_number".into(), self.next_sequence_number.into());
        }
        self.next_sequence_number += 1;
        let event =
            if self.is_openrouter { SseEvent::data(kind, &value) } else { SseEvent::with_name(kind, &value) };
        self.events.push(event);
    }

    fn push_item(&mut self, index: usize, item: &Value) {
        let mut begun = item.clone();
        if let Some(members) = begun.as_object_mut() {
            members.insert("status".into(), "in_progress".into());
            for list in ["content", "summary"] {
                if members.contains_key(list) {
                    members.insert(list.to_owned(), json!([]));
                }
            }
            members.shift_remove("encrypted_content");
            if members.contains_key("arguments") {
                members.insert("arguments".into(), "".into());
            }
        }
        self.push(
            EventKind::BlockBoundary,
            json!({ "type": "response.output_item.added", "output_index": index, "item": begun }),
        );
        if item.get("type").and_then(Value::as_str) == Some("function_call") {
            self.push_tool_call(index, item);
        } else {
            self.push_parts(index, item);
        }
        self.push(
            EventKind::BlockBoundary,
            json!({ "type": "response.output_item.done", "output_index": index, "item": item }),
        );
    }

    fn push_tool_call(&mut self, index: usize, item: &Value) {
        let arguments = item.get("arguments").and_then(Value::as_str).unwrap_or_default();
        let event = |kind: &str, key: &str, value: &str| json!({ "type": kind, "output_index": index, "item_id": item.get("id"), key: value });
        for piece in split_text(arguments) {
            self.push(EventKind::Content, event("response.function_call_arguments.delta", "delta", piece));
        }
        self.push(
            EventKind::BlockBoundary,
            event("response.function_call_arguments.done", "arguments", arguments),
        );
    }

    /// The text of a message, of a summary or of reasoning: a part is opened, filled and closed.
    fn push_parts(&mut self, index: usize, item: &Value) {
        let summarised = item.pointer("/summary/0").is_some();
        let list = if summarised { "summary" } else { "content" };
        let Some(part) = item.get(list).and_then(|list| list.get(0)) else { return };
        let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
        let (frame, delta, at) = match part.get("type").and_then(Value::as_str) {
            Some("summary_text") => ("reasoning_summary_part", "reasoning_summary_text", "summary_index"),
            Some("reasoning_text") => ("content_part", "reasoning_text", "content_index"),
            _ => ("content_part", "output_text", "content_index"),
        };
        let event = |kind: String, key: &str, value: Value| json!({ "type": kind, "output_index": index, "item_id": item.get("id"), at: 0, key: value });
        let mut empty = part.clone();
        if let Some(members) = empty.as_object_mut() {
            members.insert("text".into(), "".into());
        }
        self.push(EventKind::BlockBoundary, event(format!("response.{frame}.added"), "part", empty));
        for piece in split_text(text) {
            self.push(EventKind::Content, event(format!("response.{delta}.delta"), "delta", piece.into()));
        }
        self.push(EventKind::BlockBoundary, event(format!("response.{delta}.done"), "text", text.into()));
        self.push(EventKind::BlockBoundary, event(format!("response.{frame}.done"), "part", part.clone()));
    }
}
