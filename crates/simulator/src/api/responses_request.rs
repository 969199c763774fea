//! Requests of the Responses API: translated for the engine, which rejects unsupported parts, and their own rules.
//!
//! Rules for Responses requests only. The engine checks the rules that are the same on all APIs.
//!
//! Sources: live answers of Moonshot (effort `none`), documented; router-for-me/CLIProxyAPI#5656 (a tool type
//! that Kimi Code's endpoint does not support) and #5647 (an item type); OpenAI's API reference for shapes, and
//! its texts where the providers' own are not known. None of the three keeps state (Moonshot's and OpenRouter's
//! documentation).

use serde_json::{Map, Value, json};

use crate::engine::list;
use crate::error_response::ErrorResponse;
use crate::provider::Provider;

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
pub(crate) fn to_chat_request(sent: &Value) -> Value {
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

/// OpenAI's longest call id.
const MAX_CALL_ID_CHARS: usize = 64;

/// # Errors
/// The first rule that the request breaks.
pub(crate) fn check_request(provider: Provider, sent: &Value) -> Result<(), ErrorResponse> {
    let is_openrouter = provider == Provider::OpenRouter;
    if !is_openrouter && sent.pointer("/reasoning/effort").and_then(Value::as_str) == Some("none") {
        return Err(ErrorResponse::bad_request("reasoning.effort value \"none\" is not supported"));
    }
    if let Some(id) = sent.get("previous_response_id").filter(|id| !id.is_null()) {
        let id = id.as_str().unwrap_or_default();
        return Err(ErrorResponse::bad_request(format!("Previous response with id '{id}' not found.")));
    }
    if sent
        .get("max_output_tokens")
        .is_some_and(|most| !most.is_null() && most.as_u64().is_none_or(|n| n == 0))
    {
        return Err(ErrorResponse::invalid_request(provider, "max_output_tokens must be a positive integer"));
    }
    check_tools(provider, sent)?;
    check_tool_choice(provider, sent)?;
    if !matches!(sent.get("input"), Some(Value::String(_) | Value::Array(_))) {
        return Err(ErrorResponse::invalid_request(provider, "input must be a string or an array"));
    }
    let items = list(sent.get("input"));
    for (index, item) in items.iter().enumerate() {
        check_item(provider, index, item)?;
    }
    check_pairs(items)
}

/// OpenRouter accepts tool types that it does not know. A known type has the same shape for all providers.
fn check_tools(provider: Provider, sent: &Value) -> Result<(), ErrorResponse> {
    for (index, tool) in list(sent.get("tools")).iter().enumerate() {
        match tool.get("type").and_then(Value::as_str).unwrap_or_default() {
            "function" if tool.get("name").is_some_and(Value::is_string) => {}
            "function" => return Err(missing_parameter_error(provider, &format!("tools[{index}].name"))),
            _ if provider == Provider::OpenRouter => {}
            kind => {
                return Err(ErrorResponse::bad_request(format!(
                    "tools.{index}: tool type \"{kind}\" is not supported"
                )));
            }
        }
    }
    Ok(())
}

fn check_tool_choice(provider: Provider, sent: &Value) -> Result<(), ErrorResponse> {
    match sent.get("tool_choice") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(word)) if matches!(word.as_str(), "auto" | "none" | "required") => Ok(()),
        Some(Value::Object(members)) if members.get("type").is_some_and(Value::is_string) => Ok(()),
        Some(_) => Err(ErrorResponse::invalid_request(
            provider,
            "invalid tool_choice: expected auto, none, required or a tool",
        )),
    }
}

