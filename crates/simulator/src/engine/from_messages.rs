//! Requests of the Messages API, translated for the engine, which rejects unsupported parts.

use serde_json::{Value, json};

use crate::value::{list, pick, text};

/// Members that mean the same, with their names in both APIs.
const SHARED_FIELDS: [(&str, &str); 10] = [
    ("model", "model"),
    ("max_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("stream", "stream"),
    ("provider", "provider"),
    ("models", "models"),
    ("user", "user"),
    ("reasoning", "reasoning"),
    ("stop_sequences", "stop"),
];

/// The body of the equivalent chat request.
pub(crate) fn to_chat_request(sent: &Value) -> Value {
    let mut body: Value = pick(sent, SHARED_FIELDS).collect();
    body["messages"] = to_chat_messages(sent).into();
    if let Some(tools) = sent.get("tools") {
        body["tools"] = list(tools).iter().map(to_chat_tool).collect();
    }
    match sent["tool_choice"]["type"].as_str() {
        Some("any") => body["tool_choice"] = "required".into(),
        Some("tool") => {
            body["tool_choice"] =
                json!({ "type": "function", "function": { "name": sent["tool_choice"]["name"] } });
        }
        Some(other) => body["tool_choice"] = other.into(),
        None => {}
    }
    if let Some(kind) = sent["thinking"]["type"].as_str() {
        // With `adaptive` the model decides how much to think; kimi-code 2.1 requests that from Kimi Code
        // (captured 2026-11-21).
        body["thinking"] = json!({ "type": if kind == "adaptive" { "enabled" } else { kind } });
    }
    if let Some(effort) = sent["output_config"].get("effort") {
        body["reasoning_effort"] = effort.clone();
    }
    if let Some(format) = sent["output_config"].get("format") {
        let schema = json!({ "name": "output", "schema": format["schema"] });
        body["response_format"] = json!({ "type": format["type"], "json_schema": schema });
    }
    body
}

fn to_chat_messages(sent: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    if !sent["system"].is_null() {
        out.push(json!({ "role": "system", "content": to_content_parts(&sent["system"]) }));
    }
    for message in list(&sent["messages"]) {
        let content = &message["content"];
        match message["role"].as_str() {
            Some("user") => push_user_messages(content, &mut out),
            Some("assistant") => out.push(to_assistant_message(content)),
            _ => out.push(json!({ "role": message["role"], "content": to_content_parts(content) })),
        }
    }
    // This API does not mark the beginning of an answer: a conversation that ends with the assistant has one
    // (Anthropic's guide to prefill).
    if let Some(last) = out.last_mut()
        && last["role"] == "assistant"
        && last["tool_calls"].is_null()
    {
        last["partial"] = true.into();
    }
    out
}

/// Results first, and before the content of an earlier message of the same turn: Anthropic treats them as one
/// turn.
fn push_user_messages(blocks: &Value, out: &mut Vec<Value>) {
    let given = list(blocks);
    let turn = out.iter().rposition(|message| message["role"] != "user");
    let at = turn.map_or(0, |at| at + 1);
    let results = given.iter().filter(|block| block["type"] == "tool_result").map(|result| {
        let content = to_content_parts(&result["content"]);
        json!({ "role": "tool", "tool_call_id": result["tool_use_id"], "content": content })
    });
    out.splice(at..at, results);
    if given.is_empty() || given.iter().any(|block| block["type"] != "tool_result") {
        out.push(json!({ "role": "user", "content": to_content_parts(blocks) }));
    }
}

fn to_assistant_message(blocks: &Value) -> Value {
    if !blocks.is_array() {
        return json!({ "role": "assistant", "content": blocks });
    }
    let (mut content, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
    for block in list(blocks) {
        match text(&block["type"]) {
            "text" => content.push_str(text(&block["text"])),
            "thinking" => reasoning.push_str(text(&block["thinking"])),
            "redacted_thinking" => reasoning.push_str(text(&block["data"])),
            "tool_use" => {
                let function = json!({ "name": block["name"], "arguments": block["input"].to_string() });
                calls.push(json!({ "id": block["id"], "type": "function", "function": function }));
            }
            _ => {}
        }
    }
    assistant_message(Some(content).filter(|content| !content.is_empty()), reasoning, calls)
}

/// A message of the assistant; reasoning and calls are left out where there are none.
pub(super) fn assistant_message(content: Option<String>, reasoning: String, calls: Vec<Value>) -> Value {
    let mut message = json!({ "role": "assistant", "content": content });
    if !reasoning.is_empty() {
        message["reasoning_content"] = reasoning.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    message
}

/// Blocks as parts. One text alone stays a part: the providers take both forms.
fn to_content_parts(blocks: &Value) -> Value {
    let Some(blocks) = blocks.as_array() else { return blocks.clone() };
    blocks.iter().filter(|block| block["type"] != "tool_result").map(to_content_part).collect()
}

fn to_content_part(block: &Value) -> Value {
    match text(&block["type"]) {
        "text" => json!({ "type": "text", "text": block["text"] }),
        "image" => {
            let source = |key: &str| text(&block["source"][key]);
            let url = match source("type") {
                "base64" => format!("data:{};base64,{}", source("media_type"), source("data")),
                _ => source("url").to_owned(),
            };
            json!({ "type": "image_url", "image_url": { "url": url } })
        }
        _ => block.clone(),
    }
}

fn to_chat_tool(tool: &Value) -> Value {
    if !matches!(tool["type"].as_str(), None | Some("custom")) {
        return tool.clone();
    }
    let names = [("name", "name"), ("description", "description"), ("input_schema", "parameters")];
    json!({ "type": "function", "function": pick(tool, names).collect::<Value>() })
}
