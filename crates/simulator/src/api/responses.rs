//! A response of the Responses API.
//!
//! Events are named by OpenAI's rule. OpenRouter sends only `data:` and closes with `[DONE]` (its streams, recorded
//! by anomalyco/opencode).

use serde_json::{Value, json};

use crate::api::chat;
use crate::api::event::{EventKind, SseEvent, dollars_from_picos, split_text};
use crate::engine::answer::{ResponseContext, SimulatedAnswer, TokenUsage};
use crate::engine::request::EngineRequest;
use crate::provider::Provider;
use crate::seal;
use crate::value::{fnv1a_hash, list, text};

/// The body of a 200 that is not streamed.
pub(super) fn response_body(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
    omits_role: bool,
) -> Value {
    let mut items = output_items(exchange, request, answer);
    if omits_role {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| {
            item.shift_remove("role");
        });
    }
    response_object(exchange, request, Some((answer, items)))
}

/// `completed`, or `incomplete` when the limit on output tokens ended the answer.
fn final_status(answer: &SimulatedAnswer) -> &'static str {
    if answer.finish_reason == "length" { "incomplete" } else { "completed" }
}

/// The response with its items, or while it is in progress. The request's members are repeated (openrouter.ai's
/// streams, recorded by anomalyco/opencode).
fn response_object(
    exchange: &ResponseContext,
    request: &EngineRequest,
    finished: Option<(&SimulatedAnswer, Vec<Value>)>,
) -> Value {
    let repeated = |key: &str, default: Value| {
        let sent = request.original_body.as_ref().and_then(|sent| sent.get(key));
        sent.filter(|value| !value.is_null()).cloned().unwrap_or(default)
    };
    let (status, items, usage) = match finished {
        None => ("in_progress", Vec::new(), Value::Null),
        Some((answer, items)) => (final_status(answer), items, usage_object(exchange, &answer.usage)),
    };
    let reason = (status == "incomplete").then(|| json!({ "reason": "max_output_tokens" }));
    json!({
        "id": exchange.id,
        "object": "response",
        "created_at": exchange.created,
        "model": exchange.echoed_model,
        "status": status,
        "completed_at": (status == "completed").then_some(exchange.created),
        "output": items,
        "error": null,
        "incomplete_details": reason,
        "instructions": repeated("instructions", Value::Null),
        "max_output_tokens": repeated("max_output_tokens", Value::Null),
        "metadata": repeated("metadata", json!({})),
        "parallel_tool_calls": repeated("parallel_tool_calls", true.into()),
        "previous_response_id": null,
        "reasoning": repeated("reasoning", Value::Null),
        "store": false,
        "temperature": repeated("temperature", 1.into()),
        "text": repeated("text", json!({ "format": { "type": "text" } })),
        "tool_choice": repeated("tool_choice", "auto".into()),
        "tools": repeated("tools", json!([])),
        "top_p": repeated("top_p", json!(0.95)),
        "truncation": "disabled",
        "usage": usage,
    })
}

/// The finished items: reasoning, the message, the calls.
fn output_items(exchange: &ResponseContext, request: &EngineRequest, answer: &SimulatedAnswer) -> Vec<Value> {
    let mut items = Vec::new();
    if !answer.reasoning.is_empty() {
        items.push(reasoning_item(exchange, request, &answer.reasoning));
    }
    if !answer.text.is_empty() {
        items.push(json!({
            "id": item_id(exchange, "msg", items.len()),
            "type": "message",
            "status": final_status(answer),
            "role": "assistant",
            "content": [{ "type": "output_text", "text": answer.text, "annotations": [], "logprobs": [] }],
        }));
    }
    for call in &answer.calls {
        items.push(json!({
            "id": item_id(exchange, "fc", items.len()),
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }));
    }
    items
}

/// Moonshot's and Kimi Code's as a summary; OpenRouter's as its text, and encrypted where the request requires
/// that.
fn reasoning_item(exchange: &ResponseContext, request: &EngineRequest, text: &str) -> Value {
    let id = item_id(exchange, "rs", 0);
    let include = request.original_body.as_ref().map_or(&Value::Null, |sent| &sent["include"]);
    let is_encrypted = list(include).iter().any(|field| field == "reasoning.encrypted_content");
    if !exchange.is_openrouter() {
        let summary = json!([{ "type": "summary_text", "text": text }]);
        let mut item = json!({ "id": id, "type": "reasoning", "status": "completed", "summary": summary });
        if exchange.provider == Provider::OpenAi && is_encrypted {
            item["encrypted_content"] = seal::seal("openai", text).into();
        }
        return item;
    }
    let content = json!([{ "type": "reasoning_text", "text": text }]);
    let mut item = json!({
        "id": id, "type": "reasoning", "status": "completed", "summary": [], "content": content
    });
    if is_encrypted {
        item["encrypted_content"] = format!("sealed{:016x}", fnv1a_hash(text)).into();
    }
    item
}

fn item_id(exchange: &ResponseContext, kind: &str, index: usize) -> String {
    format!("{kind}_{:016x}{index:04x}", fnv1a_hash(&exchange.id))
}

/// `input_tokens` includes the tokens from the cache here.
fn usage_object(exchange: &ResponseContext, used: &TokenUsage) -> Value {
    let mut usage = json!({
        "input_tokens": used.prompt,
        "input_tokens_details": { "cached_tokens": used.cached, "cache_write_tokens": 0 },
        "output_tokens": used.completion,
        "output_tokens_details": { "reasoning_tokens": used.reasoning },
        "total_tokens": used.prompt + used.completion,
    });
    if exchange.is_openrouter() {
        let (prompt, completion) = exchange.cost(used);
        usage["cost"] = dollars_from_picos(prompt + completion).into();
        usage["is_byok"] = false.into();
        usage["cost_details"] = json!({
            "upstream_inference_cost": null,
            "upstream_inference_input_cost": dollars_from_picos(prompt),
            "upstream_inference_output_cost": dollars_from_picos(completion),
        });
    }
    usage
}

