//! Sampling values that are pinned, thinking, effort and stop sequences.

use std::collections::HashSet;

use serde_json::Value;

use crate::engine::list;
use crate::engine::request::EngineRequest;
use crate::error_response::ErrorResponse;
use crate::models::{SimulatedModel, ThinkingMode};
use crate::provider::{Api, Provider};
use crate::rules::schema;

/// Effort names of Kimi Code's models page, with those that it maps.
const EFFORTS: [&str; 8] = ["ultra", "max", "xhigh", "high", "medium", "low", "minimum", "light"];

/// At most so many stop strings, of so many bytes each (Moonshot's OpenAPI).
const MAX_STOPS: usize = 5;
const MAX_STOP_BYTES: usize = 32;

/// # Errors
/// The first rule that the parameters break.
pub(super) fn check_parameters(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
) -> Result<(), ErrorResponse> {
    check_thinking(provider, model, request)?;
    check_sampling(provider, model, request)?;
    check_stop(provider, request)?;
    check_tool_choice(model, request)?;
    check_limits(provider, request)
}

fn check_thinking(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
) -> Result<(), ErrorResponse> {
    let kind = request.thinking_type();
    if request.non_null("thinking").is_some() && !matches!(kind, Some("enabled" | "disabled")) {
        return Err(ErrorResponse::invalid_request(
            provider,
            "invalid thinking: type must be enabled or disabled",
        ));
    }
    if kind == Some("disabled") && model.thinking == ThinkingMode::Always {
        return Err(ErrorResponse::bad_request(
            "invalid thinking: only type=enabled is allowed for this model",
        ));
    }
    // Moonshot ignores an effort that it does not know; Kimi Code does not.
    match request.non_null("reasoning_effort") {
        Some(effort) if provider == Provider::Kimi => check_kimi_effort(effort),
        _ => Ok(()),
    }
}

fn check_kimi_effort(effort: &Value) -> Result<(), ErrorResponse> {
    if effort.as_str().is_some_and(|effort| EFFORTS.contains(&effort)) {
        return Ok(());
    }
    let effort = effort.as_str().map_or_else(|| effort.to_string(), str::to_owned);
    Err(ErrorResponse::bad_request(format!(
        "Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. Supported values are: \
         'low', 'high', and 'max'."
    )))
}

fn check_sampling(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
) -> Result<(), ErrorResponse> {
    let cool = model.thinking == ThinkingMode::Switch && request.thinking_type() == Some("disabled");
    let heat = if cool { 0.6 } else { 1.0 };
    if provider == Provider::Kimi
        && request.non_null("temperature").and_then(Value::as_f64).is_some_and(|value| value > 1.0)
    {
        return Err(ErrorResponse::bad_request("temperature must not be greater than 1.000000"));
    }
    let pinned = [
        ("temperature", heat),
        ("top_p", 0.95),
        ("n", 1.0),
        ("presence_penalty", 0.0),
        ("frequency_penalty", 0.0),
    ];
    for (field, only) in pinned {
        let Some(value) = request.non_null(field) else { continue };
        if value.as_f64().is_none_or(|value| (value - only).abs() > 1e-9) {
            return Err(ErrorResponse::bad_request(format!(
                "invalid {field}: only {only} is allowed for this model"
            )));
        }
    }
    Ok(())
}

fn check_stop(provider: Provider, request: &EngineRequest) -> Result<(), ErrorResponse> {
    let Some(stop) = request.non_null("stop") else { return Ok(()) };
    let stops = list(Some(stop));
    if stops.len() > MAX_STOPS {
        return Err(ErrorResponse::bad_request(format!(
            "stop array too long. Expected an array with maximum length {MAX_STOPS}, but got {}",
            stops.len()
        )));
    }
    let too_long = |value: &Value| value.as_str().is_none_or(|text| text.len() > MAX_STOP_BYTES);
    if stops.iter().any(too_long) || (!stop.is_array() && too_long(stop)) {
        return Err(ErrorResponse::invalid_request(
            provider,
            format!("each stop must be a string of at most {MAX_STOP_BYTES} bytes"),
        ));
    }
    Ok(())
}

fn check_tool_choice(model: &SimulatedModel, request: &EngineRequest) -> Result<(), ErrorResponse> {
    if !request.is_thinking(model) {
        return Ok(());
    }
    let clash = match request.non_null("tool_choice") {
        // Anthropic's `any` is accepted, its `tool` is not (live answers of Moonshot's Messages API,
        // documented).
        Some(Value::String(choice)) if choice == "required" && request.api != Api::Messages => "required",
        Some(Value::Object(_)) => "specified",
        _ => return Ok(()),
    };
    Err(ErrorResponse::bad_request(format!("tool_choice '{clash}' is incompatible with thinking enabled")))
}

fn check_limits(provider: Provider, request: &EngineRequest) -> Result<(), ErrorResponse> {
    for field in ["max_completion_tokens", "max_tokens"] {
        if request.non_null(field).is_some_and(|value| value.as_u64().is_none_or(|tokens| tokens == 0)) {
            return Err(ErrorResponse::invalid_request(
                provider,
                format!("{field} must be a positive integer"),
            ));
        }
    }
    Ok(())
}

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
        if name == "$web_search" && model.thinking == ThinkingMode::Switch && request.is_thinking(model) {
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
