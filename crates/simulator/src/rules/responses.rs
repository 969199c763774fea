//! Rules of the Responses API only.
//!
//! Sources: live answers of Moonshot (effort `none`), documented; router-for-me/CLIProxyAPI#5656 (a tool type
//! that Kimi Code's endpoint does not support) and #5647 (an item type); OpenAI's API reference for shapes, and
//! its texts where the providers' own are not known. None of the three keeps state (Moonshot's and OpenRouter's
//! documentation).

use serde_json::Value;

use crate::provider::Provider;
use crate::rules::violation::{Check, ensure, ensure_positive, ensure_verbatim, refuse};
use crate::value::{list, text};

/// OpenAI's longest call id.
const MAX_CALL_ID_CHARS: usize = 64;

/// # Errors
/// The first rule that the request breaks.
pub(super) fn check_request(provider: Provider, sent: &Value) -> Check {
    let is_openrouter = provider == Provider::OpenRouter;
    ensure_verbatim(
        is_openrouter || sent["reasoning"]["effort"] != "none",
        "reasoning.effort value \"none\" is not supported",
    )?;
    let previous = &sent["previous_response_id"];
    ensure_verbatim(
        previous.is_null(),
        format_args!("Previous response with id '{}' not found.", text(previous)),
    )?;
    ensure_positive(&sent["max_output_tokens"], "max_output_tokens")?;
    for (index, tool) in list(&sent["tools"]).iter().enumerate() {
        // OpenRouter accepts tool types that it does not know. A known type has the same shape for all providers.
        match text(&tool["type"]) {
            "function" => require(tool["name"].is_string(), format_args!("tools[{index}].name"))?,
            kind => ensure_verbatim(
                is_openrouter,
                format_args!("tools.{index}: tool type \"{kind}\" is not supported"),
            )?,
        }
    }
    let is_choice = match &sent["tool_choice"] {
        Value::Null => true,
        Value::String(word) => matches!(word.as_str(), "auto" | "none" | "required"),
        choice => choice["type"].is_string(),
    };
    ensure(is_choice, "invalid tool_choice: expected auto, none, required or a tool")?;
    let input = &sent["input"];
    ensure(input.is_string() || input.is_array(), "input must be a string or an array")?;
    for (index, item) in list(input).iter().enumerate() {
        check_item(provider, &format!("input[{index}]"), item)?;
    }
    check_pairs(list(input))
}

/// OpenAI's text for a member that is absent.
fn require(is_present: bool, place: impl std::fmt::Display) -> Check {
    ensure(is_present, format_args!("Missing required parameter: '{place}'."))
}

fn check_item(provider: Provider, place: &str, item: &Value) -> Check {
    match item["type"].as_str().unwrap_or("message") {
        "message" => {
            let role = text(&item["role"]);
            ensure(
                matches!(role, "user" | "assistant" | "system" | "developer"),
                format_args!(
                    "Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'. ({place}.role)"
                ),
            )?;
            check_content(provider, place, role, item, "content")
        }
        "function_call" => check_strings(place, item, &["call_id", "name", "arguments"]),
        "function_call_output" => {
            check_strings(place, item, &["call_id"])?;
            check_content(provider, place, "user", item, "output")
        }
        "reasoning" => require(item["summary"].is_array(), format_args!("{place}.summary")),
        kind => match provider {
            Provider::Kimi => ensure_verbatim(false, "Invalid request Error"),
            Provider::Moonshot => refuse(format_args!("{place}: item type \"{kind}\" is not supported")),
            _ => Ok(()),
        },
    }
}

/// A member that is a string or a list of parts.
fn check_content(provider: Provider, place: &str, role: &str, item: &Value, member: &str) -> Check {
    match &item[member] {
        Value::String(_) => Ok(()),
        Value::Array(parts) => parts.iter().try_for_each(|part| check_part(provider, place, role, part)),
        _ => require(false, format_args!("{place}.{member}")),
    }
}

fn check_part(provider: Provider, place: &str, role: &str, part: &Value) -> Check {
    match (role, text(&part["type"])) {
        ("assistant", "output_text") | ("user" | "system" | "developer", "input_text") => {
            check_strings(place, part, &["text"])
        }
        ("assistant", "refusal") => check_strings(place, part, &["refusal"]),
        ("user", "input_image") => check_strings(place, part, &["image_url"]),
        ("user", "input_file") if provider == Provider::OpenRouter => Ok(()),
        (_, kind) => refuse(format_args!(
            "Invalid value: '{kind}' for {place}.content of a message with role '{role}'"
        )),
    }
}

fn check_strings(place: &str, object: &Value, members: &[&str]) -> Check {
    let mut members = members.iter();
    members.try_for_each(|member| require(object[member].is_string(), format_args!("{place}.{member}")))
}

/// Every output belongs to a call before it, and every call has an output. OpenAI's texts.
fn check_pairs(items: &[Value]) -> Check {
    let mut open: Vec<&str> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let id = text(&item["call_id"]);
        ensure_verbatim(
            id.len() <= MAX_CALL_ID_CHARS,
            format_args!(
                "Invalid 'input[{index}].call_id': string too long. Expected a string with maximum length {MAX_CALL_ID_CHARS}, but got a \
                 string with length {} instead.",
                id.len()
            ),
        )?;
        match text(&item["type"]) {
            "function_call" => open.push(id),
            "function_call_output" => {
                let call = open.iter().position(|open| *open == id);
                ensure_verbatim(
                    call.is_some(),
                    format_args!("No tool call found for function call output with call_id {id}."),
                )?;
                call.map(|at| open.remove(at));
            }
            _ => {}
        }
    }
    let unanswered = open.first().copied().unwrap_or_default();
    ensure_verbatim(open.is_empty(), format_args!("No tool output found for function call {unanswered}."))
}
