//! OpenAI Responses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Call, Finish, Reply, Tokens, list, named, number, text};
use crate::common::api::events;

#[derive(Default)]
struct Reading {
    next: u64,
    response: Option<Value>,
    items: Vec<Item>,
    /// The last event of the answer came.
    ended: bool,
    reply: Reply,
}

/// An item that was added.
struct Item {
    id: String,
    kind: String,
    /// Its parts so far: of `content` or of `summary`.
    parts: Vec<Part>,
    arguments: String,
    done: Option<Value>,
}

struct Part {
    text: String,
    open: bool,
}

/// Numbers from 0 on without a gap, `response.created` first, items added and done one after the other, parts inside
/// them, the deltas' sum in each `done`, and the whole response in the last event.
pub(super) fn stream(text: &str) -> Reply {
    // OpenRouter closes its streams with it; the SDKs stop reading there.
    let text = text.strip_suffix("data: [DONE]\n\n").unwrap_or(text);
    let mut reading = Reading::default();
    for (kind, data) in events(text) {
        assert!(!reading.ended, "something behind the end: {data}");
        assert_eq!(number(&data["sequence_number"]), reading.next, "{data}");
        reading.next += 1;
        reading.take(&kind, &data);
    }
    assert!(reading.ended, "no response.completed");
    reading.reply
}

impl Reading {
    fn take(&mut self, kind: &str, data: &Value) {
        if kind == "error" {
            return self.fail(named(data, "message"));
        }
        assert_eq!(
            kind == "response.created",
            self.response.is_none(),
            "response.created is the first: {data}"
        );
        match kind {
            "response.created" => {
                check(&data["response"], "in_progress");
                self.response = Some(data["response"].clone());
            }
            "response.in_progress" => check(&data["response"], "in_progress"),
            "response.output_item.added" => self.added(data),
            "response.output_item.done" => self.done(data),
            "response.content_part.added" => self.part(data, "content_index"),
            "response.reasoning_summary_part.added" => self.part(data, "summary_index"),
            "response.content_part.done" => self.part_done(data, "content_index"),
            "response.reasoning_summary_part.done" => self.part_done(data, "summary_index"),
            "response.output_text.delta" | "response.refusal.delta" | "response.reasoning_text.delta" => {
                self.piece(data, "content_index");
            }
            "response.reasoning_summary_text.delta" => self.piece(data, "summary_index"),
            "response.output_text.done" | "response.reasoning_text.done" => self.said(data, "content_index"),
            "response.reasoning_summary_text.done" => self.said(data, "summary_index"),
            "response.function_call_arguments.delta" => {
                let piece = text(&data["delta"]);
                self.item(data).arguments.push_str(&piece);
            }
            "response.function_call_arguments.done" => {
                let whole = text(&data["arguments"]);
                assert_eq!(self.item(data).arguments, whole, "{data}");
            }
            "response.completed" => self.end(&data["response"], "completed"),
            "response.incomplete" => self.end(&data["response"], "incomplete"),
            "response.failed" => {
                let response = &data["response"];
                self.same(response);
                check(response, "failed");
                named(&response["error"], "code");
                self.fail(named(&response["error"], "message"));
            }
            other => panic!("{other} is no event that clients were promised: {data}"),
        }
    }

    fn added(&mut self, data: &Value) {
        assert_eq!(number(&data["output_index"]), self.items.len() as u64, "{data}");
        assert!(self.items.iter().all(|item| item.done.is_some()), "the item before is open: {data}");
        let item = &data["item"];
        let id = named(item, "id");
        assert!(self.items.iter().all(|other| other.id != id), "the id {id} again");
        match item["type"].as_str().unwrap() {
            "message" => assert_eq!((&item["role"], &item["content"]), (&json!("assistant"), &json!([]))),
            "function_call" => assert_eq!(item["arguments"], "", "{data}"),
            "reasoning" => assert_eq!(item["summary"], json!([]), "{data}"),
            other => panic!("an item of the type {other}: {data}"),
        }
        self.items.push(Item {
            id,
            kind: named(item, "type"),
            parts: Vec::new(),
            arguments: String::new(),
            done: None,
        });
    }

    /// The open item that an event is about.
    fn item(&mut self, data: &Value) -> &mut Item {
        assert_eq!(number(&data["output_index"]) + 1, self.items.len() as u64, "{data}");
        let item = self.items.last_mut().unwrap();
        assert_eq!(data["item_id"], json!(item.id), "{data}");
        assert!(item.done.is_none(), "the item is done: {data}");
        item
    }

    fn part(&mut self, data: &Value, index: &str) {
        let item = self.item(data);
        assert_eq!(number(&data[index]), item.parts.len() as u64, "{data}");
        assert_eq!(data["part"]["text"], "", "{data}");
        item.parts.push(Part { text: String::new(), open: true });
    }

    fn open_part(&mut self, data: &Value, index: &str) -> &mut Part {
        let item = self.item(data);
        assert_eq!(number(&data[index]) + 1, item.parts.len() as u64, "{data}");
        let part = item.parts.last_mut().unwrap();
        assert!(part.open, "the part is done: {data}");
        part
    }

