//! Requests of the Messages API: translated for the engine, which rejects unsupported parts, and their own rules.
//!
//! Rules for Messages requests only. The engine checks the rules that are the same on all APIs.
//!
//! Sources: Anthropic's API reference for required members, thinking budgets and blocks; for the providers' own
//! texts MoonshotAI/Kimi-K2#118 (a block inside a result that Moonshot's converter does not support) and
//! MoonshotAI/kimi-cli#1344 (Kimi Code's text for the same).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::engine::list;
use crate::error_response::ErrorResponse;
use crate::models::SimulatedModel;
use crate::provider::Provider;

/// Members that mean the same and are called the same.
const SHARED_FIELDS: [&str; 9] =
    ["model", "max_tokens", "temperature", "top_p", "stream", "provider", "models", "user", "reasoning"];

/// The body of the equivalent chat request.
pub(crate) fn to_chat_request(sent: &Value) -> Value {
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

/// The smallest thinking budget, in tokens.
const MIN_THINKING_BUDGET: u64 = 1024;

/// # Errors
/// The first rule that the request breaks.
pub(crate) fn check_request(
    provider: Provider,
    model: &SimulatedModel,
    sent: &Value,
) -> Result<(), ErrorResponse> {
    let limit = match sent.get("max_tokens").filter(|value| !value.is_null()) {
        None => return Err(ErrorResponse::invalid_request(provider, "max_tokens: Field required")),
        Some(value) => value.as_u64().filter(|tokens| *tokens > 0).ok_or_else(|| {
            ErrorResponse::invalid_request(provider, "max_tokens: Input should be greater than or equal to 1")
        })?,
    };
    check_thinking(provider, sent, limit)?;
    check_tool_choice(provider, sent)?;
    check_tools(provider, sent)?;
    if !matches!(sent.get("system"), None | Some(Value::Null | Value::String(_) | Value::Array(_))) {
        return Err(ErrorResponse::invalid_request(
            provider,
            "system: Input should be a valid string or list",
        ));
    }
    check_blocks(provider, "system", "system", sent.get("system"))?;
    for (index, message) in list(sent.get("messages")).iter().enumerate() {
        check_message(provider, index, message)?;
    }
    if model.vendor == "Anthropic" { check_pairs(list(sent.get("messages"))) } else { Ok(()) }
}

fn check_thinking(provider: Provider, sent: &Value, limit: u64) -> Result<(), ErrorResponse> {
    let Some(thinking) = sent.get("thinking").filter(|value| !value.is_null()) else { return Ok(()) };
    match thinking.get("type").and_then(Value::as_str) {
        Some("disabled" | "adaptive") => Ok(()),
        Some("enabled") => {
            let text = match thinking.get("budget_tokens").and_then(Value::as_u64) {
                None => "thinking.enabled.budget_tokens: Field required".to_owned(),
                Some(budget) if budget < MIN_THINKING_BUDGET => format!(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING_BUDGET}"
                ),
                Some(budget) if budget >= limit => {
                    "`max_tokens` must be greater than `thinking.budget_tokens`".to_owned()
                }
                Some(_) => return Ok(()),
            };
            Err(ErrorResponse::invalid_request(provider, text))
        }
        _ => Err(ErrorResponse::invalid_request(
            provider,
            "thinking: Input tag does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'",
        )),
    }
}

fn check_tool_choice(provider: Provider, sent: &Value) -> Result<(), ErrorResponse> {
    let Some(choice) = sent.get("tool_choice").filter(|value| !value.is_null()) else { return Ok(()) };
    match choice.get("type").and_then(Value::as_str) {
        Some("auto" | "any" | "none") => Ok(()),
        Some("tool") if choice.get("name").is_some_and(Value::is_string) => Ok(()),
        Some("tool") => {
            Err(ErrorResponse::invalid_request(provider, "tool_choice.tool.name: Field required"))
        }
        _ => Err(ErrorResponse::invalid_request(
            provider,
            "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
        )),
    }
}

fn check_tools(provider: Provider, sent: &Value) -> Result<(), ErrorResponse> {
    for (index, tool) in list(sent.get("tools")).iter().enumerate() {
        let custom = matches!(tool.get("type").and_then(Value::as_str), None | Some("custom"));
        for member in ["name", "input_schema"] {
            if custom && tool.get(member).is_none_or(Value::is_null) {
                let text = format!("tools.{index}.custom.{member}: Field required");
                return Err(ErrorResponse::invalid_request(provider, text));
            }
        }
    }
    Ok(())
}

fn check_message(provider: Provider, index: usize, message: &Value) -> Result<(), ErrorResponse> {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    // Claude Code 2.1 sends system messages among the others (captured 2026-11-21).
    if !matches!(role, "user" | "assistant" | "system") {
        let text = format!("messages.{index}.role: Input should be 'user' or 'assistant'");
        return Err(ErrorResponse::invalid_request(provider, text));
    }
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        Some(Value::Array(items)) if !items.is_empty() => {
            check_blocks(provider, &format!("messages.{index}.content"), role, message.get("content"))
        }
        Some(Value::String(_) | Value::Array(_)) => Err(ErrorResponse::invalid_request(
            provider,
            format!("the message at position {index} with role '{role}' must not be empty"),
        )),
        None => {
            Err(ErrorResponse::invalid_request(provider, format!("messages.{index}.content: Field required")))
        }
        Some(_) => Err(ErrorResponse::invalid_request(
            provider,
            format!("messages.{index}.content: Input should be a valid string or list"),
        )),
    }
}

