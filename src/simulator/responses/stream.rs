//! The response as server-sent events: named by OpenAI's rule, but for OpenRouter, which sends `data:` alone and closes
//! with `[DONE]` (its streams, recorded by anomalyco/opencode).

use serde_json::{Value, json};

use super::reply;
use crate::simulator::engine::Exchange;
use crate::simulator::engine::answer::Answer;
use crate::simulator::engine::event::{Event, Kind, pieces};
use crate::simulator::engine::request::Request;
use crate::simulator::provider::Provider;

/// All events of the answer.
pub(in crate::simulator) fn events(exchange: &Exchange, request: &Request, answer: &Answer) -> Vec<Event> {
    let brokered = exchange.provider == Provider::OpenRouter;
    let mut stream = Stream { events: Vec::new(), next: 0, brokered };
    if brokered {
        stream.events.extend([Event::processing(), Event::processing()]);
    }
    let opening = reply::opening(exchange, request);
    stream.push(Kind::Role, json!({ "type": "response.created", "response": opening }));
    stream.push(Kind::Frame, json!({ "type": "response.in_progress", "response": opening }));
    let items = reply::items(exchange, request, answer);
    for (index, item) in items.iter().enumerate() {
        stream.item(index, item);
    }
    let closing = reply::closing(exchange, request, answer, items);
    let kind = if answer.finish == "length" { "response.incomplete" } else { "response.completed" };
    stream.push(Kind::Done, json!({ "type": kind, "response": closing }));
    if brokered {
        stream.events.push(Event::done());
    }
    stream.events
}

/// An error in the middle of a stream: `response.failed` where the response was begun, else OpenAI's `error`.
pub(in crate::simulator) fn error_event(exchange: &Exchange, kept: &[Event]) -> Event {
    let message = match exchange.provider {
        Provider::OpenRouter => "Provider returned error",
        Provider::Moonshot | Provider::Kimi => "The server had an error while processing your request",
    };
    let sent: Vec<Value> = kept.iter().filter_map(payload).collect();
    let mut response = sent.iter().find_map(|event| event.get("response")).cloned();
    let members = response.as_mut().and_then(Value::as_object_mut);
    let value = match members {
        Some(members) => {
            members.insert("status".into(), "failed".into());
            members.insert("error".into(), json!({ "code": "server_error", "message": message }));
            json!({ "type": "response.failed", "response": response, "sequence_number": sent.len() })
        }
        None => json!({
            "type": "error",
            "code": "server_error",
            "message": message,
            "param": null,
            "sequence_number": sent.len(),
        }),
    };
    match exchange.provider {
        Provider::OpenRouter => Event::data(Kind::Foreign, &value),
        Provider::Moonshot | Provider::Kimi => Event::named(Kind::Foreign, &value),
    }
}

fn payload(event: &Event) -> Option<Value> {
    let data = event.text.lines().find_map(|line| line.strip_prefix("data: "))?;
    serde_json::from_str(data).ok()
}

struct Stream {
    events: Vec<Event>,
    next: u64,
    brokered: bool,
}

impl Stream {
    fn push(&mut self, kind: Kind, mut value: Value) {
        if let Some(members) = value.as_object_mut() {
            members.insert("sequence_number".into(), self.next.into());
        }
        self.next += 1;
        let event = if self.brokered { Event::data(kind, &value) } else { Event::named(kind, &value) };
        self.events.push(event);
    }

    fn item(&mut self, index: usize, item: &Value) {
        let mut begun = item.clone();
        if let Some(members) = begun.as_object_mut() {
            members.insert("status".into(), "in_progress".into());
            for list in ["content", "summary"] {
                if members.contains_key(list) {
                    members.insert(list.to_owned(), json!([]));
                }
            }
            members.shift_remove("encrypted_content");
            if members.contains_key("arguments") {
                members.insert("arguments".into(), "".into());
            }
        }
        self.push(
            Kind::Frame,
            json!({ "type": "response.output_item.added", "output_index": index, "item": begun }),
        );
        if item.get("type").and_then(Value::as_str) == Some("function_call") {
            self.call(index, item);
        } else {
            self.parts(index, item);
        }
        self.push(
            Kind::Frame,
            json!({ "type": "response.output_item.done", "output_index": index, "item": item }),
        );
    }

    fn call(&mut self, index: usize, item: &Value) {
        let arguments = item.get("arguments").and_then(Value::as_str).unwrap_or_default();
        let event = |kind: &str, key: &str, value: &str| json!({ "type": kind, "output_index": index, "item_id": item.get("id"), key: value });
        for piece in pieces(arguments) {
            self.push(Kind::Content, event("response.function_call_arguments.delta", "delta", piece));
        }
        self.push(Kind::Frame, event("response.function_call_arguments.done", "arguments", arguments));
    }

    /// The text of a message, of a summary or of reasoning: a part is opened, filled and closed.
    fn parts(&mut self, index: usize, item: &Value) {
        let summarised = item.pointer("/summary/0").is_some();
        let list = if summarised { "summary" } else { "content" };
        let Some(part) = item.get(list).and_then(|list| list.get(0)) else { return };
        let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
        let (frame, delta, at) = match part.get("type").and_then(Value::as_str) {
            Some("summary_text") => ("reasoning_summary_part", "reasoning_summary_text", "summary_index"),
            Some("reasoning_text") => ("content_part", "reasoning_text", "content_index"),
            _ => ("content_part", "output_text", "content_index"),
        };
        let event = |kind: String, key: &str, value: Value| json!({ "type": kind, "output_index": index, "item_id": item.get("id"), at: 0, key: value });
        let mut empty = part.clone();
        if let Some(members) = empty.as_object_mut() {
            members.insert("text".into(), "".into());
        }
        self.push(Kind::Frame, event(format!("response.{frame}.added"), "part", empty));
        for piece in pieces(text) {
            self.push(Kind::Content, event(format!("response.{delta}.delta"), "delta", piece.into()));
        }
        self.push(Kind::Frame, event(format!("response.{delta}.done"), "text", text.into()));
        self.push(Kind::Frame, event(format!("response.{frame}.done"), "part", part.clone()));
    }
}
