//! A response of the Messages API: as one JSON object, and as server-sent events.

use serde_json::{Value, json};

use crate::engine::answer::{SimulatedAnswer, TokenUsage};
use crate::engine::fnv1a_hash;
use crate::engine::{EventKind, ResponseContext, ResponseCost, SseEvent, split_text};
use crate::error_response::{ErrorResponse, messages_error_body};
use crate::provider::Provider;

/// The body of a 200 that is not streamed.
pub(crate) fn response_body(exchange: &ResponseContext, answer: &SimulatedAnswer, no_role: bool) -> Value {
    let mut message = initial_message(exchange, &answer.usage);
    if let Some(members) = message.as_object_mut() {
        members.insert("content".into(), content_blocks(exchange, answer));
        members.insert("stop_reason".into(), stop_reason(exchange, answer).into());
        members.insert("stop_sequence".into(), stop_sequence(exchange, answer));
        members.insert("usage".into(), usage_object(exchange, &answer.usage));
        if no_role {
            members.shift_remove("role");
        }
    }
    message
}

/// The message of `message_start`: nothing said, nothing written.
pub(super) fn initial_message(exchange: &ResponseContext, used: &TokenUsage) -> Value {
    let prefix = TokenUsage { completion: 0, reasoning: 0, ..*used };
    let usage = token_counts(&prefix);
    let mut message = json!({
        "id": exchange.id,
        "type": "message",
        "role": "assistant",
        "model": exchange.echoed_model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage,
    });
    if let (Provider::OpenRouter, Some(members)) = (exchange.provider, message.as_object_mut()) {
        members.insert("provider".into(), exchange.model.vendor.into());
    }
    message
}

fn content_blocks(exchange: &ResponseContext, answer: &SimulatedAnswer) -> Value {
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
    blocks.into()
}

/// The value by which the provider recognises its reasoning. OpenRouter has none for Kimi's models: `signature`
/// is null in its `reasoning_details` too.
pub(super) fn reasoning_signature(exchange: &ResponseContext, reasoning: &str) -> String {
    match exchange.provider {
        Provider::OpenRouter => String::new(),
        Provider::Moonshot | Provider::Kimi => {
            let hash = fnv1a_hash(reasoning);
            format!("sim{hash:016x}{:016x}==", hash.rotate_left(29))
        }
    }
}

/// Moonshot's list has no `stop_sequence` (live answers, documented).
pub(super) fn stop_reason(exchange: &ResponseContext, answer: &SimulatedAnswer) -> &'static str {
    match answer.finish_reason {
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        _ if answer.stop_sequence.is_some() && exchange.provider != Provider::Moonshot => "stop_sequence",
        _ => "end_turn",
    }
}

pub(super) fn stop_sequence(exchange: &ResponseContext, answer: &SimulatedAnswer) -> Value {
    match &answer.stop_sequence {
        Some(stop) if stop_reason(exchange, answer) == "stop_sequence" => stop.as_str().into(),
        _ => Value::Null,
    }
}

/// The usage of a complete answer, with its cost where the provider reports it.
pub(super) fn usage_object(exchange: &ResponseContext, used: &TokenUsage) -> Value {
    let mut usage = token_counts(used);
    if let (Provider::OpenRouter, Some(members)) = (exchange.provider, usage.as_object_mut()) {
        members.insert("cost".into(), ResponseCost::dollars_from_picos(exchange.cost(used).reported));
        members.insert("is_byok".into(), false.into());
    }
    usage
}

/// What came from the cache is not in `input_tokens`.
fn token_counts(used: &TokenUsage) -> Value {
    let mut usage = json!({
        "input_tokens": used.prompt - used.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.completion,
    });
    if used.reasoning > 0
        && let Some(members) = usage.as_object_mut()
    {
        members.insert("output_tokens_details".into(), json!({ "thinking_tokens": used.reasoning }));
    }
    usage
}

