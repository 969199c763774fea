//! `response.created`; items, each with its parts; the response again, with all items. Every event is numbered.

use serde_json::{Value, json};

use super::{Received, escaped, events, unescaped};

pub(super) fn read(stream: &str) -> Received {
    let mut received = Received::default();
    let events = events(stream, &mut received);
    let mut reading = Reading {
        received,
        text: String::new(),
        open: None,
        done: Vec::new(),
        has_begun: false,
        ended: false,
    };
    for (at, (kind, event)) in events.iter().enumerate() {
        assert!(!reading.ended, "{kind} behind the end: {stream}");
        assert_eq!(event["sequence_number"], json!(at), "{kind}: {stream}");
        reading.take(kind, event).unwrap_or_else(|| panic!("{kind} out of its order: {event}\n{stream}"));
    }
    assert!(reading.ended, "no end: {stream}");
    Received { text: unescaped(&reading.text), ..reading.received }
}

struct Reading {
    received: Received,
    text: String,
    open: Option<Open>,
    /// The items that are done.
    done: Vec<Value>,
    has_begun: bool,
    ended: bool,
}

/// The open item.
struct Open {
    id: Value,
    kind: String,
    /// Of its open part, or of its arguments.
    text: String,
    in_part: bool,
}

impl Reading {
    fn take(&mut self, kind: &str, event: &Value) -> Option<()> {
        match kind {
            "response.created" if !self.has_begun => {
                let response = &event["response"];
                self.has_begun = true;
                self.received.roles += 1;
                self.received.ids.push(response["id"].as_str()?.to_owned());
                self.received.models.push(response["model"].as_str()?.to_owned());
                Some(())
            }
            "response.in_progress" if self.open.is_none() => Some(()),
            "response.output_item.added" => self.added(event),
            "response.output_item.done" => self.item_done(event),
            "response.completed" | "response.incomplete" if self.open.is_none() => {
                let response = &event["response"];
                assert_eq!(response["output"], json!(self.done), "{event}");
                assert_eq!(response["status"], json!(kind.strip_prefix("response.")), "{event}");
                self.received.finishes.push(response["status"].as_str()?.to_owned());
                self.received.usages.push(response["usage"].clone());
                self.end(response)
            }
            "response.failed" => {
                let response = &event["response"];
                assert_eq!(response["status"], "failed", "{event}");
                let output = response["output"].as_array()?;
                assert_eq!(output.len(), self.done.len() + usize::from(self.open.is_some()), "{event}");
                self.received.errors.push(response["error"]["message"].as_str()?.to_owned());
                self.end(response)
            }
            _ => self.within(kind, event),
        }
    }

    fn end(&mut self, response: &Value) -> Option<()> {
        assert_eq!(response["id"].as_str(), self.received.ids.last().map(String::as_str), "{response}");
        self.received.done += 1;
        self.ended = true;
        Some(())
    }

    fn added(&mut self, event: &Value) -> Option<()> {
        assert_eq!(event["output_index"], json!(self.done.len()), "{event}");
        let item = &event["item"];
        if item["type"] == "function_call" {
            self.received.calls.push((item["name"].as_str()?.to_owned(), String::new()));
        }
        let kind = item["type"].as_str()?.to_owned();
        let open = Open { id: item["id"].clone(), kind, text: String::new(), in_part: false };
        (self.has_begun && self.open.replace(open).is_none()).then_some(())
    }

    fn item_done(&mut self, event: &Value) -> Option<()> {
        let open = self.open.take()?;
        let item = &event["item"];
        assert_eq!((&item["id"], item["type"].as_str()), (&open.id, Some(&*open.kind)), "{event}");
        assert_eq!(event["output_index"], json!(self.done.len()), "{event}");
        match &*open.kind {
            "message" => assert_eq!(item["content"][0]["text"], json!(open.text), "{event}"),
            "function_call" => {
                assert_eq!(item["arguments"], json!(open.text), "{event}");
                assert!(serde_json::from_str::<Value>(&open.text).is_ok(), "half a call: {event}");
                self.received.calls.last_mut()?.1 = open.text;
            }
            _ => {}
        }
        self.done.push(item.clone());
        (!open.in_part).then_some(())
    }

    fn within(&mut self, kind: &str, event: &Value) -> Option<()> {
        let open = self.open.as_mut()?;
        assert_eq!(
            (&event["item_id"], &event["output_index"]),
            (&open.id, &json!(self.done.len())),
            "{event}"
        );
        let of = |item: &str, in_part: bool| open.kind == item && open.in_part == in_part;
        match kind {
            "response.content_part.added" if of("message", false) || of("reasoning", false) => {
                open.in_part = true;
                open.text.clear();
            }
            "response.output_text.delta" if of("message", true) => {
                open.text.push_str(event["delta"].as_str()?);
                self.text.push_str(&escaped(event["delta"].as_str()?));
            }
            "response.reasoning_text.delta" if of("reasoning", true) => {
                open.text.push_str(event["delta"].as_str()?);
                self.received.reasoning.push_str(event["delta"].as_str()?);
            }
            "response.output_text.done" if of("message", true) => {
                assert_eq!(event["text"], json!(open.text), "{event}");
            }
            "response.reasoning_text.done" if of("reasoning", true) => {
                assert_eq!(event["text"], json!(open.text), "{event}");
            }
            "response.content_part.done" if open.in_part => {
                assert_eq!(event["part"]["text"], json!(open.text), "{event}");
                open.in_part = false;
            }
            "response.function_call_arguments.delta" if of("function_call", false) => {
                open.text.push_str(event["delta"].as_str()?);
            }
            "response.function_call_arguments.done" if of("function_call", false) => {
                assert_eq!(event["arguments"], json!(open.text), "{event}");
            }
            _ => return None,
        }
        Some(())
    }
}
