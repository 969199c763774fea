//! The message as server-sent events. Moonshot sends no `ping` and no `error` (live streams, documented).

use serde_json::{Value, json};

use super::{error, response};
use crate::simulator::engine::ResponseContext;
use crate::simulator::engine::answer::SimulatedAnswer;
use crate::simulator::engine::event::{EventKind, SseEvent, split_text};
use crate::simulator::error_response::ErrorResponse;
use crate::simulator::provider::Provider;

/// All events of the answer.
pub(in crate::simulator) fn response_events(
    exchange: &ResponseContext,
    answer: &SimulatedAnswer,
) -> Vec<SseEvent> {
    let mut stream = EventWriter { events: Vec::new(), blocks: 0 };
    let brokered = exchange.provider == Provider::OpenRouter;
    if brokered {
        stream.events.extend([SseEvent::processing(), SseEvent::processing()]);
    }
    let opening = response::initial_message(exchange, &answer.usage);
    stream.push(EventKind::Role, &json!({ "type": "message_start", "message": opening }));
    if brokered {
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
            "stop_reason": response::stop_reason(exchange, answer),
            "stop_sequence": response::stop_sequence(exchange, answer),
        },
        "usage": response::usage_object(exchange, &answer.usage),
    });
    stream.push(EventKind::Finish, &end);
    stream.push(EventKind::Done, &json!({ "type": "message_stop" }));
    if brokered {
        stream.events.push(SseEvent::done());
    }
    stream.events
}

/// An error in the middle of a stream: Anthropic's event, except for Moonshot. Moonshot's was not observed; it
/// is a bare envelope here, as on its Chat Completions API.
pub(in crate::simulator) fn error_event(exchange: &ResponseContext) -> SseEvent {
    let refusal = match exchange.provider {
        Provider::OpenRouter => ErrorResponse::new(502, "", "Provider returned error"),
        Provider::Moonshot | Provider::Kimi => ErrorResponse::new(
            503,
            "overloaded_error",
            "The server had an error while processing your request",
        ),
    };
    match error::error_body(exchange.provider, &refusal, &exchange.id) {
        Some(body) if exchange.provider != Provider::Moonshot => SseEvent::with_name(EventKind::Other, &body),
        _ => {
            let error = json!({ "message": refusal.message, "type": "server_error" });
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
        let signature = response::reasoning_signature(exchange, reasoning);
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
