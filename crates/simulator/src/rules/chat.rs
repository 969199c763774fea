//! Rules of the engine of Moonshot and Kimi Code, on all APIs: parameters, tools and messages.

use std::collections::HashSet;

use serde_json::Value;

use crate::engine::prompt::{SEARCH_ID_PREFIX, WEB_SEARCH, search_arguments};
use crate::engine::request::{EngineRequest, content_text};
use crate::models::{SimulatedModel, ThinkingMode};
use crate::provider::{Api, Provider};
use crate::rules::schema;
use crate::rules::violation::{Check, Violation, ensure, ensure_positive, ensure_verbatim, refuse};
use crate::value::{list, text};

/// Effort names of Kimi Code's models page, with those that it maps.
const EFFORTS: [&str; 8] = ["ultra", "max", "xhigh", "high", "medium", "low", "minimum", "light"];

/// At most so many stop strings, of so many bytes each (Moonshot's OpenAPI).
const MAX_STOPS: usize = 5;
const MAX_STOP_BYTES: usize = 32;

/// Moonshot's OpenAPI: at most 128 tools.
const MAX_TOOLS: usize = 128;

/// # Errors
/// The first rule that the request breaks; `message_bytes` is Kimi Code's limit on the messages.
pub(super) fn check_request(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
    message_bytes: usize,
) -> Check {
    check_thinking(provider, model, request)?;
    check_sampling(provider, model, request)?;
    check_stop(&request.body["stop"])?;
    check_tool_choice(model, request)?;
    for field in ["max_completion_tokens", "max_tokens"] {
        ensure_positive(&request.body[field], field)?;
    }
    check_tools(model, request)?;
    for (index, message) in request.messages().iter().enumerate() {
        check_message(model, index, message)?;
    }
    check_calls(request.messages())?;
    check_reasoning(model, request)?;
    check_search_results(request)?;
    check_size(provider, model, request, message_bytes)
}

fn check_thinking(provider: Provider, model: &SimulatedModel, request: &EngineRequest) -> Check {
    let kind = request.thinking_type();
    ensure(
        request.non_null("thinking").is_none() || matches!(kind, Some("enabled" | "disabled")),
        "invalid thinking: type must be enabled or disabled",
    )?;
    ensure_verbatim(
        kind != Some("disabled") || model.thinking != ThinkingMode::Always,
        "invalid thinking: only type=enabled is allowed for this model",
    )?;
    // Moonshot ignores an effort that it does not know; Kimi Code does not.
    let Some(effort) = request.non_null("reasoning_effort").filter(|_| provider == Provider::Kimi) else {
        return Ok(());
    };
    let name = effort.as_str().map_or_else(|| effort.to_string(), str::to_owned);
    ensure_verbatim(
        effort.is_string() && EFFORTS.contains(&name.as_str()),
        format_args!(
            "Unsupported value: 'reasoning_effort' does not support '{name}' with this model. Supported values are: \
             'low', 'high', and 'max'."
        ),
    )
}

fn check_sampling(provider: Provider, model: &SimulatedModel, request: &EngineRequest) -> Check {
    let temperature = request.body["temperature"].as_f64();
    ensure_verbatim(
        provider != Provider::Kimi || temperature.is_none_or(|value| value <= 1.0),
        "temperature must not be greater than 1.000000",
    )?;
    let is_off = model.thinking == ThinkingMode::Switch && request.thinking_type() == Some("disabled");
    let pinned = [
        ("temperature", if is_off { 0.6 } else { 1.0 }),
        ("top_p", 0.95),
        ("n", 1.0),
        ("presence_penalty", 0.0),
        ("frequency_penalty", 0.0),
    ];
    for (field, only) in pinned {
        let Some(value) = request.non_null(field) else { continue };
        ensure_verbatim(
            value.as_f64().is_some_and(|value| (value - only).abs() <= 1e-9),
            format_args!("invalid {field}: only {only} is allowed for this model"),
        )?;
    }
    Ok(())
}

