//! What is peculiar to Responses requests. What means the same on all faces, the engine's rules check.
//!
//! Sources: live answers of Moonshot (effort `none`), written up; router-for-me/CLIProxyAPI#5656 (a tool type that Kimi
//! Code's endpoint does not know) and #5647 (an item type); OpenAI's API reference for shapes, and its texts where the
//! providers' own are not known. None of the three keeps state (Moonshot's and OpenRouter's documentation).

use serde_json::Value;

use crate::simulator::engine::request::list;
use crate::simulator::provider::Provider;
use crate::simulator::refusal::Refusal;

/// OpenAI's longest call id.
const ID: usize = 64;

/// # Errors
/// The first rule that the request breaks.
pub(in crate::simulator) fn check(provider: Provider, sent: &Value) -> Result<(), Refusal> {
    let brokered = provider == Provider::OpenRouter;
    if !brokered && sent.pointer("/reasoning/effort").and_then(Value::as_str) == Some("none") {
        return Err(Refusal::bad("reasoning.effort value \"none\" is not supported"));
    }
    if let Some(id) = sent.get("previous_response_id").filter(|id| !id.is_null()) {
        let id = id.as_str().unwrap_or_default();
        return Err(Refusal::bad(format!("Previous response with id '{id}' not found.")));
    }
    if sent
        .get("max_output_tokens")
        .is_some_and(|most| !most.is_null() && most.as_u64().is_none_or(|n| n == 0))
    {
        return Err(Refusal::invalid(provider, "max_output_tokens must be a positive integer"));
    }
    tools(provider, sent)?;
    tool_choice(provider, sent)?;
    if !matches!(sent.get("input"), Some(Value::String(_) | Value::Array(_))) {
        return Err(Refusal::invalid(provider, "input must be a string or an array"));
    }
    let items = list(sent.get("input"));
    for (index, item) in items.iter().enumerate() {
        one(provider, index, item)?;
    }
    paired(items)
}

/// OpenRouter lets pass what it does not know; what it knows has a shape for all.
fn tools(provider: Provider, sent: &Value) -> Result<(), Refusal> {
    for (index, tool) in list(sent.get("tools")).iter().enumerate() {
        match tool.get("type").and_then(Value::as_str).unwrap_or_default() {
            "function" if tool.get("name").is_some_and(Value::is_string) => {}
            "function" => return Err(missing(provider, &format!("tools[{index}].name"))),
            _ if provider == Provider::OpenRouter => {}
            kind => {
                return Err(Refusal::bad(format!("tools.{index}: tool type \"{kind}\" is not supported")));
            }
        }
    }
    Ok(())
}

fn tool_choice(provider: Provider, sent: &Value) -> Result<(), Refusal> {
    match sent.get("tool_choice") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(word)) if matches!(word.as_str(), "auto" | "none" | "required") => Ok(()),
        Some(Value::Object(members)) if members.get("type").is_some_and(Value::is_string) => Ok(()),
        Some(_) => {
            Err(Refusal::invalid(provider, "invalid tool_choice: expected auto, none, required or a tool"))
        }
    }
}

fn one(provider: Provider, index: usize, item: &Value) -> Result<(), Refusal> {
    let place = format!("input[{index}]");
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message");
    match kind {
        "message" => message(provider, &place, item),
        "function_call" => texts(provider, &place, item, &["call_id", "name", "arguments"]),
        "function_call_output" => {
            texts(provider, &place, item, &["call_id"])?;
            match item.get("output") {
                Some(Value::String(_)) => Ok(()),
                Some(Value::Array(parts)) => {
                    parts.iter().try_for_each(|part| self::part(provider, &place, "user", part))
                }
                _ => Err(missing(provider, &format!("{place}.output"))),
            }
        }
        "reasoning" if item.get("summary").is_some_and(Value::is_array) => Ok(()),
        "reasoning" => Err(missing(provider, &format!("{place}.summary"))),
        _ => match provider {
            Provider::Kimi => Err(Refusal::bad("Invalid request Error")),
            Provider::Moonshot => {
                Err(Refusal::invalid(provider, format!("{place}: item type \"{kind}\" is not supported")))
            }
            Provider::OpenRouter => Ok(()),
        },
    }
}

fn message(provider: Provider, place: &str, item: &Value) -> Result<(), Refusal> {
    let role = item.get("role").and_then(Value::as_str).unwrap_or_default();
    if !matches!(role, "user" | "assistant" | "system" | "developer") {
        let text = format!(
            "Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'. ({place}.role)"
        );
        return Err(Refusal::invalid(provider, text));
    }
    match item.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => {
            parts.iter().try_for_each(|part| self::part(provider, place, role, part))
        }
        _ => Err(missing(provider, &format!("{place}.content"))),
    }
}

fn part(provider: Provider, place: &str, role: &str, part: &Value) -> Result<(), Refusal> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    match (role, kind) {
        ("assistant", "output_text") | ("user" | "system" | "developer", "input_text") => {
            texts(provider, place, part, &["text"])
        }
        ("assistant", "refusal") => texts(provider, place, part, &["refusal"]),
        ("user", "input_image") => texts(provider, place, part, &["image_url"]),
        ("user", "input_file") if provider == Provider::OpenRouter => Ok(()),
        _ => Err(Refusal::invalid(
            provider,
            format!("Invalid value: '{kind}' for {place}.content of a message with role '{role}'"),
        )),
    }
}

fn texts(provider: Provider, place: &str, object: &Value, members: &[&str]) -> Result<(), Refusal> {
    match members.iter().find(|member| !object.get(**member).is_some_and(Value::is_string)) {
        None => Ok(()),
        Some(member) => Err(missing(provider, &format!("{place}.{member}"))),
    }
}

fn missing(provider: Provider, place: &str) -> Refusal {
    Refusal::invalid(provider, format!("Missing required parameter: '{place}'."))
}

/// Every output belongs to a call before it, and every call has an output. OpenAI's texts.
fn paired(items: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let id = item.get("call_id").and_then(Value::as_str).unwrap_or_default();
        if id.len() > ID {
            return Err(Refusal::bad(format!(
                "Invalid 'input[{index}].call_id': string too long. Expected a string with maximum length {ID}, but got a \
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
                    return Err(Refusal::bad(text));
                }
            },
            _ => {}
        }
    }
    match open.first() {
        None => Ok(()),
        Some(id) => Err(Refusal::bad(format!("No tool output found for function call {id}."))),
    }
}
