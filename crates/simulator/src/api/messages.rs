//! A response of the Messages API.

use serde_json::{Value, json};

use crate::api::chat;
use crate::api::event::{EventKind, SseEvent, dollars_from_picos, split_text};
use crate::engine::answer::{ResponseContext, SimulatedAnswer, TokenUsage};
use crate::error_response::ErrorResponse;
use crate::provider::{Api, Provider};
use crate::seal;
use crate::value::fnv1a_hash;

/// The body of a 200 that is not streamed.
pub(super) fn response_body(exchange: &ResponseContext, answer: &SimulatedAnswer, omits_role: bool) -> Value {
    let mut message = initial_message(exchange, &answer.usage);
    message["content"] = content_blocks(exchange, answer).into();
    let (stop_reason, stop_sequence) = stop_members(exchange, answer);
    message["stop_reason"] = stop_reason;
    message["stop_sequence"] = stop_sequence;
    message["usage"] = usage_object(exchange, &answer.usage);
    if omits_role && let Some(members) = message.as_object_mut() {
        members.shift_remove("role");
    }
    message
}

/// The message of `message_start`: no content, no output.
fn initial_message(exchange: &ResponseContext, usage: &TokenUsage) -> Value {
    let mut message = json!({
        "id": exchange.id,
        "type": "message",
        "role": "assistant",
        "model": exchange.echoed_model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": token_counts(&TokenUsage { completion: 0, reasoning: 0, ..*usage }),
    });
    if exchange.is_openrouter() {
        message["provider"] = exchange.model.vendor.as_str().into();
    }
    message
}

fn content_blocks(exchange: &ResponseContext, answer: &SimulatedAnswer) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !answer.reasoning.is_empty() {
        let signature = reasoning_signature(exchange, &answer.reasoning);
        blocks.push(json!({ "type": "thinking", "thinking": answer.reasoning, "signature": signature }));
    }
    if !answer.text.is_empty() {
        blocks.push(json!({ "type": "text", "text": answer.text }));
    }
    for call in &answer.calls {
        let input = serde_json::from_str::<Value>(&call.arguments).unwrap_or_else(|_| json!({}));
        blocks.push(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }));
    }
    blocks
}

/// The value by which the provider recognises its reasoning. OpenRouter has none for Kimi's models: `signature`
/// is null in its `reasoning_details` too.
fn reasoning_signature(exchange: &ResponseContext, reasoning: &str) -> String {
    if exchange.is_openrouter() {
        return String::new();
    }
    if exchange.provider == Provider::Anthropic {
        return seal::sign(reasoning);
    }
    let hash = fnv1a_hash(reasoning);
    format!("sim{hash:016x}{:016x}==", hash.rotate_left(29))
}

/// The stop reason and the stop sequence. Moonshot's list has no `stop_sequence` (live answers, documented).
fn stop_members(exchange: &ResponseContext, answer: &SimulatedAnswer) -> (Value, Value) {
    match (answer.finish_reason, &answer.stop_sequence) {
        ("length", _) => ("max_tokens".into(), Value::Null),
        ("tool_calls", _) => ("tool_use".into(), Value::Null),
        (_, Some(stop)) if exchange.provider != Provider::Moonshot => {
            ("stop_sequence".into(), stop.as_str().into())
        }
        _ => ("end_turn".into(), Value::Null),
    }
}

/// The usage of a complete answer, with its cost where the provider reports it.
fn usage_object(exchange: &ResponseContext, used: &TokenUsage) -> Value {
    let mut usage = token_counts(used);
    if exchange.is_openrouter() {
        let (prompt, completion) = exchange.cost(used);
        usage["cost"] = dollars_from_picos(prompt + completion).into();
        usage["is_byok"] = false.into();
    }
    usage
}

/// `input_tokens` does not include the tokens from the cache.
fn token_counts(used: &TokenUsage) -> Value {
    let mut usage = json!({
        "input_tokens": used.prompt - used.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.completion,
    });
    if used.reasoning > 0 {
        usage["output_tokens_details"] = json!({ "thinking_tokens": used.reasoning });
    }
    usage
}

