//! The answer as one JSON object.

use serde_json::{Map, Value, json};

use crate::simulator::engine::answer::{SimulatedAnswer, TokenUsage, ToolCall};
use crate::simulator::engine::{ResponseContext, ResponseCost};
use crate::simulator::provider::Provider;

/// The body of a 200 that is not streamed.
pub(in crate::simulator) fn response_body(
    exchange: &ResponseContext,
    answer: &SimulatedAnswer,
    no_role: bool,
) -> Value {
    let mut message = match exchange.provider {
        Provider::OpenRouter => openrouter_message(answer),
        Provider::Moonshot | Provider::Kimi => kimi_message(answer),
    };
    if no_role && let Some(message) = message.as_object_mut() {
        message.shift_remove("role");
    }
    let usage = usage_object(exchange, &answer.usage);
    if exchange.provider == Provider::OpenRouter {
        return json!({
            "id": exchange.id,
            "provider": exchange.model.vendor,
            "model": exchange.echoed_model,
            "object": "chat.completion",
            "created": exchange.created,
            "choices": [{
                "logprobs": null,
                "finish_reason": answer.finish_reason,
                "native_finish_reason": answer.finish_reason,
                "index": 0,
                "message": message,
            }],
            "system_fingerprint": null,
            "usage": usage,
        });
    }
    json!({
        "id": exchange.id,
        "object": "chat.completion",
        "created": exchange.created,
        "model": exchange.echoed_model,
        "choices": [{ "index": 0, "message": message, "finish_reason": answer.finish_reason }],
        "usage": usage,
    })
}

/// The usage object. Moonshot omits its cached counts on a cache miss.
pub(in crate::simulator) fn usage_object(exchange: &ResponseContext, usage: &TokenUsage) -> Value {
    let total = usage.prompt + usage.completion;
    if exchange.provider == Provider::OpenRouter {
        return openrouter_usage(exchange, usage, total);
    }
    let mut members = Map::new();
    members.insert("prompt_tokens".into(), usage.prompt.into());
    members.insert("completion_tokens".into(), usage.completion.into());
    members.insert("total_tokens".into(), total.into());
    if usage.cached > 0 {
        members.insert("cached_tokens".into(), usage.cached.into());
        members.insert("prompt_tokens_details".into(), json!({ "cached_tokens": usage.cached }));
    }
    if usage.reasoning > 0 {
        members.insert("completion_tokens_details".into(), json!({ "reasoning_tokens": usage.reasoning }));
    }
    Value::Object(members)
}

/// One call as an element of `tool_calls`.
pub(in crate::simulator) fn tool_call_object(index: usize, call: &ToolCall) -> Value {
    json!({
        "index": index,
        "id": call.id,
        "type": tool_call_type(&call.name),
        "function": { "name": call.name, "arguments": call.arguments },
    })
}

/// A call of a builtin has its own type (Moonshot's guide to web search).
pub(in crate::simulator) fn tool_call_type(name: &str) -> &'static str {
    if name.starts_with('$') { "builtin_function" } else { "function" }
}

fn tool_call_objects(answer: &SimulatedAnswer) -> Vec<Value> {
    answer.calls.iter().enumerate().map(|(index, one)| tool_call_object(index, one)).collect()
}

fn kimi_message(answer: &SimulatedAnswer) -> Value {
    let mut message = json!({ "role": "assistant", "content": answer.text });
    if let Some(members) = message.as_object_mut() {
        if !answer.reasoning.is_empty() {
            members.insert("reasoning_content".into(), answer.reasoning.clone().into());
        }
        if !answer.calls.is_empty() {
            members.insert("tool_calls".into(), tool_call_objects(answer).into());
        }
    }
    message
}

fn openrouter_message(answer: &SimulatedAnswer) -> Value {
    let content =
        if answer.text.is_empty() && !answer.calls.is_empty() { Value::Null } else { json!(answer.text) };
    let mut message = json!({ "role": "assistant", "content": content, "refusal": null, "reasoning": null });
    if let Some(members) = message.as_object_mut() {
        if !answer.reasoning.is_empty() {
            members.insert("reasoning".into(), answer.reasoning.clone().into());
            members.insert("reasoning_details".into(), json!([reasoning_detail(&answer.reasoning)]));
        }
        if !answer.calls.is_empty() {
            members.insert("tool_calls".into(), tool_call_objects(answer).into());
        }
    }
    message
}

/// OpenRouter's structured reasoning.
pub(in crate::simulator) fn reasoning_detail(text: &str) -> Value {
    json!({ "type": "reasoning.text", "text": text, "signature": null, "id": null, "format": "unknown", "index": 0 })
}

fn openrouter_usage(exchange: &ResponseContext, usage: &TokenUsage, total: u64) -> Value {
    let cost = exchange.cost(usage);
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": total,
        "cost": ResponseCost::dollars_from_picos(cost.reported),
        "is_byok": false,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached, "cache_write_tokens": 0, "audio_tokens": 0, "video_tokens": 0
        },
        "cost_details": {
            "upstream_inference_cost": null,
            "upstream_inference_prompt_cost": ResponseCost::dollars_from_picos(cost.prompt),
            "upstream_inference_completions_cost": ResponseCost::dollars_from_picos(cost.completion),
        },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    })
}
