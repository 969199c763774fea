//! The message as one JSON object.

use serde_json::{Value, json};

use crate::simulator::engine::answer::{SimulatedAnswer, TokenUsage, fnv1a_hash};
use crate::simulator::engine::{ResponseContext, ResponseCost};
use crate::simulator::provider::Provider;

/// The body of a 200 that is not streamed.
pub(in crate::simulator) fn response_body(
    exchange: &ResponseContext,
    answer: &SimulatedAnswer,
    no_role: bool,
) -> Value {
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
    let begun = TokenUsage { completion: 0, reasoning: 0, ..*used };
    let usage = token_counts(&begun);
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