/// All events of the answer.
pub(super) fn response_events(exchange: &ResponseContext, answer: &SimulatedAnswer) -> Vec<SseEvent> {
    let is_openrouter = exchange.is_openrouter();
    let mut events = Vec::new();
    let push =
        |events: &mut Vec<SseEvent>, kind, value: Value| events.push(SseEvent::with_name(kind, &value));
    if is_openrouter {
        events.extend([SseEvent::processing(), SseEvent::processing()]);
    }
    let opening = initial_message(exchange, &answer.usage);
    push(&mut events, EventKind::Role, json!({ "type": "message_start", "message": opening }));
    if is_openrouter {
        push(&mut events, EventKind::BlockBoundary, json!({ "type": "ping" }));
    }
    let mut calls = answer.calls.iter();
    for (index, mut block) in content_blocks(exchange, answer).into_iter().enumerate() {
        let deltas = empty_block(&mut block, || calls.next().map(|call| call.arguments.clone()));
        let start = json!({ "type": "content_block_start", "index": index, "content_block": block });
        push(&mut events, EventKind::BlockBoundary, start);
        for delta in deltas {
            let delta = json!({ "type": "content_block_delta", "index": index, "delta": delta });
            push(&mut events, EventKind::Content, delta);
        }
        push(&mut events, EventKind::BlockBoundary, json!({ "type": "content_block_stop", "index": index }));
    }
    let (stop_reason, stop_sequence) = stop_members(exchange, answer);
    let end = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason, "stop_sequence": stop_sequence },
        "usage": usage_object(exchange, &answer.usage),
    });
    push(&mut events, EventKind::Finish, end);
    push(&mut events, EventKind::Done, json!({ "type": "message_stop" }));
    if is_openrouter {
        events.push(SseEvent::done());
    }
    events
}

/// Empties a block for `content_block_start`, and returns the deltas that fill it. `arguments` are those of the
/// next call, as the model wrote them.
fn empty_block(block: &mut Value, arguments: impl FnOnce() -> Option<String>) -> Vec<Value> {
    let (member, delta_type, delta_member) = match block["type"].as_str() {
        Some("thinking") => ("thinking", "thinking_delta", "thinking"),
        Some("text") => ("text", "text_delta", "text"),
        _ => ("input", "input_json_delta", "partial_json"),
    };
    let empty = if member == "input" { json!({}) } else { "".into() };
    let content = match std::mem::replace(&mut block[member], empty) {
        Value::String(text) => text,
        _ => arguments().unwrap_or_default(),
    };
    let pieces = split_text(&content).into_iter();
    let mut deltas: Vec<Value> =
        pieces.map(|piece| json!({ "type": delta_type, delta_member: piece })).collect();
    if member == "thinking" {
        let signature = std::mem::replace(&mut block["signature"], "".into());
        if signature != "" {
            deltas.push(json!({ "type": "signature_delta", "signature": signature }));
        }
    }
    deltas
}

/// An error in the middle of a stream: Anthropic's event, except for Moonshot. Moonshot's was not observed; it
/// is a bare envelope here, as on its Chat Completions API.
pub(super) fn error_event(exchange: &ResponseContext) -> SseEvent {
    let error = match exchange.provider {
        Provider::Moonshot => return chat::error_event(exchange),
        Provider::Anthropic => ErrorResponse::new(529, "overloaded_error", "Overloaded"),
        Provider::Kimi | Provider::OpenAi => {
            ErrorResponse::new(503, "overloaded_error", chat::SERVER_ERROR_MESSAGE)
        }
        Provider::OpenRouter => ErrorResponse::new(502, "", "Provider returned error"),
    };
    SseEvent::with_name(EventKind::Other, &error.body(exchange.provider, Api::Messages, &exchange.id))
}
