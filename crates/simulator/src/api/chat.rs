//! A response of the Chat Completions API.

use serde_json::{Value, json};

use crate::api::event::{EventKind, SseEvent, dollars_from_picos, split_text};
use crate::engine::answer::{ResponseContext, SimulatedAnswer, TokenUsage, ToolCall};
use crate::engine::request::EngineRequest;
use crate::value::fnv1a_hash;

/// The body of a 200 that is not streamed.
pub(super) fn response_body(exchange: &ResponseContext, answer: &SimulatedAnswer, omits_role: bool) -> Value {
    let mut message = message(exchange, answer);
    if omits_role && let Some(members) = message.as_object_mut() {
        members.shift_remove("role");
    }
    let finish_reason = answer.finish_reason;
    let choice = if exchange.is_openrouter() {
        json!({
            "logprobs": null,
            "finish_reason": finish_reason,
            "native_finish_reason": finish_reason,
            "index": 0,
            "message": message,
        })
    } else {
        json!({ "index": 0, "message": message, "finish_reason": finish_reason })
    };
    let mut body = envelope(exchange, "chat.completion", json!([choice]));
    body["usage"] = usage_object(exchange, &answer.usage);
    body
}

fn message(exchange: &ResponseContext, answer: &SimulatedAnswer) -> Value {
    let mut message = json!({ "role": "assistant", "content": answer.text });
    if exchange.is_openrouter() {
        if answer.text.is_empty() && !answer.calls.is_empty() {
            message["content"] = Value::Null;
        }
        message["refusal"] = Value::Null;
        message["reasoning"] = Value::Null;
    }
    if !answer.reasoning.is_empty() {
        if exchange.is_openrouter() {
            message["reasoning"] = answer.reasoning.as_str().into();
            message["reasoning_details"] = json!([reasoning_detail(&answer.reasoning)]);
        } else {
            message["reasoning_content"] = answer.reasoning.as_str().into();
        }
    }
    if !answer.calls.is_empty() {
        let calls = answer.calls.iter().enumerate();
        let call_object = |(index, call)| tool_call(index, call, &call.arguments);
        message["tool_calls"] = calls.map(call_object).collect();
    }
    message
}

/// A call of a builtin has its own type (Moonshot's guide to web search).
fn tool_call(index: usize, call: &ToolCall, arguments: &str) -> Value {
    json!({
        "index": index,
        "id": call.id,
        "type": if call.name.starts_with('$') { "builtin_function" } else { "function" },
        "function": { "name": call.name, "arguments": arguments },
    })
}

/// OpenRouter's structured reasoning.
fn reasoning_detail(text: &str) -> Value {
    json!({ "type": "reasoning.text", "text": text, "signature": null, "id": null, "format": "unknown", "index": 0 })
}

/// The usage object. Moonshot omits its cached counts on a cache miss.
fn usage_object(exchange: &ResponseContext, usage: &TokenUsage) -> Value {
    let mut object = json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    });
    if exchange.is_openrouter() {
        let (prompt, completion) = exchange.cost(usage);
        object["cost"] = dollars_from_picos(prompt + completion).into();
        object["is_byok"] = false.into();
        object["prompt_tokens_details"] = json!({
            "cached_tokens": usage.cached, "cache_write_tokens": 0, "audio_tokens": 0, "video_tokens": 0
        });
        object["cost_details"] = json!({
            "upstream_inference_cost": null,
            "upstream_inference_prompt_cost": dollars_from_picos(prompt),
            "upstream_inference_completions_cost": dollars_from_picos(completion),
        });
    } else if usage.cached > 0 {
        object["cached_tokens"] = usage.cached.into();
        object["prompt_tokens_details"] = json!({ "cached_tokens": usage.cached });
    }
    if usage.reasoning > 0 || exchange.is_openrouter() {
        object["completion_tokens_details"] = json!({ "reasoning_tokens": usage.reasoning });
    }
    object
}

/// The members that every object of an answer repeats.
fn envelope(exchange: &ResponseContext, object: &str, choices: Value) -> Value {
    let ResponseContext { id, created, echoed_model, model, .. } = exchange;
    if exchange.is_openrouter() {
        json!({
            "id": id,
            "provider": model.vendor,
            "model": echoed_model,
            "object": object,
            "created": created,
            "choices": choices,
            "system_fingerprint": null,
        })
    } else {
        json!({ "id": id, "object": object, "created": created, "model": echoed_model, "choices": choices })
    }
}