    fn piece(&mut self, data: &Value, index: &str) {
        let piece = text(&data["delta"]);
        self.open_part(data, index).text.push_str(&piece);
    }

    fn said(&mut self, data: &Value, index: &str) {
        let whole = text(&data["text"]);
        assert_eq!(self.open_part(data, index).text, whole, "{data}");
    }

    fn part_done(&mut self, data: &Value, index: &str) {
        let whole = text(&data["part"]["text"]);
        let part = self.open_part(data, index);
        assert_eq!(part.text, whole, "{data}");
        part.open = false;
    }

    fn done(&mut self, data: &Value) {
        assert_eq!(number(&data["output_index"]) + 1, self.items.len() as u64, "{data}");
        let item = self.items.last_mut().unwrap();
        let reported = &data["item"];
        assert_eq!(reported["id"], json!(item.id), "{data}");
        assert!(item.done.is_none() && item.parts.iter().all(|part| !part.open), "a part is open: {data}");
        let texts: String = item.parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(texts, said(reported), "{data}");
        if reported["type"] == "function_call" {
            assert_eq!(reported["arguments"], json!(item.arguments), "{data}");
        }
        item.done = Some(reported.clone());
    }

    /// The answer ends here; what was received until now is valid.
    fn fail(&mut self, message: String) {
        self.reply.error = Some(message);
        self.ended = true;
        for item in &self.items {
            let texts = item.parts.iter().map(|part| part.text.as_str());
            match item.kind.as_str() {
                "message" => self.reply.text.extend(texts),
                "reasoning" => self.reply.reasoning.extend(texts),
                _ => {}
            }
        }
    }

    fn same(&self, response: &Value) {
        assert_eq!(response["id"], self.response.as_ref().unwrap()["id"], "the id changed");
    }

    fn end(&mut self, response: &Value, status: &str) {
        self.same(response);
        let items: Vec<Value> =
            self.items.iter().map(|item| item.done.clone().expect("it is done")).collect();
        assert_eq!(response["output"], json!(items), "the response at the end has the items that were done");
        let reply = read(response, status);
        self.reply = reply;
        self.ended = true;
    }
}

/// A response that is complete.
pub(super) fn whole(body: &Value) -> Reply {
    let status = body["status"].as_str().unwrap_or_default();
    assert!(matches!(status, "completed" | "incomplete"), "{body}");
    read(body, status)
}

fn read(response: &Value, status: &str) -> Reply {
    check(response, status);
    let items = list(&response["output"]);
    let ids: BTreeSet<String> = items.iter().map(|item| named(item, "id")).collect();
    assert_eq!(ids.len(), items.len(), "{response}");
    let mut reply =
        Reply { turn: items.to_vec(), finish_word: status.to_owned(), usages: 1, ..Reply::default() };
    for item in items {
        match item["type"].as_str().unwrap() {
            "message" => reply.text.push_str(&said(item)),
            "reasoning" => reply.reasoning.push_str(&said(item)),
            "function_call" => reply.calls.push(Call {
                id: named(item, "call_id"),
                name: named(item, "name"),
                arguments: text(&item["arguments"]),
            }),
            other => panic!("an item of the type {other}: {item}"),
        }
    }
    reply.finish = Some(match (status, response["incomplete_details"]["reason"].as_str()) {
        ("completed", _) if !reply.calls.is_empty() => Finish::Calls,
        ("completed", _) => Finish::Stop,
        (_, Some("max_output_tokens")) => Finish::Length,
        _ => Finish::Other,
    });
    reply.tokens = Some(tokens(&response["usage"]));
    reply
}

/// The text of an item, at any depth.
fn said(item: &Value) -> String {
    let parts = list(&item["summary"]).iter().chain(list(&item["content"]));
    parts.map(|part| text(&part["text"])).collect()
}

/// The required fields of the SDKs' type `Response`.
fn check(response: &Value, status: &str) {
    assert_eq!(
        (&response["object"], &response["status"]),
        (&json!("response"), &json!(status)),
        "{response}"
    );
    named(response, "id");
    named(response, "model");
    number(&response["created_at"]);
    for key in ["error", "incomplete_details", "instructions", "metadata", "temperature", "top_p", "usage"] {
        assert!(response.get(key).is_some(), "{key} is missing: {response}");
    }
    assert!(response["parallel_tool_calls"].is_boolean() && response["tools"].is_array(), "{response}");
    assert!(!response["tool_choice"].is_null() && response["output"].is_array(), "{response}");
    assert_eq!(response["error"].is_null(), status != "failed", "{response}");
}

fn tokens(usage: &Value) -> Tokens {
    let (input, output) = (number(&usage["input_tokens"]), number(&usage["output_tokens"]));
    assert_eq!(number(&usage["total_tokens"]), input + output, "{usage}");
    let cached = number(&usage["input_tokens_details"]["cached_tokens"]);
    assert!(cached <= input && usage["output_tokens_details"]["reasoning_tokens"].is_u64(), "{usage}");
    Tokens { input, cached, output }
}