/// All events of the answer.
pub(crate) fn response_events(exchange: &ResponseContext, answer: &SimulatedAnswer) -> Vec<SseEvent> {
    let mut stream = EventWriter { events: Vec::new(), blocks: 0 };
    let is_openrouter = exchange.provider == Provider::OpenRouter;
    if is_openrouter {
        stream.events.extend([SseEvent::processing(), SseEvent::processing()]);
    }
    let opening = initial_message(exchange, &answer.usage);
    stream.push(EventKind::Role, &json!({ "type": "message_start", "message": opening }));
    if is_openrouter {
        stream.push(EventKind::BlockBoundary, &json!({ "type": "ping" }));
    }
    stream.push_thinking(exchange, &answer.reasoning);
    if !answer.text.is_empty() {
        let deltas =
            split_text(&answer.text).into_iter().map(|piece| json!({ "type": "text_delta", "text": piece }));
        stream.push_block(json!({ "type": "text", "text": "" }), deltas);
    }
    for call in &answer.calls {
        let block = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} });
        let deltas = split_text(&call.arguments);
        let deltas =
            deltas.into_iter().map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }));
        stream.push_block(block, deltas);
    }
    let end = json!({
        "type": "message_delta",
        "delta": {
            "stop_reason": stop_reason(exchange, answer),
            "stop_sequence": stop_sequence(exchange, answer),
        },
        "usage": usage_object(exchange, &answer.usage),
    });
    stream.push(EventKind::Finish, &end);
    stream.push(EventKind::Done, &json!({ "type": "message_stop" }));
    if is_openrouter {
        stream.events.push(SseEvent::done());
    }
    stream.events
}

/// An error in the middle of a stream: Anthropic's event, except for Moonshot. Moonshot's was not observed; it
/// is a bare envelope here, as on its Chat Completions API.
pub(crate) fn error_event(exchange: &ResponseContext) -> SseEvent {
    let error = match exchange.provider {
        Provider::OpenRouter => ErrorResponse::new(502, "", "Provider returned error"),
        Provider::Moonshot | Provider::Kimi => ErrorResponse::new(
            503,
            "overloaded_error",
            "The server had an error while processing your request",
        ),
    };
    match messages_error_body(exchange.provider, &error, &exchange.id) {
        Some(body) if exchange.provider != Provider::Moonshot => SseEvent::with_name(EventKind::Other, &body),
        _ => {
            let error = json!({ "message": error.message, "type": "server_error" });
            SseEvent::data(EventKind::Other, &json!({ "error": error }))
        }
    }
}

struct EventWriter {
    events: Vec<SseEvent>,
    blocks: usize,
}

impl EventWriter {
    fn push(&mut self, kind: EventKind, value: &Value) {
        self.events.push(SseEvent::with_name(kind, value));
    }

    fn push_thinking(&mut self, exchange: &ResponseContext, reasoning: &str) {
        if reasoning.is_empty() {
            return;
        }
        let signature = reasoning_signature(exchange, reasoning);
        let deltas = split_text(reasoning)
            .into_iter()
            .map(|piece| json!({ "type": "thinking_delta", "thinking": piece }));
        let signed =
            (!signature.is_empty()).then(|| json!({ "type": "signature_delta", "signature": signature }));
        self.push_block(json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas.chain(signed));
    }

    fn push_block(&mut self, block: Value, deltas: impl Iterator<Item = Value>) {
        let index = self.blocks;
        self.blocks += 1;
        let start = json!({ "type": "content_block_start", "index": index, "content_block": block });
        self.push(EventKind::BlockBoundary, &start);
        for delta in deltas {
            let delta = json!({ "type": "content_block_delta", "index": index, "delta": delta });
            self.push(EventKind::Content, &delta);
        }
        self.push(EventKind::BlockBoundary, &json!({ "type": "content_block_stop", "index": index }));
    }
}
