//! A response of the Chat Completions API: as one JSON object, and as server-sent events.

use serde_json::{Map, Value, json};

use crate::engine::answer::{SimulatedAnswer, TokenUsage, ToolCall};
use crate::engine::request::EngineRequest;
use crate::engine::{EventKind, ResponseContext, ResponseCost, SseEvent, fnv1a_hash, split_text};
use crate::provider::Provider;

/// The body of a 200 that is not streamed.
pub(crate) fn response_body(exchange: &ResponseContext, answer: &SimulatedAnswer, no_role: bool) -> Value {
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
pub(crate) fn usage_object(exchange: &ResponseContext, usage: &TokenUsage) -> Value {
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
pub(crate) fn tool_call_object(index: usize, call: &ToolCall) -> Value {
    json!({
        "index": index,
        "id": call.id,
        "type": tool_call_type(&call.name),
        "function": { "name": call.name, "arguments": call.arguments },
    })
}

/// A call of a builtin has its own type (Moonshot's guide to web search).
pub(crate) fn tool_call_type(name: &str) -> &'static str {
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
pub(crate) fn reasoning_detail(text: &str) -> Value {
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

/// All events of the answer.
pub(crate) fn response_events(
    exchange: &ResponseContext,
    request: &EngineRequest,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    let chunks = ChunkWriter { exchange, fingerprint: fingerprint(exchange) };
    match exchange.provider {
        Provider::Moonshot | Provider::Kimi => chunks.kimi_events(answer, request.wants_usage()),
        Provider::OpenRouter => chunks.openrouter_events(answer),
    }
}

/// An error in the middle of a 200 stream: OpenRouter's documented chunk; a bare envelope for the others, of which no report exists.
pub(crate) fn error_event(exchange: &ResponseContext) -> SseEvent {
    let value = match exchange.provider {
        Provider::OpenRouter => json!({
            "id": exchange.id,
            "object": "chat.completion.chunk",
            "created": exchange.created,
            "model": exchange.echoed_model,
            "provider": exchange.model.vendor,
            "error": {
                "code": 502,
                "message": "Provider returned error",
                "metadata": { "error_type": "provider_unavailable", "provider_name": exchange.model.vendor },
            },
            "choices": [{ "index": 0, "delta": { "content": "" }, "finish_reason": "error" }],
        }),
        Provider::Moonshot | Provider::Kimi => {
            json!({ "error": { "message": "The server had an error while processing your request", "type": "server_error" } })
        }
    };
    SseEvent::data(EventKind::Other, &value)
}

struct ChunkWriter<'a> {
    exchange: &'a ResponseContext,
    fingerprint: String,
}

impl ChunkWriter<'_> {
    /// Role, reasoning, text, calls, finish with the usage inside the choice, usage if requested, `[DONE]`.
    fn kimi_events(&self, answer: &SimulatedAnswer, wants_usage: bool) -> Vec<SseEvent> {
        let usage = usage_object(self.exchange, &answer.usage);
        let mut events =
            vec![self.delta_event(EventKind::Role, json!({ "role": "assistant", "content": "" }))];
        for piece in split_text(&answer.reasoning) {
            events.push(self.delta_event(EventKind::Content, json!({ "reasoning_content": piece })));
        }
        for piece in split_text(&answer.text) {
            events.push(self.delta_event(EventKind::Content, json!({ "content": piece })));
        }
        self.push_tool_calls(answer, &mut events, None);
        let finish =
            json!({ "index": 0, "delta": {}, "finish_reason": answer.finish_reason, "usage": usage });
        events.push(self.chunk_event(EventKind::Finish, finish));
        if wants_usage {
            let value = json!({
                "id": self.exchange.id,
                "object": "chat.completion.chunk",
                "created": self.exchange.created,
                "model": self.exchange.echoed_model,
                "choices": [],
                "usage": usage,
            });
            events.push(SseEvent::data(EventKind::Usage, &value));
        }
        events.push(SseEvent::done());
        events
    }

    /// Comments first; every delta repeats the role; the finish comes twice, the second time with the usage.
    fn openrouter_events(&self, answer: &SimulatedAnswer) -> Vec<SseEvent> {
        let mut events = vec![SseEvent::processing(), SseEvent::processing()];
        events.push(self.delta_event(EventKind::Role, json!({ "role": "assistant", "content": "" })));
        for piece in split_text(&answer.reasoning) {
            let delta = json!({
                "role": "assistant",
                "content": "",
                "reasoning": piece,
                "reasoning_details": [reasoning_detail(piece)],
            });
            events.push(self.delta_event(EventKind::Content, delta));
        }
        for (index, piece) in split_text(&answer.text).into_iter().enumerate() {
            if index % 16 == 3 {
                events.push(SseEvent::processing());
            }
            events
                .push(self.delta_event(EventKind::Content, json!({ "role": "assistant", "content": piece })));
        }
        self.push_tool_calls(answer, &mut events, Some("assistant"));
        let closing = json!({
            "index": 0,
            "delta": { "role": "assistant", "content": "" },
            "finish_reason": answer.finish_reason,
            "native_finish_reason": answer.finish_reason,
            "logprobs": null,
        });
        events.push(self.chunk_event(EventKind::Finish, closing.clone()));
        let mut last = self.envelope(closing);
        if let Some(members) = last.as_object_mut() {
            members.insert("usage".into(), usage_object(self.exchange, &answer.usage));
        }
        events.push(SseEvent::data(EventKind::Usage, &last));
        events.push(SseEvent::done());
        events
    }

    /// Each call opens with id, name and empty arguments; the arguments follow in pieces.
    fn push_tool_calls(&self, answer: &SimulatedAnswer, events: &mut Vec<SseEvent>, role: Option<&str>) {
        let mut push = |fragment: Value| {
            let mut delta = Map::new();
            if let Some(role) = role {
                delta.insert("role".into(), role.into());
                delta.insert("content".into(), Value::Null);
            }
            delta.insert("tool_calls".into(), json!([fragment]));
            events.push(self.delta_event(EventKind::Content, Value::Object(delta)));
        };
        for (index, call) in answer.calls.iter().enumerate() {
            push(json!({
                "index": index,
                "id": call.id,
                "type": tool_call_type(&call.name),
                "function": { "name": call.name, "arguments": "" },
            }));
            for piece in split_text(&call.arguments) {
                push(json!({ "index": index, "function": { "arguments": piece } }));
            }
        }
    }

    fn delta_event(&self, kind: EventKind, delta: Value) -> SseEvent {
        let choice = match self.exchange.provider {
            Provider::OpenRouter => json!({
                "index": 0,
                "delta": delta,
                "finish_reason": null,
                "native_finish_reason": null,
                "logprobs": null,
            }),
            Provider::Moonshot | Provider::Kimi => {
                json!({ "index": 0, "delta": delta, "finish_reason": null })
            }
        };
        self.chunk_event(kind, choice)
    }

    fn chunk_event(&self, kind: EventKind, choice: Value) -> SseEvent {
        SseEvent::data(kind, &self.envelope(choice))
    }

    fn envelope(&self, choice: Value) -> Value {
        let ResponseContext { id, created, echoed_model: shown, model, .. } = self.exchange;
        match self.exchange.provider {
            Provider::OpenRouter => json!({
                "id": id,
                "provider": model.vendor,
                "model": shown,
                "object": "chat.completion.chunk",
                "created": created,
                "choices": [choice],
                "system_fingerprint": null,
            }),
            Provider::Moonshot | Provider::Kimi => json!({
                "id": id,
                "object": "chat.completion.chunk",
                "created": created,
                "model": shown,
                "choices": [choice],
                "system_fingerprint": self.fingerprint,
            }),
        }
    }
}

fn fingerprint(exchange: &ResponseContext) -> String {
    let hash = fnv1a_hash(exchange.model.id) & 0xffff_ffff;
    format!("fpv0_{hash:08x}")
}
