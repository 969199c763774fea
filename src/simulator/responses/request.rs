//! A Responses request in the engine's shape. Unsupported parts are passed on, for the rules to refuse.

use serde_json::{Map, Value, json};

use crate::simulator::engine::request::list;

/// Members that mean the same and are called the same.
const SHARED_FIELDS: [&str; 9] = [
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

/// The body of the equivalent chat request.
pub(in crate::simulator) fn to_chat_request(sent: &Value) -> Value {
    let mut body = Map::new();
    for key in SHARED_FIELDS {
        body.extend(sent.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    body.insert("messages".into(), Value::Array(to_chat_messages(sent)));
    let renamed = [
        ("max_tokens", sent.get("max_output_tokens").cloned()),
        ("tools", sent.get("tools").map(|tools| list(Some(tools)).iter().map(to_chat_tool).collect())),
        ("tool_choice", sent.get("tool_choice").map(to_chat_tool_choice)),
        ("reasoning", sent.get("reasoning").cloned()),
        ("reasoning_effort", sent.pointer("/reasoning/effort").cloned()),
        ("response_format", sent.pointer("/text/format").map(to_response_format)),
    ];
    body.extend(renamed.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Value::Object(body)
}

fn to_chat_messages(sent: &Value) -> Vec<Value> {
    let mut turns = MessageBuilder::default();
    if let Some(instructions) = sent.get("instructions").filter(|value| !value.is_null()) {
        turns.messages.push(json!({ "role": "system", "content": instructions }));
    }
    if let Some(text) = sent.get("input").and_then(Value::as_str) {
        turns.messages.push(json!({ "role": "user", "content": text }));
    }
    list(sent.get("input")).iter().for_each(|item| turns.push_item(item));
    turns.close_turn();
    turns.messages
}

/// Items become messages: reasoning, text and calls that stand side by side are one message of the assistant.
#[derive(Default)]
struct MessageBuilder {
    messages: Vec<Value>,
    assistant: Option<AssistantTurn>,
}

#[derive(Default)]
struct AssistantTurn {
    reasoning: String,
    text: Option<String>,
    calls: Vec<Value>,
}

impl MessageBuilder {
    fn push_item(&mut self, item: &Value) {
        let said = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        match (said("type"), said("role")) {
            ("" | "message", "assistant") => {
                if self.assistant.as_ref().is_some_and(|open| open.text.is_some() || !open.calls.is_empty()) {
                    self.close_turn();
                }
                let text = join_texts(item.get("content"));
                self.assistant.get_or_insert_default().text = Some(text);
            }
            ("reasoning", _) => {
                self.close_turn();
                let thought = [join_texts(item.get("summary")), join_texts(item.get("content"))].concat();
                self.assistant.get_or_insert_default().reasoning = thought;
            }
            ("function_call", _) => self.assistant.get_or_insert_default().calls.push(json!({
                "id": item.get("call_id"),
                "type": "function",
                "function": { "name": item.get("name"), "arguments": item.get("arguments") },
            })),
            ("function_call_output", _) => {
                self.close_turn();
                let output = item.get("output").map_or(Value::Null, to_content_parts);
                let message =
                    json!({ "role": "tool", "tool_call_id": item.get("call_id"), "content": output });
                self.messages.push(message);
            }
            ("" | "message", role) => {
                self.close_turn();
                let role = if role == "developer" { "system" } else { role };
                let content = item.get("content").map_or(Value::Null, to_content_parts);
                self.messages.push(json!({ "role": role, "content": content }));
            }
            _ => {}
        }
    }

    fn close_turn(&mut self) {
        let Some(AssistantTurn { reasoning, text, calls }) = self.assistant.take() else { return };
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
        self.messages.push(message);
    }
}

/// A string, or the texts of its parts.
fn join_texts(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        parts => list(parts).iter().filter_map(|part| part.get("text")?.as_str()).collect(),
    }
}

fn to_content_parts(content: &Value) -> Value {
    let Some(parts) = content.as_array() else { return content.clone() };
    parts.iter().map(to_content_part).collect()
}

fn to_content_part(part: &Value) -> Value {
    match part.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text") => json!({ "type": "text", "text": part.get("text") }),
        Some("input_image") => json!({ "type": "image_url", "image_url": { "url": part.get("image_url") } }),
        _ => part.clone(),
    }
}

fn to_chat_tool(tool: &Value) -> Value {
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        return tool.clone();
    }
    let mut function = Map::new();
    for key in ["name", "description", "parameters"] {
        function.extend(tool.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    json!({ "type": "function", "function": function })
}

fn to_chat_tool_choice(choice: &Value) -> Value {
    match choice.get("name") {
        Some(name) => json!({ "type": "function", "function": { "name": name } }),
        None => choice.clone(),
    }
}

fn to_response_format(format: &Value) -> Value {
    json!({ "type": format.get("type"), "json_schema": { "name": format.get("name"), "schema": format.get("schema") } })
}
