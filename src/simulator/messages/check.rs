//! What is peculiar to Messages requests. What means the same on all faces, the engine's rules check.
//!
//! Sources: Anthropic's API reference for required members, thinking budgets and blocks; for the providers' own words
//! MoonshotAI/Kimi-K2#118 (a block inside a result that Moonshot's converter does not know) and MoonshotAI/kimi-cli#1344
//! (Kimi Code's text for the same).

use std::collections::HashSet;

use serde_json::Value;

use crate::simulator::engine::request::list;
use crate::simulator::provider::Provider;
use crate::simulator::refusal::Refusal;
use crate::simulator::roster::Model;

/// The smallest thinking budget, in tokens.
const LEAST_BUDGET: u64 = 1024;

/// # Errors
/// The first rule that the request breaks.
pub(in crate::simulator) fn check(provider: Provider, model: &Model, sent: &Value) -> Result<(), Refusal> {
    let limit = match sent.get("max_tokens").filter(|value| !value.is_null()) {
        None => return Err(Refusal::invalid(provider, "max_tokens: Field required")),
        Some(value) => value.as_u64().filter(|tokens| *tokens > 0).ok_or_else(|| {
            Refusal::invalid(provider, "max_tokens: Input should be greater than or equal to 1")
        })?,
    };
    thinking(provider, sent, limit)?;
    tool_choice(provider, sent)?;
    tools(provider, sent)?;
    if !matches!(sent.get("system"), None | Some(Value::Null | Value::String(_) | Value::Array(_))) {
        return Err(Refusal::invalid(provider, "system: Input should be a valid string or list"));
    }
    blocks(provider, "system", "system", sent.get("system"))?;
    for (index, message) in list(sent.get("messages")).iter().enumerate() {
        one(provider, index, message)?;
    }
    if model.vendor == "Anthropic" { paired(list(sent.get("messages"))) } else { Ok(()) }
}

fn thinking(provider: Provider, sent: &Value, limit: u64) -> Result<(), Refusal> {
    let Some(thinking) = sent.get("thinking").filter(|value| !value.is_null()) else { return Ok(()) };
    match thinking.get("type").and_then(Value::as_str) {
        Some("disabled" | "adaptive") => Ok(()),
        Some("enabled") => {
            let text = match thinking.get("budget_tokens").and_then(Value::as_u64) {
                None => "thinking.enabled.budget_tokens: Field required".to_owned(),
                Some(budget) if budget < LEAST_BUDGET => format!(
                    "thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_BUDGET}"
                ),
                Some(budget) if budget >= limit => {
                    "`max_tokens` must be greater than `thinking.budget_tokens`".to_owned()
                }
                Some(_) => return Ok(()),
            };
            Err(Refusal::invalid(provider, text))
        }
        _ => Err(Refusal::invalid(
            provider,
            "thinking: Input tag does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'",
        )),
    }
}

fn tool_choice(provider: Provider, sent: &Value) -> Result<(), Refusal> {
    let Some(choice) = sent.get("tool_choice").filter(|value| !value.is_null()) else { return Ok(()) };
    match choice.get("type").and_then(Value::as_str) {
        Some("auto" | "any" | "none") => Ok(()),
        Some("tool") if choice.get("name").is_some_and(Value::is_string) => Ok(()),
        Some("tool") => Err(Refusal::invalid(provider, "tool_choice.tool.name: Field required")),
        _ => Err(Refusal::invalid(
            provider,
            "tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'",
        )),
    }
}

fn tools(provider: Provider, sent: &Value) -> Result<(), Refusal> {
    for (index, tool) in list(sent.get("tools")).iter().enumerate() {
        let custom = matches!(tool.get("type").and_then(Value::as_str), None | Some("custom"));
        for member in ["name", "input_schema"] {
            if custom && tool.get(member).is_none_or(Value::is_null) {
                let text = format!("tools.{index}.custom.{member}: Field required");
                return Err(Refusal::invalid(provider, text));
            }
        }
    }
    Ok(())
}

fn one(provider: Provider, index: usize, message: &Value) -> Result<(), Refusal> {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    // Claude Code 2.1 sends system messages among the others (captured 2026-11-21).
    if !matches!(role, "user" | "assistant" | "system") {
        let text = format!("messages.{index}.role: Input should be 'user' or 'assistant'");
        return Err(Refusal::invalid(provider, text));
    }
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        Some(Value::Array(items)) if !items.is_empty() => {
            blocks(provider, &format!("messages.{index}.content"), role, message.get("content"))
        }
        Some(Value::String(_) | Value::Array(_)) => Err(Refusal::invalid(
            provider,
            format!("the message at position {index} with role '{role}' must not be empty"),
        )),
        None => Err(Refusal::invalid(provider, format!("messages.{index}.content: Field required"))),
        Some(_) => Err(Refusal::invalid(
            provider,
            format!("messages.{index}.content: Input should be a valid string or list"),
        )),
    }
}

