//! A Messages request in the engine's shape. Unsupported parts are passed on, for the rules to refuse.

use serde_json::{Map, Value, json};

use crate::simulator::engine::request::list;

/// Members that mean the same and are called the same.
const SHARED_FIELDS: [&str; 9] =
    ["model", "max_tokens", "temperature", "top_p", "stream", "provider", "models", "user", "reasoning"];

/// The body of the equivalent chat request.
pub(in crate::simulator) fn to_chat_request(sent: &Value) -> Value {
    let mut body = Map::new();
    for key in SHARED_FIELDS {
        body.extend(sent.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    body.insert("messages".into(), Value::Array(to_chat_messages(sent)));
    let renamed = [
        ("tools", sent.get("tools").map(|tools| list(Some(tools)).iter().map(to_chat_tool).collect())),
        ("stop", sent.get("stop_sequences").cloned()),
        ("tool_choice", sent.get("tool_choice").and_then(to_chat_tool_choice)),
        ("thinking", sent.get("thinking").and_then(to_chat_thinking)),
        ("reasoning_effort", sent.pointer("/output_config/effort").cloned()),
        ("response_format", sent.pointer("/output_config/format").map(to_response_format)),
    ];
    body.extend(renamed.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Value::Object(body)
}

fn to_chat_messages(sent: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    if let Some(system) = sent.get("system").filter(|system| !system.is_null()) {
        out.push(json!({ "role": "system", "content": to_content_parts(system) }));
    }
    for message in list(sent.get("messages")) {
        let content = message.get("content").unwrap_or(&Value::Null);
        match message.get("role").and_then(Value::as_str) {
            Some("user") => push_user_messages(content, &mut out),
            Some("assistant") => out.push(to_assistant_message(content)),
            _ => out.push(json!({ "role": message.get("role"), "content": self::to_content_parts(content) })),
        }
    }
    // This API does not mark the beginning of an answer: a conversation that ends with the assistant has one
    // (Anthropic's guide to prefill).
    if let Some(last) = out.last_mut()
        && last.get("role").and_then(Value::as_str) == Some("assistant")
        && last.get("tool_calls").is_none()
        && let Some(members) = last.as_object_mut()
    {
        members.insert("partial".into(), true.into());
    }
    out
}

/// Results first, and before the content of an earlier message of the same turn: Anthropic treats them as one
/// turn.
fn push_user_messages(blocks: &Value, out: &mut Vec<Value>) {
    let given = list(Some(blocks));
    let turn = out.iter().rposition(|message| message.get("role").and_then(Value::as_str) != Some("user"));
    let at = turn.map_or(0, |at| at + 1);
    let results = given.iter().filter(|block| is_tool_result(block)).map(|result| {
        let content = result.get("content").map_or(Value::Null, to_content_parts);
        json!({ "role": "tool", "tool_call_id": result.get("tool_use_id"), "content": content })
    });
    out.splice(at..at, results);
    if given.is_empty() || !given.iter().all(is_tool_result) {
        out.push(json!({ "role": "user", "content": to_content_parts(blocks) }));
    }
}

fn is_tool_result(block: &Value) -> bool {
    block.get("type").and_then(Value::as_str) == Some("tool_result")
}

fn to_assistant_message(blocks: &Value) -> Value {
    if !blocks.is_array() {
        return json!({ "role": "assistant", "content": blocks });
    }
    let mut message = json!({ "role": "assistant", "content": null });
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for block in list(Some(blocks)) {
        let said = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
        match said("type") {
            "text" => text.push_str(said("text")),
            "thinking" => thought.push_str(said("thinking")),
            "redacted_thinking" => thought.push_str(said("data")),
            "tool_use" => calls.push(json!({
                "id": block.get("id"),
                "type": "function",
                "function": {
                    "name": block.get("name"),
                    "arguments": block.get("input").unwrap_or(&Value::Null).to_string(),
                },
            })),
            _ => {}
        }
    }
    if let Some(members) = message.as_object_mut() {
        if !text.is_empty() {
            members.insert("content".into(), text.into());
        }
        if !thought.is_empty() {
            members.insert("reasoning_content".into(), thought.into());
        }
        if !calls.is_empty() {
            members.insert("tool_calls".into(), calls.into());
        }
    }
    message
}

/// Blocks as parts. One text alone stays a part: the providers take both forms.
fn to_content_parts(blocks: &Value) -> Value {
    let Some(blocks) = blocks.as_array() else { return blocks.clone() };
    blocks.iter().filter(|block| !is_tool_result(block)).map(to_content_part).collect()
}

fn to_content_part(block: &Value) -> Value {
    match block.get("type").and_then(Value::as_str) {
        Some("text") => json!({ "type": "text", "text": block.get("text") }),
        Some("image") => {
            let source = |key: &str| block.pointer(&format!("/source/{key}")).and_then(Value::as_str);
            let url = match source("type") {
                Some("base64") => format!(
                    "data:{};base64,{}",
                    source("media_type").unwrap_or_default(),
                    source("data").unwrap_or_default()
                ),
                _ => source("url").unwrap_or_default().to_owned(),
            };
            json!({ "type": "image_url", "image_url": { "url": url } })
        }
        _ => block.clone(),
    }
}

fn to_chat_tool(tool: &Value) -> Value {
    match tool.get("type").and_then(Value::as_str) {
        None | Some("custom") => {
            let mut function = json!({ "name": tool.get("name") });
            if let Some(members) = function.as_object_mut() {
                let given = [("description", "description"), ("parameters", "input_schema")];
                members.extend(
                    given.into_iter().filter_map(|(to, from)| Some((to.to_owned(), tool.get(from)?.clone()))),
                );
            }
            json!({ "type": "function", "function": function })
        }
        Some(_) => tool.clone(),
    }
}

fn to_chat_tool_choice(choice: &Value) -> Option<Value> {
    match choice.get("type").and_then(Value::as_str)? {
        "any" => Some("required".into()),
        "tool" => Some(json!({ "type": "function", "function": { "name": choice.get("name") } })),
        other => Some(other.into()),
    }
}

/// With `adaptive` the model decides how much to think; kimi-code 2.1 requests that from Kimi Code (captured
/// 2026-11-21).
fn to_chat_thinking(thinking: &Value) -> Option<Value> {
    let kind = match thinking.get("type").and_then(Value::as_str)? {
        "adaptive" => "enabled",
        other => other,
    };
    Some(json!({ "type": kind }))
}

fn to_response_format(format: &Value) -> Value {
    json!({ "type": format.get("type"), "json_schema": { "name": "output", "schema": format.get("schema") } })
}