fn check_stop(stop: &Value) -> Check {
    let stops = list(stop);
    ensure_verbatim(
        stops.len() <= MAX_STOPS,
        format_args!(
            "stop array too long. Expected an array with maximum length {MAX_STOPS}, but got {}",
            stops.len()
        ),
    )?;
    let is_short = |value: &Value| value.as_str().is_some_and(|text| text.len() <= MAX_STOP_BYTES);
    let is_valid =
        if stop.is_array() { stops.iter().all(is_short) } else { stop.is_null() || is_short(stop) };
    ensure(is_valid, format_args!("each stop must be a string of at most {MAX_STOP_BYTES} bytes"))
}

fn check_tool_choice(model: &SimulatedModel, request: &EngineRequest) -> Check {
    let clash = match &request.body["tool_choice"] {
        // Anthropic's `any` is accepted, its `tool` is not (live answers of Moonshot's Messages API,
        // documented).
        Value::String(choice) if choice == "required" && request.api != Api::Messages => "required",
        Value::Object(_) => "specified",
        _ => return Ok(()),
    };
    ensure_verbatim(
        !request.is_thinking(model),
        format_args!("tool_choice '{clash}' is incompatible with thinking enabled"),
    )
}

fn check_tools(model: &SimulatedModel, request: &EngineRequest) -> Check {
    let Some(tools) = request.non_null("tools") else { return Ok(()) };
    ensure(tools.is_array(), "tools must be an array")?;
    let count = list(tools).len();
    ensure(
        count <= MAX_TOOLS,
        format_args!(
            "tools array too long. Expected an array with maximum length {MAX_TOOLS}, but got {count}"
        ),
    )?;
    let cannot_search = model.thinking == ThinkingMode::Switch && request.is_thinking(model);
    let mut names = HashSet::new();
    for tool in list(tools) {
        let name = text(&tool["function"]["name"]);
        check_tool(name, tool)?;
        ensure(
            name != WEB_SEARCH || !cannot_search,
            "builtin function $web_search is not allowed with thinking enabled",
        )?;
        ensure(names.insert(name), format_args!("function name {name} is duplicated"))?;
    }
    Ok(())
}

fn check_tool(name: &str, tool: &Value) -> Check {
    match text(&tool["type"]) {
        "builtin_function" if name.starts_with('$') => return Ok(()),
        kind => ensure(kind == "function", format_args!("unknown tool type: {kind}"))?,
    }
    // `^[a-zA-Z_][a-zA-Z0-9-_]{2,63}$`
    let is_name = (3..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    ensure(
        is_name,
        "function name is invalid, must start with a letter and can contain letters, numbers, underscores, and dashes",
    )?;
    match &tool["function"]["parameters"] {
        Value::Null => Ok(()),
        parameters => schema::check_schema(parameters).map_err(Violation::Prefixed),
    }
}

fn check_message(model: &SimulatedModel, index: usize, message: &Value) -> Check {
    let role = text(&message["role"]);
    ensure_verbatim(
        matches!(role, "system" | "user" | "assistant" | "tool"),
        "invalid request: unsupported role ROLE_UNSPECIFIED",
    )?;
    let is_empty = match &message["content"] {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(parts) => {
            parts.iter().try_for_each(|part| check_part(model, index, role, part))?;
            parts.is_empty()
        }
        _ => {
            return refuse(format_args!(
                "the content of the message at position {index} must be a string or an array"
            ));
        }
    };
    let may_be_empty = match role {
        "tool" => true,
        "assistant" => !list(&message["tool_calls"]).is_empty(),
        // Dynamic tools come in a system message without content.
        "system" => !list(&message["tools"]).is_empty(),
        _ => false,
    };
    ensure(
        !is_empty || may_be_empty,
        format_args!("the message at position {index} with role '{role}' must not be empty"),
    )
}

fn check_part(model: &SimulatedModel, index: usize, role: &str, part: &Value) -> Check {
    let kind = text(&part["type"]);
    let media = match kind {
        "text" => return Ok(()),
        "image_url" => "image",
        "video_url" if model.accepts_video => "video",
        _ => {
            return refuse(format_args!(
                "the message at position {index} with role '{role}' contains an invalid part type: {kind}"
            ));
        }
    };
    let url = part[kind].as_str().unwrap_or_else(|| text(&part[kind]["url"]));
    // The text carries its prefix on both hosts.
    ensure_verbatim(
        url.starts_with("data:") || url.starts_with("ms://"),
        format_args!("Invalid request: unsupported {media} url: {url}"),
    )
}

/// Every tool call has its own id and its answer directly after it; every answer belongs to a call.
fn check_calls(messages: &[Value]) -> Check {
    let mut ids = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        if message["role"] == "tool" {
            let id = text(&message["tool_call_id"]);
            let call = open.iter().position(|open| *open == id);
            ensure(call.is_some(), format_args!("tool_call_id {id} is not found"))?;
            call.map(|at| open.remove(at));
            continue;
        }
        check_answered(&open)?;
        open = list(&message["tool_calls"]).iter().map(|call| text(&call["id"])).collect();
        for id in &open {
            ensure(ids.insert(*id), format_args!("tool call id {id} is duplicated"))?;
        }
    }
    check_answered(&open)
}

