//! The answer as server-sent events, in each provider's own order.

use serde_json::{Map, Value, json};

use super::response;
use crate::simulator::engine::ResponseContext;
use crate::simulator::engine::answer::{self, SimulatedAnswer};
use crate::simulator::engine::event::{EventKind, SseEvent, split_text};
use crate::simulator::engine::request::EngineRequest;
use crate::simulator::provider::Provider;

/// All events of the answer.
pub(in crate::simulator) fn response_events(
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
pub(in crate::simulator) fn error_event(exchange: &ResponseContext) -> SseEvent {
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
        let usage = response::usage_object(self.exchange, &answer.usage);
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
                "reasoning_details": [response::reasoning_detail(piece)],
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
            members.insert("usage".into(), response::usage_object(self.exchange, &answer.usage));
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
                "type": response::tool_call_type(&call.name),
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
    let hash = answer::fnv1a_hash(exchange.model.id) & 0xffff_ffff;
    format!("fpv0_{hash:08x}")
}
