//! Tool definitions.

use std::collections::HashSet;

use serde_json::Value;

use super::schema;
use crate::simulator::engine::request::Request;
use crate::simulator::provider::Provider;
use crate::simulator::refusal::Refusal;
use crate::simulator::roster::{Model, Thinking};

/// Moonshot's OpenAPI: at most 128 tools.
const TOOLS: usize = 128;

/// # Errors
/// The first rule that a tool breaks.
pub(super) fn check(provider: Provider, model: &Model, request: &Request) -> Result<(), Refusal> {
    let Some(given) = request.given("tools") else { return Ok(()) };
    if !given.is_array() {
        return Err(Refusal::invalid(provider, "tools must be an array"));
    }
    let tools = request.tools();
    if tools.len() > TOOLS {
        return Err(Refusal::invalid(
            provider,
            format!(
                "tools array too long. Expected an array with maximum length {TOOLS}, but got {}",
                tools.len()
            ),
        ));
    }
    let mut names = HashSet::new();
    for tool in tools {
        let name = one(provider, tool)?;
        if name == "$web_search" && model.thinking == Thinking::Switch && super::thinks(model, request) {
            return Err(Refusal::invalid(
                provider,
                "builtin function $web_search is not allowed with thinking enabled",
            ));
        }
        if !names.insert(name) {
            return Err(Refusal::invalid(provider, format!("function name {name} is duplicated")));
        }
    }
    Ok(())
}

fn one(provider: Provider, tool: &Value) -> Result<&str, Refusal> {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    let name = tool.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "builtin_function" if name.starts_with('$') => return Ok(name),
        "function" => {}
        _ => return Err(Refusal::invalid(provider, format!("unknown tool type: {kind}"))),
    }
    if !is_name(name) {
        return Err(Refusal::invalid(
            provider,
            "function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes",
        ));
    }
    match tool.pointer("/function/parameters") {
        None | Some(Value::Null) => Ok(name),
        Some(parameters) => match schema::check(parameters) {
            Ok(()) => Ok(name),
            Err(problem) => Err(Refusal::invalid(provider, problem)),
        },
    }
}

/// `^[a-zA-Z_][a-zA-Z0-9-_]{2,63}$`.
fn is_name(name: &str) -> bool {
    (3..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