fn check_answered(open: &[&str]) -> Check {
    ensure(
        open.is_empty(),
        format_args!(
            "an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
             following tool_call_ids did not have response messages: {}",
            open.join(", ")
        ),
    )
}

/// With thinking on, an assistant message with tool calls keeps its reasoning; any text that is not empty passes.
fn check_reasoning(model: &SimulatedModel, request: &EngineRequest) -> Check {
    let is_required = match request.api {
        Api::ChatCompletions => true,
        // Only if the request enables thinking: hermes-agent omits `thinking` there to avoid the check.
        Api::Messages => request.thinking_type() == Some("enabled"),
        // Codex gives no reasoning back that is not sealed, and is served (captured 2026-11-21; CLIProxyAPI#5647).
        Api::Responses => false,
    };
    let is_missing = |message: &Value| {
        !list(&message["tool_calls"]).is_empty() && text(&message["reasoning_content"]).is_empty()
    };
    let missing = request.messages().iter().position(is_missing);
    match missing.filter(|_| is_required && request.is_thinking(model)) {
        None => Ok(()),
        Some(index) => ensure_verbatim(
            false,
            format_args!(
                "thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}"
            ),
        ),
    }
}

/// The arguments of a search come back byte for byte, or the search that they name is not found. The texts are
/// invented.
fn check_search_results(request: &EngineRequest) -> Check {
    let messages = request.messages();
    let calls = messages.iter().flat_map(|message| list(&message["tool_calls"]));
    for call in calls.filter(|call| call["function"]["name"] == WEB_SEARCH) {
        let arguments = call["function"]["arguments"].as_str();
        let is_reply =
            |message: &&Value| message["role"] == "tool" && message.get("tool_call_id") == call.get("id");
        let reply = messages.iter().find(is_reply).map(content_text);
        ensure(
            reply.is_none() || reply.as_deref() == arguments,
            "the tool message of $web_search must hold the arguments of its call",
        )?;
        let arguments = arguments.unwrap_or_default();
        let is_known =
            || (0..=request.past_tool_calls()).any(|number| search_arguments(request, number) == arguments);
        ensure(
            !arguments.contains(SEARCH_ID_PREFIX) || is_known(),
            format_args!("search not found: {arguments}"),
        )?;
    }
    Ok(())
}

fn check_size(provider: Provider, model: &SimulatedModel, request: &EngineRequest, limit: usize) -> Check {
    let bytes = request.message_bytes;
    ensure_verbatim(
        provider != Provider::Kimi || bytes <= limit,
        format_args!("total message size {bytes} exceeds limit {limit}"),
    )?;
    let (tokens, window) = (request.prompt_tokens(), model.context_window);
    ensure(
        tokens <= window,
        format_args!("Your request exceeded model token limit: {window} (requested: {tokens})"),
    )
}
