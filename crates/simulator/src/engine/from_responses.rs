//! Requests of the Responses API, translated for the engine, which rejects unsupported parts.

use serde_json::{Value, json};

use crate::engine::from_messages::assistant_message;
use crate::value::{list, pick, text};

/// Members that mean the same, with their names in both APIs.
const SHARED_FIELDS: [(&str, &str); 11] = [
    ("model", "model"),
    ("stream", "stream"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("provider", "provider"),
    ("models", "models"),
    ("user", "user"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("max_output_tokens", "max_tokens"),
    ("reasoning", "reasoning"),
];

/// The body of the equivalent chat request.
pub(crate) fn to_chat_request(sent: &Value) -> Value {
    let mut body: Value = pick(sent, SHARED_FIELDS).collect();
    body["messages"] = to_chat_messages(sent).into();
    if let Some(tools) = sent.get("tools") {
        body["tools"] = list(tools).iter().map(to_chat_tool).collect();
    }
    if let Some(choice) = sent.get("tool_choice") {
        body["tool_choice"] = match choice.get("name") {
            Some(name) => json!({ "type": "function", "function": { "name": name } }),
            None => choice.clone(),
        };
    }
    if let Some(effort) = sent["reasoning"].get("effort") {
        body["reasoning_effort"] = effort.clone();
    }
    if let Some(format) = sent["text"].get("format") {
        let schema = json!({ "name": format["name"], "schema": format["schema"] });
        body["response_format"] = json!({ "type": format["type"], "json_schema": schema });
    }
    body
}

fn to_chat_messages(sent: &Value) -> Vec<Value> {
    let mut builder = MessageBuilder::default();
    if !sent["instructions"].is_null() {
        builder.messages.push(json!({ "role": "system", "content": sent["instructions"] }));
    }
    if let Some(text) = sent["input"].as_str() {
        builder.messages.push(json!({ "role": "user", "content": text }));
    }
    list(&sent["input"]).iter().for_each(|item| builder.push_item(item));
    builder.close_turn();
    builder.messages
}

/// Items become messages: adjacent reasoning, text and calls are one message of the assistant.
#[derive(Default)]
struct MessageBuilder {
    messages: Vec<Value>,
    reasoning: String,
    text: Option<String>,
    calls: Vec<Value>,
}

impl MessageBuilder {
    fn push_item(&mut self, item: &Value) {
        match (text(&item["type"]), text(&item["role"])) {
            ("" | "message", "assistant") => {
                if self.text.is_some() || !self.calls.is_empty() {
                    self.close_turn();
                }
                self.text = Some(join_texts(&item["content"]));
            }
            ("reasoning", _) => {
                self.close_turn();
                self.reasoning = join_texts(&item["summary"]) + &join_texts(&item["content"]);
            }
            ("function_call", _) => {
                let function = json!({ "name": item["name"], "arguments": item["arguments"] });
                self.calls.push(json!({ "id": item["call_id"], "type": "function", "function": function }));
            }
            ("function_call_output", _) => {
                self.close_turn();
                let output = to_content_parts(&item["output"]);
                let message = json!({ "role": "tool", "tool_call_id": item["call_id"], "content": output });
                self.messages.push(message);
            }
            ("" | "message", role) => {
                self.close_turn();
                let role = if role == "developer" { "system" } else { role };
                self.messages.push(json!({ "role": role, "content": to_content_parts(&item["content"]) }));
            }
            _ => {}
        }
    }

    /// Reasoning that nothing follows is dropped.
    fn close_turn(&mut self) {
        let Self { reasoning, text, calls, .. } = self;
        let (reasoning, text, calls) = (std::mem::take(reasoning), text.take(), std::mem::take(calls));
        if text.is_some() || !calls.is_empty() {
            self.messages.push(assistant_message(text, reasoning, calls));
        }
    }
}

/// A string, or the texts of its parts.
fn join_texts(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        parts => list(parts).iter().map(|part| text(&part["text"])).collect(),
    }
}

fn to_content_parts(content: &Value) -> Value {
    let Some(parts) = content.as_array() else { return content.clone() };
    let to_part = |part: &Value| match text(&part["type"]) {
        "input_text" | "output_text" => json!({ "type": "text", "text": part["text"] }),
        "input_image" => json!({ "type": "image_url", "image_url": { "url": part["image_url"] } }),
        _ => part.clone(),
    };
    parts.iter().map(to_part).collect()
}

fn to_chat_tool(tool: &Value) -> Value {
    if tool["type"] != "function" {
        return tool.clone();
    }
    let names = [("name", "name"), ("description", "description"), ("parameters", "parameters")];
    json!({ "type": "function", "function": pick(tool, names).collect::<Value>() })
}
