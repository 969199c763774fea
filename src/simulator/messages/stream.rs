//! The message as server-sent events. Moonshot sends no `ping` and no `error` (live streams, written up).

use serde_json::{Value, json};

use super::{error, reply};
use crate::simulator::engine::Exchange;
use crate::simulator::engine::answer::Answer;
use crate::simulator::engine::event::{Event, Kind, pieces};
use crate::simulator::provider::Provider;
use crate::simulator::refusal::Refusal;

/// All events of the answer.
pub(in crate::simulator) fn events(exchange: &Exchange, answer: &Answer) -> Vec<Event> {
    let mut stream = Stream { events: Vec::new(), blocks: 0 };
    let brokered = exchange.provider == Provider::OpenRouter;
    if brokered {
        stream.events.extend([Event::processing(), Event::processing()]);
    }
    let opening = reply::opening(exchange, &answer.usage);
    stream.push(Kind::Role, &json!({ "type": "message_start", "message": opening }));
    if brokered {
        stream.push(Kind::Frame, &json!({ "type": "ping" }));
    }
    stream.thinking(exchange, &answer.reasoning);
    if !answer.text.is_empty() {
        let deltas =
            pieces(&answer.text).into_iter().map(|piece| json!({ "type": "text_delta", "text": piece }));
        stream.block(json!({ "type": "text", "text": "" }), deltas);
    }
    for call in &answer.calls {
        let block = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} });
        let deltas = pieces(&call.arguments);
        let deltas =
            deltas.into_iter().map(|piece| json!({ "type": "input_json_delta", "partial_json": piece }));
        stream.block(block, deltas);
    }
    let end = json!({
        "type": "message_delta",
        "delta": {
            "stop_reason": reply::stop_reason(exchange, answer),
            "stop_sequence": reply::stop_sequence(exchange, answer),
        },
        "usage": reply::usage(exchange, &answer.usage),
    });
    stream.push(Kind::Finish, &end);
    stream.push(Kind::Done, &json!({ "type": "message_stop" }));
    if brokered {
        stream.events.push(Event::done());
    }
    stream.events
}

/// An error in the middle of a stream: Anthropic's event, but for Moonshot, of which none was seen: a bare envelope, as
/// on its chat face.
pub(in crate::simulator) fn error_event(exchange: &Exchange) -> Event {
    let refusal = match exchange.provider {
        Provider::OpenRouter => Refusal::new(502, "", "Provider returned error"),
        Provider::Moonshot | Provider::Kimi => {
            Refusal::new(503, "overloaded_error", "The server had an error while processing your request")
        }
    };
    match error::body(exchange.provider, &refusal, &exchange.id) {
        Some(body) if exchange.provider != Provider::Moonshot => Event::named(Kind::Foreign, &body),
        _ => {
            let error = json!({ "message": refusal.message, "type": "server_error" });
            Event::data(Kind::Foreign, &json!({ "error": error }))
        }
    }
}

struct Stream {
    events: Vec<Event>,
    blocks: usize,
}

impl Stream {
    fn push(&mut self, kind: Kind, value: &Value) {
        self.events.push(Event::named(kind, value));
    }

    fn thinking(&mut self, exchange: &Exchange, reasoning: &str) {
        if reasoning.is_empty() {
            return;
        }
        let signature = reply::signature(exchange, reasoning);
        let deltas =
            pieces(reasoning).into_iter().map(|piece| json!({ "type": "thinking_delta", "thinking": piece }));
        let signed =
            (!signature.is_empty()).then(|| json!({ "type": "signature_delta", "signature": signature }));
        self.block(json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas.chain(signed));
    }

    fn block(&mut self, block: Value, deltas: impl Iterator<Item = Value>) {
        let index = self.blocks;
        self.blocks += 1;
        let start = json!({ "type": "content_block_start", "index": index, "content_block": block });
        self.push(Kind::Frame, &start);
        for delta in deltas {
            let delta = json!({ "type": "content_block_delta", "index": index, "delta": delta });
            self.push(Kind::Content, &delta);
        }
        self.push(Kind::Frame, &json!({ "type": "content_block_stop", "index": index }));
    }
}