fn check_item(provider: Provider, index: usize, item: &Value) -> Result<(), ErrorResponse> {
    let place = format!("input[{index}]");
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message");
    match kind {
        "message" => check_message(provider, &place, item),
        "function_call" => check_strings(provider, &place, item, &["call_id", "name", "arguments"]),
        "function_call_output" => {
            check_strings(provider, &place, item, &["call_id"])?;
            match item.get("output") {
                Some(Value::String(_)) => Ok(()),
                Some(Value::Array(parts)) => {
                    parts.iter().try_for_each(|part| self::check_part(provider, &place, "user", part))
                }
                _ => Err(missing_parameter_error(provider, &format!("{place}.output"))),
            }
        }
        "reasoning" if item.get("summary").is_some_and(Value::is_array) => Ok(()),
        "reasoning" => Err(missing_parameter_error(provider, &format!("{place}.summary"))),
        _ => match provider {
            Provider::Kimi => Err(ErrorResponse::bad_request("Invalid request Error")),
            Provider::Moonshot => Err(ErrorResponse::invalid_request(
                provider,
                format!("{place}: item type \"{kind}\" is not supported"),
            )),
            Provider::OpenRouter => Ok(()),
        },
    }
}

fn check_message(provider: Provider, place: &str, item: &Value) -> Result<(), ErrorResponse> {
    let role = item.get("role").and_then(Value::as_str).unwrap_or_default();
    if !matches!(role, "user" | "assistant" | "system" | "developer") {
        let text = format!(
            "Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'. ({place}.role)"
        );
        return Err(ErrorResponse::invalid_request(provider, text));
    }
    match item.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => {
            parts.iter().try_for_each(|part| self::check_part(provider, place, role, part))
        }
        _ => Err(missing_parameter_error(provider, &format!("{place}.content"))),
    }
}

fn check_part(provider: Provider, place: &str, role: &str, part: &Value) -> Result<(), ErrorResponse> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    match (role, kind) {
        ("assistant", "output_text") | ("user" | "system" | "developer", "input_text") => {
            check_strings(provider, place, part, &["text"])
        }
        ("assistant", "refusal") => check_strings(provider, place, part, &["refusal"]),
        ("user", "input_image") => check_strings(provider, place, part, &["image_url"]),
        ("user", "input_file") if provider == Provider::OpenRouter => Ok(()),
        _ => Err(ErrorResponse::invalid_request(
            provider,
            format!("Invalid value: '{kind}' for {place}.content of a message with role '{role}'"),
        )),
    }
}

fn check_strings(
    provider: Provider,
    place: &str,
    object: &Value,
    members: &[&str],
) -> Result<(), ErrorResponse> {
    match members.iter().find(|member| !object.get(**member).is_some_and(Value::is_string)) {
        None => Ok(()),
        Some(member) => Err(missing_parameter_error(provider, &format!("{place}.{member}"))),
    }
}

fn missing_parameter_error(provider: Provider, place: &str) -> ErrorResponse {
    ErrorResponse::invalid_request(provider, format!("Missing required parameter: '{place}'."))
}

/// Every output belongs to a call before it, and every call has an output. OpenAI's texts.
fn check_pairs(items: &[Value]) -> Result<(), ErrorResponse> {
    let mut open: Vec<&str> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let id = item.get("call_id").and_then(Value::as_str).unwrap_or_default();
        if id.len() > MAX_CALL_ID_CHARS {
            return Err(ErrorResponse::bad_request(format!(
                "Invalid 'input[{index}].call_id': string too long. Expected a string with maximum length {MAX_CALL_ID_CHARS}, but got a \
                 string with length {} instead.",
                id.len()
            )));
        }
        match item.get("type").and_then(Value::as_str) {
            Some("function_call") => open.push(id),
            Some("function_call_output") => match open.iter().position(|open| *open == id) {
                Some(at) => {
                    open.remove(at);
                }
                None => {
                    let text = format!("No tool call found for function call output with call_id {id}.");
                    return Err(ErrorResponse::bad_request(text));
                }
            },
            _ => {}
        }
    }
    match open.first() {
        None => Ok(()),
        Some(id) => Err(ErrorResponse::bad_request(format!("No tool output found for function call {id}."))),
    }
}
