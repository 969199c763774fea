//! The parts of a conversation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Stand;
use crate::common::{Api, Finish, Reply};

/// One dot, PNG.
const IMAGE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// The result of each tool.
const RESULTS: [(&str, &str); 2] = [("get_weather", "sunny, 21 degrees"), ("get_time", "half past nine")];

impl Stand {
    /// A text is answered with a text.
    pub(super) async fn text(&self, stream: bool) -> String {
        let reply = self.own(&self.prompt("Say hello to the moon", stream)).await;
        assert!(reply.text.contains("Say hello to the moon"), "{reply:?}");
        assert_eq!((reply.finish, reply.calls.len()), (Some(Finish::Stop), 0), "{reply:?}");
        self.word().await
    }

    /// Tools are called, and their results come back to the model.
    pub(super) async fn tools(&self, names: &[&str], stream: bool) -> String {
        let mut body = self.prompt(&asking(names), stream);
        self.offer(&mut body);
        let called = self.own(&body).await;
        let reported: Vec<&str> = called.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(reported, names, "{called:?}");
        let ids: BTreeSet<&str> = called.calls.iter().map(|call| call.id.as_str()).collect();
        assert_eq!(ids.len(), names.len(), "{called:?}");
        for call in &called.calls {
            assert!(call.parsed()["city"].is_string(), "{called:?}");
            assert!(self.column.speaks(self.client) || call.fits(self.client), "{called:?}");
        }
        self.answer(&mut body, &called);
        let reply = self.own(&body).await;
        for (name, result) in RESULTS.iter().filter(|(name, _)| names.contains(name)) {
            assert!(reply.text.contains(result), "{name}: {reply:?}");
        }
        assert_eq!((reply.finish, reply.calls.len()), (Some(Finish::Stop), 0), "{reply:?}");
        self.word().await
    }

    /// An image reaches the provider, byte for byte.
    pub(super) async fn image(&self, stream: bool) -> String {
        let url = format!("data:image/png;base64,{IMAGE}");
        let text = "What colour is the dot?";
        let content = match self.client {
            Api::Chat => json!([
                { "type": "text", "text": text }, { "type": "image_url", "image_url": { "url": url } },
            ]),
            Api::Messages => json!([
                { "type": "text", "text": text },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": IMAGE } },
            ]),
            Api::Responses => json!([
                { "type": "input_text", "text": text }, { "type": "input_image", "image_url": url },
            ]),
        };
        let mut body = self.prompt(text, stream);
        body[self.list()][0]["content"] = content;
        let reply = self.own(&body).await;
        assert!(reply.text.contains(text), "{reply:?}");
        let asked = self.asked().await;
        let seen = asked.iter().all(|request| request["body"].as_str().unwrap().contains(IMAGE));
        assert!(seen, "the provider sees the image: {asked:?}");
        self.word().await
    }

    /// Thinking reaches the client, and the next request brings it back to the provider.
    pub(super) async fn thinking(&self, stream: bool) -> String {
        let mut body = self.prompt(&asking(&["get_weather"]), stream);
        self.offer(&mut body);
        match self.client {
            Api::Chat => body["reasoning_effort"] = json!("high"),
            Api::Messages => body["thinking"] = json!({ "type": "enabled", "budget_tokens": 2048 }),
            Api::Responses => {
                body["reasoning"] = json!({ "effort": "high", "summary": "auto" });
                body["include"] = json!(["reasoning.encrypted_content"]);
                body["store"] = json!(false);
            }
        }
        let called = self.own(&body).await;
        assert!(called.reasoning.contains("get_weather"), "the client sees it: {called:?}");
        self.upstream.forget().await;
        self.answer(&mut body, &called);
        let reply = self.own(&body).await;
        assert!(!reply.reasoning.is_empty() && reply.text.contains("sunny"), "{reply:?}");
        let asked = self.asked().await;
        let replays = |request: &Value| request["body"].as_str().unwrap().contains(&called.reasoning);
        assert!(asked.iter().all(replays), "the provider sees its own thinking again: {asked:?}");
        self.word().await
    }

    /// A request without tools.
    pub(super) fn prompt(&self, text: &str, stream: bool) -> Value {
        let mut body = self.client.prompt(&self.column.reference(), text, stream);
        let members = body.as_object_mut().unwrap();
        members.remove("tools");
        if !stream {
            members.remove("stream_options");
        }
        body
    }

    const fn list(&self) -> &'static str {
        match self.client {
            Api::Chat | Api::Messages => "messages",
            Api::Responses => "input",
        }
    }

    fn offer(&self, body: &mut Value) {
        let city = json!({
            "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"],
        });
        let tool = |name: &str| match self.client {
            Api::Chat => json!({ "type": "function", "function": { "name": name, "parameters": city } }),
            Api::Messages => json!({ "name": name, "input_schema": city }),
            Api::Responses => {
                json!({ "type": "function", "name": name, "parameters": city, "strict": false })
            }
        };
        body["tools"] = RESULTS.iter().map(|(name, _)| tool(name)).collect();
    }

    /// The model's turn, and the results of its calls.
    fn answer(&self, body: &mut Value, called: &Reply) {
        let of = |name: &str| RESULTS.iter().find(|(own, _)| *own == name).unwrap().1;
        let results = called.calls.iter().map(|call| match self.client {
            Api::Chat => json!({ "role": "tool", "tool_call_id": call.id, "content": of(&call.name) }),
            Api::Messages => {
                json!({ "type": "tool_result", "tool_use_id": call.id, "content": of(&call.name) })
            }
            Api::Responses => {
                json!({ "type": "function_call_output", "call_id": call.id, "output": of(&call.name) })
            }
        });
        let results: Vec<Value> = results.collect();
        let said = body[self.list()].as_array_mut().unwrap();
        said.extend(called.turn.iter().cloned());
        match self.client {
            Api::Messages => said.push(json!({ "role": "user", "content": results })),
            Api::Chat | Api::Responses => said.extend(results),
        }
    }
}

/// The simulator calls the tools that the prompt names.
fn asking(names: &[&str]) -> String {
    let calls: Vec<String> = names.iter().map(|name| format!("call {name} for Paris")).collect();
    format!("Please {}", calls.join(" and "))
}