/// Role, reasoning, text, calls and the finish, then the usage and `[DONE]`.
///
/// Moonshot and Kimi Code put the usage into the last choice, and send a usage chunk if it was requested.
/// OpenRouter sends comments, repeats the role in every delta, and sends the finish twice, the second time with
/// the usage.
pub(super) fn response_events(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    let is_openrouter = exchange.is_openrouter();
    let mut writer = ChunkWriter { exchange, events: Vec::new() };
    if is_openrouter {
        writer.events.extend([SseEvent::processing(), SseEvent::processing()]);
    }
    writer.push_delta(EventKind::Role, json!({ "role": "assistant", "content": "" }), "".into());
    for piece in split_text(&answer.reasoning) {
        let delta = if is_openrouter {
            json!({ "reasoning": piece, "reasoning_details": [reasoning_detail(piece)] })
        } else {
            json!({ "reasoning_content": piece })
        };
        writer.push_delta(EventKind::Content, delta, "".into());
    }
    for (index, piece) in split_text(&answer.text).into_iter().enumerate() {
        if is_openrouter && index % 16 == 3 {
            writer.events.push(SseEvent::processing());
        }
        writer.push_delta(EventKind::Content, json!({ "content": piece }), piece.into());
    }
    // Each call opens with id, name and empty arguments; the arguments follow in pieces.
    for (index, call) in answer.calls.iter().enumerate() {
        let pieces = split_text(&call.arguments).into_iter();
        let pieces = pieces.map(|piece| json!({ "index": index, "function": { "arguments": piece } }));
        for piece in [tool_call(index, call, "")].into_iter().chain(pieces) {
            writer.push_delta(EventKind::Content, json!({ "tool_calls": [piece] }), Value::Null);
        }
    }
    let usage = usage_object(exchange, &answer.usage);
    let delta = if is_openrouter { json!({ "role": "assistant", "content": "" }) } else { json!({}) };
    let mut finish = choice(exchange, delta, answer.finish_reason.into());
    if !is_openrouter {
        finish["usage"] = usage.clone();
    }
    writer.push_chunk(EventKind::Finish, &finish);
    if is_openrouter || request.wants_usage() {
        let choices = if is_openrouter { json!([finish]) } else { json!([]) };
        let mut last = envelope(exchange, "chat.completion.chunk", choices);
        last["usage"] = usage;
        writer.events.push(SseEvent::data(EventKind::Usage, &last));
    }
    writer.events.push(SseEvent::done());
    writer.events
}

/// An error in the middle of a 200 stream: OpenRouter's documented chunk; a bare envelope for the others, of which
/// no report exists.
pub(super) fn error_event(exchange: &ResponseContext) -> SseEvent {
    let ResponseContext { id, created, echoed_model, model, .. } = exchange;
    let value = if exchange.is_openrouter() {
        json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": echoed_model,
            "provider": model.vendor,
            "error": {
                "code": 502,
                "message": "Provider returned error",
                "metadata": { "error_type": "provider_unavailable", "provider_name": model.vendor },
            },
            "choices": [{ "index": 0, "delta": { "content": "" }, "finish_reason": "error" }],
        })
    } else {
        json!({ "error": { "message": SERVER_ERROR_MESSAGE, "type": "server_error" } })
    };
    SseEvent::data(EventKind::Other, &value)
}

/// Moonshot's and Kimi Code's message of an error in a stream.
pub(super) const SERVER_ERROR_MESSAGE: &str = "The server had an error while processing your request";

fn choice(exchange: &ResponseContext, delta: Value, finish_reason: Value) -> Value {
    let mut choice = json!({ "index": 0, "delta": delta, "finish_reason": finish_reason });
    if exchange.is_openrouter() {
        choice["native_finish_reason"] = finish_reason;
        choice["logprobs"] = Value::Null;
    }
    choice
}

struct ChunkWriter<'a> {
    exchange: &'a ResponseContext,
    events: Vec<SseEvent>,
}

impl ChunkWriter<'_> {
    /// A chunk with these members; OpenRouter puts the role and `content` before them.
    fn push_delta(&mut self, kind: EventKind, members: Value, content: Value) {
        let mut delta = members;
        if self.exchange.is_openrouter()
            && let Value::Object(members) = delta
        {
            delta = json!({ "role": "assistant", "content": content });
            members.into_iter().for_each(|(name, value)| delta[name] = value);
        }
        self.push_chunk(kind, &choice(self.exchange, delta, Value::Null));
    }

    fn push_chunk(&mut self, kind: EventKind, choice: &Value) {
        let mut chunk = envelope(self.exchange, "chat.completion.chunk", json!([choice]));
        if !self.exchange.is_openrouter() {
            let hash = fnv1a_hash(&self.exchange.model.id) & 0xffff_ffff;
            chunk["system_fingerprint"] = format!("fpv0_{hash:08x}").into();
        }
        self.events.push(SseEvent::data(kind, &chunk));
    }
}
