//! The response as one JSON object.

use serde_json::{Value, json};

use crate::simulator::engine::answer::{SimulatedAnswer, TokenUsage, fnv1a_hash};
use crate::simulator::engine::request::{EngineRequest, list};
use crate::simulator::engine::{ResponseContext, ResponseCost};
use crate::simulator::provider::Provider;

/// The body of a 200 that is not streamed.
pub(in crate::simulator) fn response_body(
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
    let brokered = exchange.provider == Provider::OpenRouter;
    let (summary, content) = if brokered {
        (json!([]), json!([{ "type": "reasoning_text", "text": text }]))
    } else {
        (json!([{ "type": "summary_text", "text": text }]), Value::Null)
    };
    let mut item = json!({ "id": id, "type": "reasoning", "status": "completed", "summary": summary });
    let include = request.original_body.as_ref().and_then(|sent| sent.get("include"));
    let sealed = brokered && list(include).iter().any(|what| what == "reasoning.encrypted_content");
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
