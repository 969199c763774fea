//! Rules for Messages requests only. The engine checks the rules that are the same on all APIs.
//!
//! Sources: Anthropic's API reference for required members, thinking budgets and blocks; for the providers' own
//! texts MoonshotAI/Kimi-K2#118 (a block inside a result that Moonshot's converter does not support) and
//! MoonshotAI/kimi-cli#1344 (Kimi Code's text for the same).

use std::collections::HashSet;

use serde_json::Value;

use crate::simulator::engine::request::list;
use crate::simulator::error_response::ErrorResponse;
use crate::simulator::models::SimulatedModel;
use crate::simulator::provider::Provider;

/// The smallest thinking budget, in tokens.
const MIN_THINKING_BUDGET: u64 = 1024;

/// # Errors
/// The first rule that the request breaks.
pub(in crate::simulator) fn check_request(
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
