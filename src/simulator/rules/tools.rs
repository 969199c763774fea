//! Tool definitions.

use std::collections::HashSet;

use serde_json::Value;

use super::schema;
use crate::simulator::engine::request::EngineRequest;
use crate::simulator::error_response::ErrorResponse;
use crate::simulator::models::{SimulatedModel, ThinkingMode};
use crate::simulator::provider::Provider;

/// Moonshot's OpenAPI: at most 128 tools.
const MAX_TOOLS: usize = 128;

/// # Errors
/// The first rule that a tool breaks.
pub(super) fn check_tools(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
) -> Result<(), ErrorResponse> {
    let Some(given) = request.non_null("tools") else { return Ok(()) };
    if !given.is_array() {
        return Err(ErrorResponse::invalid_request(provider, "tools must be an array"));
    }
    let tools = request.tools();
    if tools.len() > MAX_TOOLS {
        return Err(ErrorResponse::invalid_request(
            provider,
            format!(
                "tools array too long. Expected an array with maximum length {MAX_TOOLS}, but got {}",
                tools.len()
            ),
        ));
    }
    let mut names = HashSet::new();
    for tool in tools {
        let name = check_tool(provider, tool)?;
        if name == "$web_search"
            && model.thinking == ThinkingMode::Switch
            && super::is_thinking(model, request)
        {
            return Err(ErrorResponse::invalid_request(
                provider,
                "builtin function $web_search is not allowed with thinking enabled",
            ));
        }
        if !names.insert(name) {
            return Err(ErrorResponse::invalid_request(
                provider,
                format!("function name {name} is duplicated"),
            ));
        }
    }
    Ok(())
}

fn check_tool(provider: Provider, tool: &Value) -> Result<&str, ErrorResponse> {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    let name = tool.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "builtin_function" if name.starts_with('$') => return Ok(name),
        "function" => {}
        _ => return Err(ErrorResponse::invalid_request(provider, format!("unknown tool type: {kind}"))),
    }
    if !is_name(name) {
        return Err(ErrorResponse::invalid_request(
            provider,
            "function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes",
        ));
    }
    match tool.pointer("/function/parameters") {
        None | Some(Value::Null) => Ok(name),
        Some(parameters) => match schema::check_schema(parameters) {
            Ok(()) => Ok(name),
            Err(problem) => Err(ErrorResponse::invalid_request(provider, problem)),
        },
    }
}

/// `^[a-zA-Z_][a-zA-Z0-9-_]{2,63}$`.
fn is_name(name: &str) -> bool {
    (3..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
