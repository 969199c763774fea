//! A response of the Responses API: as one JSON object, and as server-sent events.
//!
//! Events are named by OpenAI's rule. OpenRouter sends only `data:` and closes with `[DONE]` (its streams, recorded by
//! anomalyco/opencode).

use serde_json::{Value, json};

use crate::engine::answer::{SimulatedAnswer, TokenUsage};
use crate::engine::fnv1a_hash;
use crate::engine::list;
use crate::engine::request::EngineRequest;
use crate::engine::{EventKind, ResponseContext, ResponseCost, SseEvent, split_text};
use crate::provider::Provider;

/// The body of a 200 that is not streamed.
pub(crate) fn response_body(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
    no_role: bool,
) -> Value {
    let mut items = output_items(exchange, request, answer);
    if no_role {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| {
            item.shift_remove("role");
        });
    }
    final_response(exchange, request, answer, items)
}

/// The response while it is being written.
pub(super) fn initial_response(exchange: &ResponseContext, request: &EngineRequest) -> Value {
    response_object(exchange, request, "in_progress", Vec::new(), &Value::Null)
}

/// The finished response with these items.
pub(super) fn final_response(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
    items: Vec<Value>,
) -> Value {
    let status = if answer.finish_reason == "length" { "incomplete" } else { "completed" };
    response_object(exchange, request, status, items, &usage_object(exchange, &answer.usage))
}

/// The request's members are repeated (openrouter.ai's streams, recorded by anomalyco/opencode).
fn response_object(
    exchange: &ResponseContext,
    request: &EngineRequest,
    status: &str,
    items: Vec<Value>,
    usage: &Value,
) -> Value {
    let said = |key: &str, usual: Value| {
        let given =
            request.original_body.as_ref().and_then(|sent| sent.get(key)).filter(|value| !value.is_null());
        given.cloned().unwrap_or(usual)
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
        "instructions": said("instructions", Value::Null),
        "max_output_tokens": said("max_output_tokens", Value::Null),
        "metadata": said("metadata", json!({})),
        "parallel_tool_calls": said("parallel_tool_calls", true.into()),
        "previous_response_id": null,
        "reasoning": said("reasoning", Value::Null),
        "store": false,
        "temperature": said("temperature", 1.into()),
        "text": said("text", json!({ "format": { "type": "text" } })),
        "tool_choice": said("tool_choice", "auto".into()),
        "tools": said("tools", json!([])),
        "top_p": said("top_p", json!(0.95)),
        "truncation": "disabled",
        "usage": usage,
    })
}

/// The finished items: reasoning, the message, the calls.
pub(super) fn output_items(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<Value> {
    let mut items = Vec::new();
    if !answer.reasoning.is_empty() {
        items.push(reasoning_item(exchange, request, &answer.reasoning));
    }
    if !answer.text.is_empty() {
        let status = if answer.finish_reason == "length" { "incomplete" } else { "completed" };
        items.push(json!({
            "id": item_id(exchange, "msg", items.len()),
            "type": "message",
            "status": status,
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
    let is_openrouter = exchange.provider == Provider::OpenRouter;
    let (summary, content) = if is_openrouter {
        (json!([]), json!([{ "type": "reasoning_text", "text": text }]))
    } else {
        (json!([{ "type": "summary_text", "text": text }]), Value::Null)
    };
    let mut item = json!({ "id": id, "type": "reasoning", "status": "completed", "summary": summary });
    let include = request.original_body.as_ref().and_then(|sent| sent.get("include"));
    let sealed = is_openrouter && list(include).iter().any(|what| what == "reasoning.encrypted_content");
    if let Some(members) = item.as_object_mut() {
        if !content.is_null() {
            members.insert("content".into(), content);
        }
        if sealed {
            members.insert("encrypted_content".into(), format!("sealed{:016x}", fnv1a_hash(text)).into());
        }
    }
    item
}

fn item_id(exchange: &ResponseContext, kind: &str, index: usize) -> String {
    format!("{kind}_{:016x}{index:04x}", fnv1a_hash(&exchange.id))
}

/// What came from the cache is a part of `input_tokens` here.
fn usage_object(exchange: &ResponseContext, used: &TokenUsage) -> Value {
    let mut usage = json!({
        "input_tokens": used.prompt,
        "input_tokens_details": { "cached_tokens": used.cached, "cache_write_tokens": 0 },
        "output_tokens": used.completion,
        "output_tokens_details": { "reasoning_tokens": used.reasoning },
        "total_tokens": used.prompt + used.completion,
    });
    if let (Provider::OpenRouter, Some(members)) = (exchange.provider, usage.as_object_mut()) {
        let cost = exchange.cost(used);
        members.insert("cost".into(), ResponseCost::dollars_from_picos(cost.reported));
        members.insert("is_byok".into(), false.into());
        let details = json!({
            "upstream_inference_cost": null,
            "upstream_inference_input_cost": ResponseCost::dollars_from_picos(cost.prompt),
            "upstream_inference_output_cost": ResponseCost::dollars_from_picos(cost.completion),
        });
        members.insert("cost_details".into(), details);
    }
    usage
}

/// All events of the answer.
pub(crate) fn response_events(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    let is_openrouter = exchange.provider == Provider::OpenRouter;
    let mut stream = EventWriter { events: Vec::new(), next_sequence_number: 0, is_openrouter };
    if is_openrouter {
        stream.events.extend([SseEvent::processing(), SseEvent::processing()]);
    }
    let opening = initial_response(exchange, request);
    stream.push(EventKind::Role, json!({ "type": "response.created", "response": opening }));
    stream.push(EventKind::BlockBoundary, json!({ "type": "response.in_progress", "response": opening }));
    let items = output_items(exchange, request, answer);
    for (index, item) in items.iter().enumerate() {
        stream.push_item(index, item);
    }
    let closing = final_response(exchange, request, answer, items);
    let kind = if answer.finish_reason == "length" { "response.incomplete" } else { "response.completed" };
    stream.push(EventKind::Done, json!({ "type": kind, "response": closing }));
    if is_openrouter {
        stream.events.push(SseEvent::done());
    }
    stream.events
}

/// An error in the middle of a stream: `response.failed` where the response was begun, else OpenAI's `error`.
pub(crate) fn error_event(exchange: &ResponseContext, kept: &[SseEvent]) -> SseEvent {
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
        let mut prefix = item.clone();
        if let Some(members) = prefix.as_object_mut() {
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
            json!({ "type": "response.output_item.added", "output_index": index, "item": prefix }),
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
