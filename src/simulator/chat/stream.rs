//! The answer as server-sent events, in each provider's own order.

use serde_json::{Map, Value, json};

use super::reply;
use crate::simulator::engine::Exchange;
use crate::simulator::engine::answer::{self, Answer};
use crate::simulator::engine::event::{Event, Kind, pieces};
use crate::simulator::engine::request::Request;
use crate::simulator::provider::Provider;

/// All events of the answer.
pub(in crate::simulator) fn events(exchange: &Exchange, request: &Request, answer: &Answer) -> Vec<Event> {
    let chunks = Chunks { exchange, fingerprint: fingerprint(exchange) };
    match exchange.provider {
        Provider::Moonshot | Provider::Kimi => chunks.kimi(answer, request.wants_usage()),
        Provider::OpenRouter => chunks.openrouter(answer),
    }
}

/// An error in the middle of a 200 stream: OpenRouter's documented chunk; a bare envelope for the others, of which no report exists.
pub(in crate::simulator) fn error_event(exchange: &Exchange) -> Event {
    let value = match exchange.provider {
        Provider::OpenRouter => json!({
            "id": exchange.id,
            "object": "chat.completion.chunk",
            "created": exchange.created,
            "model": exchange.shown,
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
    Event::data(Kind::Foreign, &value)
}

struct Chunks<'a> {
    exchange: &'a Exchange,
    fingerprint: String,
}

impl Chunks<'_> {
    /// Role, reasoning, text, calls, finish with the usage inside the choice, usage when asked for, `[DONE]`.
    fn kimi(&self, answer: &Answer, wants_usage: bool) -> Vec<Event> {
        let usage = reply::usage(self.exchange, &answer.usage);
        let mut events = vec![self.delta(Kind::Role, json!({ "role": "assistant", "content": "" }))];
        for piece in pieces(&answer.reasoning) {
            events.push(self.delta(Kind::Content, json!({ "reasoning_content": piece })));
        }
        for piece in pieces(&answer.text) {
            events.push(self.delta(Kind::Content, json!({ "content": piece })));
        }
        self.calls(answer, &mut events, None);
        let finish = json!({ "index": 0, "delta": {}, "finish_reason": answer.finish, "usage": usage });
        events.push(self.chunk(Kind::Finish, finish));
        if wants_usage {
            let value = json!({
                "id": self.exchange.id,
                "object": "chat.completion.chunk",
                "created": self.exchange.created,
                "model": self.exchange.shown,
                "choices": [],
                "usage": usage,
            });
            events.push(Event::data(Kind::Usage, &value));
        }
        events.push(Event::done());
        events
    }

    /// Comments first; every delta repeats the role; the finish comes twice, the second time with the usage.
    fn openrouter(&self, answer: &Answer) -> Vec<Event> {
        let mut events = vec![Event::processing(), Event::processing()];
        events.push(self.delta(Kind::Role, json!({ "role": "assistant", "content": "" })));
        for piece in pieces(&answer.reasoning) {
            let delta = json!({
                "role": "assistant",
                "content": "",
                "reasoning": piece,
                "reasoning_details": [reply::reasoning_detail(piece)],
            });
            events.push(self.delta(Kind::Content, delta));
        }
        for (index, piece) in pieces(&answer.text).into_iter().enumerate() {
            if index % 16 == 3 {
                events.push(Event::processing());
            }
            events.push(self.delta(Kind::Content, json!({ "role": "assistant", "content": piece })));
        }
        self.calls(answer, &mut events, Some("assistant"));
        let closing = json!({
            "index": 0,
            "delta": { "role": "assistant", "content": "" },
            "finish_reason": answer.finish,
            "native_finish_reason": answer.finish,
            "logprobs": null,
        });
        events.push(self.chunk(Kind::Finish, closing.clone()));
        let mut last = self.envelope(closing);
        if let Some(members) = last.as_object_mut() {
            members.insert("usage".into(), reply::usage(self.exchange, &answer.usage));
        }
        events.push(Event::data(Kind::Usage, &last));
        events.push(Event::done());
        events
    }

    /// Each call opens with id, name and empty arguments; the arguments follow in pieces.
    fn calls(&self, answer: &Answer, events: &mut Vec<Event>, role: Option<&str>) {
        let mut push = |fragment: Value| {
            let mut delta = Map::new();
            if let Some(role) = role {
                delta.insert("role".into(), role.into());
                delta.insert("content".into(), Value::Null);
            }
            delta.insert("tool_calls".into(), json!([fragment]));
            events.push(self.delta(Kind::Content, Value::Object(delta)));
        };
        for (index, call) in answer.calls.iter().enumerate() {
            push(json!({
                "index": index,
                "id": call.id,
                "type": reply::kind(&call.name),
                "function": { "name": call.name, "arguments": "" },
            }));
            for piece in pieces(&call.arguments) {
                push(json!({ "index": index, "function": { "arguments": piece } }));
            }
        }
    }

    fn delta(&self, kind: Kind, delta: Value) -> Event {
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
        self.chunk(kind, choice)
    }

    fn chunk(&self, kind: Kind, choice: Value) -> Event {
        Event::data(kind, &self.envelope(choice))
    }

    fn envelope(&self, choice: Value) -> Value {
        let Exchange { id, created, shown, model, .. } = self.exchange;
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

fn fingerprint(exchange: &Exchange) -> String {
    let hash = answer::fnv(exchange.model.id) & 0xffff_ffff;
    format!("fpv0_{hash:08x}")
}
