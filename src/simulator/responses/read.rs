//! A Responses request in the engine's shape. What it does not understand it hands on, for the rules to refuse.

use serde_json::{Map, Value, json};

use crate::simulator::engine::request::list;

/// Members that mean the same and are called the same.
const SAME: [&str; 9] = [
    "model",
    "stream",
    "temperature",
    "top_p",
    "provider",
    "models",
    "user",
    "presence_penalty",
    "frequency_penalty",
];

/// The body of a chat request that says the same.
pub(in crate::simulator) fn chat(sent: &Value) -> Value {
    let mut body = Map::new();
    for key in SAME {
        body.extend(sent.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    body.insert("messages".into(), Value::Array(messages(sent)));
    let renamed = [
        ("max_tokens", sent.get("max_output_tokens").cloned()),
        ("tools", sent.get("tools").map(|tools| list(Some(tools)).iter().map(tool).collect())),
        ("tool_choice", sent.get("tool_choice").map(tool_choice)),
        ("reasoning", sent.get("reasoning").cloned()),
        ("reasoning_effort", sent.pointer("/reasoning/effort").cloned()),
        ("response_format", sent.pointer("/text/format").map(format)),
    ];
    body.extend(renamed.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Value::Object(body)
}

fn messages(sent: &Value) -> Vec<Value> {
    let mut turns = Turns::default();
    if let Some(instructions) = sent.get("instructions").filter(|value| !value.is_null()) {
        turns.done.push(json!({ "role": "system", "content": instructions }));
    }
    if let Some(text) = sent.get("input").and_then(Value::as_str) {
        turns.done.push(json!({ "role": "user", "content": text }));
    }
    list(sent.get("input")).iter().for_each(|item| turns.item(item));
    turns.close();
    turns.done
}

/// Items become messages: reasoning, text and calls that stand side by side are one message of the assistant.
#[derive(Default)]
struct Turns {
    done: Vec<Value>,
    open: Option<Assistant>,
}

#[derive(Default)]
struct Assistant {
    reasoning: String,
    text: Option<String>,
    calls: Vec<Value>,
}

impl Turns {
    fn item(&mut self, item: &Value) {
        let said = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        match (said("type"), said("role")) {
            ("" | "message", "assistant") => {
                if self.open.as_ref().is_some_and(|open| open.text.is_some() || !open.calls.is_empty()) {
                    self.close();
                }
                let text = texts(item.get("content"));
                self.open.get_or_insert_default().text = Some(text);
            }
            ("reasoning", _) => {
                self.close();
                let thought = [texts(item.get("summary")), texts(item.get("content"))].concat();
                self.open.get_or_insert_default().reasoning = thought;
            }
            ("function_call", _) => self.open.get_or_insert_default().calls.push(json!({
                "id": item.get("call_id"),
                "type": "function",
                "function": { "name": item.get("name"), "arguments": item.get("arguments") },
            })),
            ("function_call_output", _) => {
                self.close();
                let output = item.get("output").map_or(Value::Null, content);
                let message =
                    json!({ "role": "tool", "tool_call_id": item.get("call_id"), "content": output });
                self.done.push(message);
            }
            ("" | "message", role) => {
                self.close();
                let role = if role == "developer" { "system" } else { role };
                let content = item.get("content").map_or(Value::Null, content);
                self.done.push(json!({ "role": role, "content": content }));
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        let Some(Assistant { reasoning, text, calls }) = self.open.take() else { return };
        if text.is_none() && calls.is_empty() {
            return;
        }
        let mut message = json!({ "role": "assistant", "content": text });
        if let Some(members) = message.as_object_mut() {
            if !reasoning.is_empty() {
                members.insert("reasoning_content".into(), reasoning.into());
            }
            if !calls.is_empty() {
                members.insert("tool_calls".into(), calls.into());
            }
        }
        self.done.push(message);
    }
}

/// A string, or the texts of its parts.
fn texts(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        parts => list(parts).iter().filter_map(|part| part.get("text")?.as_str()).collect(),
    }
}

fn content(content: &Value) -> Value {
    let Some(parts) = content.as_array() else { return content.clone() };
    parts.iter().map(part).collect()
}

fn part(part: &Value) -> Value {
    match part.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text") => json!({ "type": "text", "text": part.get("text") }),
        Some("input_image") => json!({ "type": "image_url", "image_url": { "url": part.get("image_url") } }),
        _ => part.clone(),
    }
}

fn tool(tool: &Value) -> Value {
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        return tool.clone();
    }
    let mut function = Map::new();
    for key in ["name", "description", "parameters"] {
        function.extend(tool.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    json!({ "type": "function", "function": function })
}

fn tool_choice(choice: &Value) -> Value {
    match choice.get("name") {
        Some(name) => json!({ "type": "function", "function": { "name": name } }),
        None => choice.clone(),
    }
}

fn format(format: &Value) -> Value {
    json!({ "type": format.get("type"), "json_schema": { "name": format.get("name"), "schema": format.get("schema") } })
}
