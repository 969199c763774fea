//! Rules of the Messages API only.
//!
//! Sources: Anthropic's API reference for required members, thinking budgets and blocks; for the providers' own
//! texts MoonshotAI/Kimi-K2#118 (a block inside a result that Moonshot's converter does not support) and
//! MoonshotAI/kimi-cli#1344 (Kimi Code's text for the same).

use std::collections::HashSet;

use serde_json::Value;

use crate::models::SimulatedModel;
use crate::provider::Provider;
use crate::rules::violation::{Check, ensure, ensure_verbatim, refuse};
use crate::value::{list, text};

/// The smallest thinking budget, in tokens.
const MIN_THINKING_BUDGET: u64 = 1024;

/// # Errors
/// The first rule that the request breaks.
pub(super) fn check_request(provider: Provider, model: &SimulatedModel, sent: &Value) -> Check {
    ensure(!sent["max_tokens"].is_null(), "max_tokens: Field required")?;
    let limit = sent["max_tokens"].as_u64().unwrap_or_default();
    ensure(limit > 0, "max_tokens: Input should be greater than or equal to 1")?;
    check_thinking(&sent["thinking"], limit)?;
    check_tool_choice(&sent["tool_choice"])?;
    for (index, tool) in list(&sent["tools"]).iter().enumerate() {
        let is_custom = matches!(tool["type"].as_str(), None | Some("custom"));
        for member in ["name", "input_schema"] {
            let is_present = !is_custom || !tool[member].is_null();
            ensure(is_present, format_args!("tools.{index}.custom.{member}: Field required"))?;
        }
    }
    let system = &sent["system"];
    ensure(
        matches!(system, Value::Null | Value::String(_) | Value::Array(_)),
        "system: Input should be a valid string or list",
    )?;
    check_blocks(provider, "system", "system", system)?;
    for (index, message) in list(&sent["messages"]).iter().enumerate() {
        check_message(provider, index, message)?;
    }
    if model.vendor == "Anthropic" { check_pairs(list(&sent["messages"])) } else { Ok(()) }
}

fn check_thinking(thinking: &Value, limit: u64) -> Check {
    match thinking["type"].as_str() {
        _ if thinking.is_null() => Ok(()),
        Some("disabled" | "adaptive") => Ok(()),
        Some("enabled") => {
            let budget = thinking["budget_tokens"].as_u64();
            ensure(budget.is_some(), "thinking.enabled.budget_tokens: Field required")?;
            let budget = budget.unwrap_or_default();
            ensure(
                budget >= MIN_THINKING_BUDGET,
                format_args!(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING_BUDGET}"
                ),
            )?;
            ensure(budget < limit, "`max_tokens` must be greater than `thinking.budget_tokens`")
        }
        _ => refuse(
            "thinking: Input tag does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'",
        ),
    }
}

fn check_tool_choice(choice: &Value) -> Check {
    match choice["type"].as_str() {
        _ if choice.is_null() => Ok(()),
        Some("auto" | "any" | "none") => Ok(()),
        Some("tool") => ensure(choice["name"].is_string(), "tool_choice.tool.name: Field required"),
        _ => refuse(
            "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
        ),
    }
}

fn check_message(provider: Provider, index: usize, message: &Value) -> Check {
    let role = text(&message["role"]);
    // Claude Code 2.1 sends system messages among the others (captured 2026-11-21).
    ensure(
        matches!(role, "user" | "assistant" | "system"),
        format_args!("messages.{index}.role: Input should be 'user' or 'assistant'"),
    )?;
    let is_empty = match message.get("content") {
        None => return refuse(format_args!("messages.{index}.content: Field required")),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => {
            return refuse(format_args!("messages.{index}.content: Input should be a valid string or list"));
        }
    };
    ensure(!is_empty, format_args!("the message at position {index} with role '{role}' must not be empty"))?;
    check_blocks(provider, &format!("messages.{index}.content"), role, &message["content"])
}