/// All events of the answer.
pub(super) fn response_events(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    let is_openrouter = exchange.is_openrouter();
    let mut writer = EventWriter { events: Vec::new(), next_sequence_number: 0, is_openrouter };
    if is_openrouter {
        writer.events.extend([SseEvent::processing(), SseEvent::processing()]);
    }
    let opening = response_object(exchange, request, None);
    writer.push(EventKind::Role, json!({ "type": "response.created", "response": opening }));
    writer.push(EventKind::BlockBoundary, json!({ "type": "response.in_progress", "response": opening }));
    let items = output_items(exchange, request, answer);
    for (index, item) in items.iter().enumerate() {
        writer.push_item(index, item);
    }
    let kind = format!("response.{}", final_status(answer));
    let closing = response_object(exchange, request, Some((answer, items)));
    writer.push(EventKind::Done, json!({ "type": kind, "response": closing }));
    if is_openrouter {
        writer.events.push(SseEvent::done());
    }
    writer.events
}

/// An error in the middle of a stream: `response.failed` if the response was begun, else OpenAI's `error`.
pub(super) fn error_event(exchange: &ResponseContext, kept: &[SseEvent]) -> SseEvent {
    let message =
        if exchange.is_openrouter() { "Provider returned error" } else { chat::SERVER_ERROR_MESSAGE };
    let sent: Vec<Value> = kept.iter().filter_map(SseEvent::payload).collect();
    let mut value = match sent.iter().find_map(|event| event.get("response")).cloned() {
        Some(mut response) => {
            response["status"] = "failed".into();
            response["error"] = json!({ "code": "server_error", "message": message });
            json!({ "type": "response.failed", "response": response })
        }
        None => json!({ "type": "error", "code": "server_error", "message": message, "param": null }),
    };
    value["sequence_number"] = sent.len().into();
    match exchange.is_openrouter() {
        true => SseEvent::data(EventKind::Other, &value),
        false => SseEvent::with_name(EventKind::Other, &value),
    }
}

struct EventWriter {
    events: Vec<SseEvent>,
    next_sequence_number: u64,
    is_openrouter: bool,
}

impl EventWriter {
    fn push(&mut self, kind: EventKind, mut value: Value) {
        value["sequence_number"] = self.next_sequence_number.into();
        self.next_sequence_number += 1;
        let event =
            if self.is_openrouter { SseEvent::data(kind, &value) } else { SseEvent::with_name(kind, &value) };
        self.events.push(event);
    }

    /// An item is added empty, filled and finished.
    fn push_item(&mut self, index: usize, item: &Value) {
        let mut empty = item.clone();
        empty["status"] = "in_progress".into();
        for (member, nothing) in [("content", json!([])), ("summary", json!([])), ("arguments", "".into())] {
            if let Some(value) = empty.get_mut(member) {
                *value = nothing;
            }
        }
        if let Some(members) = empty.as_object_mut() {
            members.shift_remove("encrypted_content");
        }
        let frame = |kind: &str, item: &Value| json!({ "type": kind, "output_index": index, "item": item });
        self.push(EventKind::BlockBoundary, frame("response.output_item.added", &empty));
        if item["type"] == "function_call" {
            let event = json!({ "type": "", "output_index": index, "item_id": item["id"] });
            self.push_text(&event, "function_call_arguments", "arguments", text(&item["arguments"]));
        } else {
            self.push_part(index, item);
        }
        self.push(EventKind::BlockBoundary, frame("response.output_item.done", item));
    }

    /// The text of a message, of a summary or of reasoning: a part is opened, filled and closed.
    fn push_part(&mut self, index: usize, item: &Value) {
        let is_summary = !list(&item["summary"]).is_empty();
        let part = &item[if is_summary { "summary" } else { "content" }][0];
        let (frame, delta, position) = match text(&part["type"]) {
            "summary_text" => ("reasoning_summary_part", "reasoning_summary_text", "summary_index"),
            "reasoning_text" => ("content_part", "reasoning_text", "content_index"),
            _ => ("content_part", "output_text", "content_index"),
        };
        let event = json!({ "type": "", "output_index": index, "item_id": item["id"], position: 0 });
        let with_part = |step: &str, part: Value| {
            let mut event = event.clone();
            event["type"] = format!("response.{frame}.{step}").into();
            event["part"] = part;
            event
        };
        let mut empty = part.clone();
        empty["text"] = "".into();
        self.push(EventKind::BlockBoundary, with_part("added", empty));
        self.push_text(&event, delta, "text", text(&part["text"]));
        self.push(EventKind::BlockBoundary, with_part("done", part.clone()));
    }

    /// The deltas of a text, and the event with all of it in `member`.
    fn push_text(&mut self, event: &Value, kind: &str, member: &str, whole: &str) {
        let with_text = |step: &str, member: &str, text: &str| {
            let mut event = event.clone();
            event["type"] = format!("response.{kind}.{step}").into();
            event[member] = text.into();
            event
        };
        for piece in split_text(whole) {
            self.push(EventKind::Content, with_text("delta", "delta", piece));
        }
        self.push(EventKind::BlockBoundary, with_text("done", member, whole));
    }
}
