//! The answer as events of the Responses API.

use serde_json::json;

use super::{Sample, rest};

/// Events with their numbers, and the items that they make, as JSON.
#[derive(Default)]
struct Writing {
    events: Vec<String>,
    items: Vec<String>,
}

impl Writing {
    fn event(&mut self, kind: &str, members: &str) {
        let number = self.events.len();
        self.events.push(format!(
            "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{number},{members}}}\n\n"
        ));
    }

    /// An item of one part, whose pieces are escaped.
    fn item_of_deltas(&mut self, kind: &str, part: &str, delta: &str, pieces: &[String], beside: &str) {
        let index = self.items.len();
        let id = format!("i{index}");
        let item = |status: &str, content: &str| {
            format!(r#"{{"id":"{id}","type":"{kind}","status":"{status}"{beside},"content":[{content}]}}"#)
        };
        let place = format!(r#""item_id":"{id}","output_index":{index},"content_index":0"#);
        let part = |text: &str| format!(r#"{{"type":"{part}","text":"{text}","annotations":[]}}"#);
        let text = pieces.concat();
        let added = format!(r#""output_index":{index},"item":{}"#, item("in_progress", ""));
        self.event("response.output_item.added", &added);
        self.event("response.content_part.added", &format!("{place},\"part\":{}", part("")));
        for piece in pieces {
            self.event(&format!("response.{delta}.delta"), &format!("{place},\"delta\":\"{piece}\""));
        }
        self.event(&format!("response.{delta}.done"), &format!("{place},\"text\":\"{text}\""));
        self.event("response.content_part.done", &format!("{place},\"part\":{}", part(&text)));
        self.done(item("completed", &part(&text)));
    }

    fn call(&mut self, name: &str, arguments: &[&str]) {
        let index = self.items.len();
        let item = |arguments: &str, status: &str| {
            json!({"id": format!("i{index}"), "type": "function_call", "status": status, "name": name,
                "call_id": format!("{name}_{index}"), "arguments": arguments})
        };
        let added = format!(r#""output_index":{index},"item":{}"#, item("", "in_progress"));
        self.event("response.output_item.added", &added);
        let place = format!(r#""item_id":"i{index}","output_index":{index}"#);
        for piece in arguments {
            let delta = format!("{place},\"delta\":{}", json!(piece));
            self.event("response.function_call_arguments.delta", &delta);
        }
        let whole = arguments.concat();
        let done = format!("{place},\"arguments\":{}", json!(whole));
        self.event("response.function_call_arguments.done", &done);
        self.done(item(&whole, "completed").to_string());
    }

    fn done(&mut self, item: String) {
        let index = self.items.len();
        self.event("response.output_item.done", &format!(r#""output_index":{index},"item":{item}"#));
        self.items.push(item);
    }

    fn response(&mut self, kind: &str, id: &str, status: &str, usage: &str) {
        let head = format!(r#""id":"resp_{id}","object":"response","created_at":1,"status":"{status}""#);
        let items = if status == "in_progress" { String::new() } else { self.items.join(",") };
        let response = format!("{{{head},\"model\":\"m-{id}\",\"output\":[{items}],\"usage\":{usage}}}");
        self.event(kind, &format!("\"response\":{response}"));
    }
}

impl Sample {
    /// The events after `prefill`.
    pub(in super::super) fn responses(&self, id: &str, prefill: &str) -> Vec<String> {
        let mut writing = Writing::default();
        writing.response("response.created", id, "in_progress", "null");
        writing.response("response.in_progress", id, "in_progress", "null");
        if !self.reasoning.is_empty() {
            let pieces: Vec<String> = self.reasoning.iter().map(|piece| (*piece).to_owned()).collect();
            writing.item_of_deltas(
                "reasoning",
                "reasoning_text",
                "reasoning_text",
                &pieces,
                ",\"summary\":[]",
            );
        }
        let pieces = rest(self, prefill);
        if !pieces.is_empty() {
            writing.item_of_deltas(
                "message",
                "output_text",
                "output_text",
                &pieces,
                ",\"role\":\"assistant\"",
            );
        }
        for (name, arguments) in self.calls {
            writing.call(name, arguments);
        }
        let usage = r#"{"input_tokens":100,"output_tokens":40,"total_tokens":140}"#;
        writing.response("response.completed", id, "completed", usage);
        writing.events
    }
}