fn check_blocks(provider: Provider, place: &str, role: &str, content: &Value) -> Check {
    for (index, block) in list(content).iter().enumerate() {
        let place = format!("{place}.{index}");
        let kind = text(&block["type"]);
        match (role, kind) {
            (_, "text") => check_strings(&place, block, &["text"])?,
            ("user" | "result", "image") => {
                let (source, place) = (&block["source"], format!("{place}.image.source"));
                match text(&source["type"]) {
                    "base64" => check_strings(&place, source, &["media_type", "data"])?,
                    "url" => check_strings(&place, source, &["url"])?,
                    _ => refuse(format_args!(
                        "{place}: Input tag does not match any of the expected tags: 'base64', 'url'"
                    ))?,
                }
            }
            ("user", "tool_result") => {
                check_strings(&place, block, &["tool_use_id"])?;
                let place = format!("{place}.tool_result.content");
                check_blocks(provider, &place, "result", &block["content"])?;
            }
            ("assistant", "thinking") => check_strings(&place, block, &["thinking", "signature"])?,
            ("assistant", "redacted_thinking") => check_strings(&place, block, &["data"])?,
            ("assistant", "tool_use") => {
                check_strings(&place, block, &["id", "name"])?;
                check_member(&place, block, "input", "dictionary", Value::is_object)?;
            }
            _ => return unknown_block(provider, &place, role, kind),
        }
    }
    Ok(())
}

fn unknown_block(provider: Provider, place: &str, role: &str, kind: &str) -> Check {
    match (provider, role) {
        (Provider::Kimi, _) => ensure_verbatim(false, "Invalid request Error"),
        (Provider::Moonshot, "result") => ensure_verbatim(
            false,
            format_args!(
                "failed to convert tool result content: unsupported content type in ContentBlockParamUnion: {kind}"
            ),
        ),
        _ => refuse(format_args!(
            "{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )),
    }
}

fn check_strings(place: &str, block: &Value, members: &[&str]) -> Check {
    members.iter().try_for_each(|member| check_member(place, block, member, "string", Value::is_string))
}

fn check_member(place: &str, block: &Value, member: &str, noun: &str, is_valid: fn(&Value) -> bool) -> Check {
    ensure(block.get(member).is_some(), format_args!("{place}.{member}: Field required"))?;
    ensure(is_valid(&block[member]), format_args!("{place}.{member}: Input should be a valid {noun}"))
}

/// Anthropic's own models on OpenRouter: the next message must answer every call and contain nothing else.
fn check_pairs(messages: &[Value]) -> Check {
    let ids = |message: &Value, kind: &str, key: &str| -> Vec<String> {
        let blocks = list(&message["content"]).iter().filter(|block| block["type"] == kind);
        blocks.filter_map(|block| block[key].as_str().map(str::to_owned)).collect()
    };
    let mut open: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let answered: HashSet<String> = ids(message, "tool_result", "tool_use_id").into_iter().collect();
        if let Some(stray) = answered.iter().find(|id| !open.contains(id)) {
            return ensure_verbatim(
                false,
                format_args!(
                    "messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each `tool_result` \
                     block must have a corresponding `tool_use` block in the previous message."
                ),
            );
        }
        open.retain(|id| !answered.contains(id));
        check_no_open_calls(index.saturating_sub(1), &open)?;
        open = ids(message, "tool_use", "id");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(odd) = open.iter().find(|id| id.is_empty() || !id.chars().all(plain)) {
            return ensure_verbatim(
                false,
                format_args!(
                    "messages.{index}.content: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$', not '{odd}'"
                ),
            );
        }
    }
    check_no_open_calls(messages.len().saturating_sub(1), &open)
}

fn check_no_open_calls(index: usize, ids: &[String]) -> Check {
    ensure_verbatim(
        ids.is_empty(),
        format_args!(
            "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
             block must have a corresponding `tool_result` block in the next message.",
            ids.join(", ")
        ),
    )
}