fn blocks(provider: Provider, place: &str, role: &str, content: Option<&Value>) -> Result<(), Refusal> {
    for (index, block) in list(content).iter().enumerate() {
        let place = format!("{place}.{index}");
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
        match (role, kind) {
            (_, "text") => present(provider, &place, block, &[("text", "text")])?,
            ("user" | "result", "image") => image(provider, &place, block)?,
            ("user", "tool_result") => {
                present(provider, &place, block, &[("tool_use_id", "text")])?;
                blocks(provider, &format!("{place}.tool_result.content"), "result", block.get("content"))?;
            }
            ("assistant", "thinking") => {
                present(provider, &place, block, &[("thinking", "text"), ("signature", "text")])?;
            }
            ("assistant", "redacted_thinking") => present(provider, &place, block, &[("data", "text")])?,
            ("assistant", "tool_use") => {
                present(provider, &place, block, &[("id", "text"), ("name", "text"), ("input", "object")])?;
            }
            _ => return Err(unknown(provider, &place, role, kind)),
        }
    }
    Ok(())
}

fn unknown(provider: Provider, place: &str, role: &str, kind: &str) -> Refusal {
    match (provider, role) {
        (Provider::Kimi, _) => Refusal::bad("Invalid request Error"),
        (Provider::Moonshot, "result") => Refusal::bad(format!(
            "failed to convert tool result content: unsupported content type in ContentBlockParamUnion: {kind}"
        )),
        _ => Refusal::invalid(
            provider,
            format!("{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags"),
        ),
    }
}

fn present(provider: Provider, place: &str, block: &Value, members: &[(&str, &str)]) -> Result<(), Refusal> {
    for (member, kind) in members {
        let good = match (block.get(member), *kind) {
            (None, _) => {
                return Err(Refusal::invalid(provider, format!("{place}.{member}: Field required")));
            }
            (Some(value), "object") => value.is_object(),
            (Some(value), _) => value.is_string(),
        };
        if !good {
            let noun = if *kind == "object" { "dictionary" } else { "string" };
            let text = format!("{place}.{member}: Input should be a valid {noun}");
            return Err(Refusal::invalid(provider, text));
        }
    }
    Ok(())
}

fn image(provider: Provider, place: &str, block: &Value) -> Result<(), Refusal> {
    let source = block.get("source").unwrap_or(&Value::Null);
    let place = format!("{place}.image.source");
    match source.get("type").and_then(Value::as_str) {
        Some("base64") => present(provider, &place, source, &[("media_type", "text"), ("data", "text")]),
        Some("url") => present(provider, &place, source, &[("url", "text")]),
        _ => Err(Refusal::invalid(
            provider,
            format!("{place}: Input tag does not match any of the expected tags: 'base64', 'url'"),
        )),
    }
}

/// Anthropic's own models behind OpenRouter: the next message answers every call, and nothing else.
fn paired(messages: &[Value]) -> Result<(), Refusal> {
    let ids = |message: &Value, kind: &str, key: &str| -> Vec<String> {
        let blocks = list(message.get("content")).iter();
        let found = blocks.filter(|block| block.get("type").and_then(Value::as_str) == Some(kind));
        found.filter_map(|block| block.get(key)?.as_str().map(str::to_owned)).collect()
    };
    let mut open: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let answered: HashSet<String> = ids(message, "tool_result", "tool_use_id").into_iter().collect();
        if let Some(stray) = answered.iter().find(|id| !open.contains(id)) {
            return Err(Refusal::bad(format!(
                "messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each `tool_result` \
                 block must have a corresponding `tool_use` block in the previous message."
            )));
        }
        left_open(index.saturating_sub(1), open.iter().filter(|id| !answered.contains(*id)))?;
        open = ids(message, "tool_use", "id");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(odd) = open.iter().find(|id| id.is_empty() || !id.chars().all(plain)) {
            return Err(Refusal::bad(format!(
                "messages.{index}.content: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$', not '{odd}'"
            )));
        }
    }
    left_open(messages.len().saturating_sub(1), open.iter())
}

fn left_open<'a>(index: usize, ids: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    let ids: Vec<&str> = ids.map(String::as_str).collect();
    if ids.is_empty() {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
         block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    )))
}