fn check_blocks(
    provider: Provider,
    place: &str,
    role: &str,
    content: Option<&Value>,
) -> Result<(), ErrorResponse> {
    for (index, block) in list(content).iter().enumerate() {
        let place = format!("{place}.{index}");
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
        match (role, kind) {
            (_, "text") => check_members(provider, &place, block, &[("text", "text")])?,
            ("user" | "result", "image") => check_image(provider, &place, block)?,
            ("user", "tool_result") => {
                check_members(provider, &place, block, &[("tool_use_id", "text")])?;
                check_blocks(
                    provider,
                    &format!("{place}.tool_result.content"),
                    "result",
                    block.get("content"),
                )?;
            }
            ("assistant", "thinking") => {
                check_members(provider, &place, block, &[("thinking", "text"), ("signature", "text")])?;
            }
            ("assistant", "redacted_thinking") => {
                check_members(provider, &place, block, &[("data", "text")])?
            }
            ("assistant", "tool_use") => {
                check_members(
                    provider,
                    &place,
                    block,
                    &[("id", "text"), ("name", "text"), ("input", "object")],
                )?;
            }
            _ => return Err(unknown_block_error(provider, &place, role, kind)),
        }
    }
    Ok(())
}

fn unknown_block_error(provider: Provider, place: &str, role: &str, kind: &str) -> ErrorResponse {
    match (provider, role) {
        (Provider::Kimi, _) => ErrorResponse::bad_request("Invalid request Error"),
        (Provider::Moonshot, "result") => ErrorResponse::bad_request(format!(
            "failed to convert tool result content: unsupported content type in ContentBlockParamUnion: {kind}"
        )),
        _ => ErrorResponse::invalid_request(
            provider,
            format!("{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags"),
        ),
    }
}

fn check_members(
    provider: Provider,
    place: &str,
    block: &Value,
    members: &[(&str, &str)],
) -> Result<(), ErrorResponse> {
    for (member, kind) in members {
        let good = match (block.get(member), *kind) {
            (None, _) => {
                return Err(ErrorResponse::invalid_request(
                    provider,
                    format!("{place}.{member}: Field required"),
                ));
            }
            (Some(value), "object") => value.is_object(),
            (Some(value), _) => value.is_string(),
        };
        if !good {
            let noun = if *kind == "object" { "dictionary" } else { "string" };
            let text = format!("{place}.{member}: Input should be a valid {noun}");
            return Err(ErrorResponse::invalid_request(provider, text));
        }
    }
    Ok(())
}

fn check_image(provider: Provider, place: &str, block: &Value) -> Result<(), ErrorResponse> {
    let source = block.get("source").unwrap_or(&Value::Null);
    let place = format!("{place}.image.source");
    match source.get("type").and_then(Value::as_str) {
        Some("base64") => {
            check_members(provider, &place, source, &[("media_type", "text"), ("data", "text")])
        }
        Some("url") => check_members(provider, &place, source, &[("url", "text")]),
        _ => Err(ErrorResponse::invalid_request(
            provider,
            format!("{place}: Input tag does not match any of the expected tags: 'base64', 'url'"),
        )),
    }
}

/// Anthropic's own models on OpenRouter: the next message must answer every call and contain nothing else.
fn check_pairs(messages: &[Value]) -> Result<(), ErrorResponse> {
    let ids = |message: &Value, kind: &str, key: &str| -> Vec<String> {
        let blocks = list(message.get("content")).iter();
        let found = blocks.filter(|block| block.get("type").and_then(Value::as_str) == Some(kind));
        found.filter_map(|block| block.get(key)?.as_str().map(str::to_owned)).collect()
    };
    let mut open: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let answered: HashSet<String> = ids(message, "tool_result", "tool_use_id").into_iter().collect();
        if let Some(stray) = answered.iter().find(|id| !open.contains(id)) {
            return Err(ErrorResponse::bad_request(format!(
                "messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each `tool_result` \
                 block must have a corresponding `tool_use` block in the previous message."
            )));
        }
        check_no_open_calls(index.saturating_sub(1), open.iter().filter(|id| !answered.contains(*id)))?;
        open = ids(message, "tool_use", "id");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(odd) = open.iter().find(|id| id.is_empty() || !id.chars().all(plain)) {
            return Err(ErrorResponse::bad_request(format!(
                "messages.{index}.content: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$', not '{odd}'"
            )));
        }
    }
    check_no_open_calls(messages.len().saturating_sub(1), open.iter())
}

fn check_no_open_calls<'a>(index: usize, ids: impl Iterator<Item = &'a String>) -> Result<(), ErrorResponse> {
    let ids: Vec<&str> = ids.map(String::as_str).collect();
    if ids.is_empty() {
        return Ok(());
    }
    Err(ErrorResponse::bad_request(format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
         block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    )))
}
