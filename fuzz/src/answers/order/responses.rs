//! OpenAI Responses.

use serde_json::Value;

use super::{Ending, number, text};

/// The state derived from the events so far.
#[derive(Default)]
struct Reported {
    id: Value,
    done: Vec<Value>,
    open: Option<Open>,
}

struct Open {
    item: Value,
    parts: Vec<Value>,
    part: Option<Value>,
    text: String,
    /// The event that ends the text was received.
    ended: bool,
}

pub(super) fn check(events: &[(String, Value)], ending: Ending) {
    for (at, (_, event)) in events.iter().enumerate() {
        assert_eq!(number(event, "sequence_number"), at as u64, "{event}");
    }
    let [(created, first), middle @ .., (last, end)] = events else { panic!("a stream begins and ends") };
    assert_eq!(created, "response.created");
    let mut reported = Reported { id: first["response"]["id"].clone(), ..Reported::default() };
    check_response(&first["response"], "in_progress");
    for (at, (kind, event)) in middle.iter().enumerate() {
        if kind == "response.in_progress" {
            assert_eq!((at, &event["response"]), (0, &first["response"]));
        } else {
            reported.take(kind, event);
        }
    }
    let response = &end["response"];
    assert_eq!(response["id"], reported.id);
    if ending == Ending::Broken {
        assert_eq!(last, "response.failed");
        check_response(response, "failed");
        assert!(response["error"]["code"].is_string() && response["error"]["message"].is_string());
        let output = response["output"].as_array().expect("output");
        assert_eq!(output[..reported.done.len()], reported.done);
        let open = reported.open.map(|open| open.item["id"].clone());
        assert_eq!(
            output.get(reported.done.len()).map(|item| item["id"].clone()),
            open,
            "what was open is there"
        );
        return;
    }
    let status = last.strip_prefix("response.").expect("a response ends it");
    assert!(matches!(status, "completed" | "incomplete"), "{status}");
    check_response(response, status);
    assert_eq!(response["incomplete_details"].is_object(), status == "incomplete");
    assert!(reported.open.is_none(), "everything is closed");
    assert_eq!(response["output"], Value::Array(reported.done));
}

/// The members that the SDKs' type requires.
fn check_response(response: &Value, status: &str) {
    assert_eq!((text(response, "object").as_str(), text(response, "status").as_str()), ("response", status));
    assert!(text(response, "id").starts_with("resp_"));
    number(response, "created_at");
    text(response, "model");
    for key in ["output", "tools"] {
        assert!(response[key].is_array(), "{key}");
    }
    assert!(response["parallel_tool_calls"].is_boolean() && !response["tool_choice"].is_null());
}

impl Reported {
    fn take(&mut self, kind: &str, event: &Value) {
        if kind == "response.output_item.added" {
            assert!(self.open.is_none(), "items come one after the other: {event}");
            assert_eq!(number(event, "output_index"), self.done.len() as u64);
            let item = event["item"].clone();
            self.open = Some(Open { item, parts: Vec::new(), part: None, text: String::new(), ended: false });
            return;
        }
        assert_eq!(number(event, "output_index"), self.done.len() as u64, "{event}");
        if kind == "response.output_item.done" {
            let open = self.open.take().expect("an open item");
            open.check_done(&event["item"]);
            self.done.push(event["item"].clone());
            return;
        }
        let open = self.open.as_mut().expect("an open item");
        assert_eq!(event["item_id"], open.item["id"]);
        open.take(kind, event);
    }
}

impl Open {
    fn take(&mut self, kind: &str, event: &Value) {
        let index = event.get("content_index").or_else(|| event.get("summary_index"));
        match kind {
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                assert!(self.part.is_none(), "parts come one after the other");
                assert_eq!(index, Some(&Value::from(self.parts.len())));
                self.part = Some(event["part"].clone());
                self.text.clear();
                self.ended = false;
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                let part = self.part.take().expect("an open part");
                assert!(self.ended && part["type"] == event["part"]["type"]);
                assert_eq!(event["part"][text_key(&part)], self.text.as_str());
                self.parts.push(event["part"].clone());
            }
            _ => {
                let (what, step) = kind.rsplit_once('.').expect("a step");
                self.check_kind(what, index);
                assert!(!self.ended, "nothing follows the end of a text");
                match step {
                    "delta" => self.text.push_str(&text(event, "delta")),
                    "done" => {
                        let key =
                            ["text", "refusal", "arguments"].into_iter().find(|key| event.get(key).is_some());
                        assert_eq!(text(event, key.expect("the text")), self.text);
                        self.ended = true;
                    }
                    other => panic!("{other}"),
                }
            }
        }
    }

    fn check_kind(&self, what: &str, index: Option<&Value>) {
        let part = self.part.as_ref().map(|part| text(part, "type"));
        let wanted = match what {
            "response.output_text" => "output_text",
            "response.refusal" => "refusal",
            "response.reasoning_text" => "reasoning_text",
            "response.reasoning_summary_text" => "summary_text",
            "response.function_call_arguments" => {
                assert_eq!(self.item["type"], "function_call");
                return;
            }
            other => panic!("{other}"),
        };
        assert_eq!(part.as_deref(), Some(wanted));
        assert_eq!(index, Some(&Value::from(self.parts.len())));
    }

    fn check_done(&self, item: &Value) {
        assert!(self.part.is_none(), "its part is closed");
        for key in ["id", "type", "call_id", "name"] {
            assert_eq!(item.get(key), self.item.get(key), "{key} stays");
        }
        assert!(matches!(item["status"].as_str(), Some("completed" | "incomplete")));
        match text(item, "type").as_str() {
            "message" => assert_eq!(item["content"], Value::Array(self.parts.clone())),
            "reasoning" => {
                let key = if item.get("content").is_some() { "content" } else { "summary" };
                assert_eq!(item[key], Value::Array(self.parts.clone()));
            }
            "function_call" => {
                assert!(self.ended);
                assert_eq!(text(item, "arguments"), self.text);
                assert!((1..=64).contains(&text(item, "call_id").chars().count()));
            }
            other => panic!("{other}"),
        }
    }
}

fn text_key(part: &Value) -> &'static str {
    if part["type"] == "refusal" { "refusal" } else { "text" }
}
