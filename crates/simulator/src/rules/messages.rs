//! The order, the contents and the size of the messages.

use std::collections::HashSet;

use serde_json::Value;

use crate::engine::list;
use crate::engine::request::EngineRequest;
use crate::error_response::ErrorResponse;
use crate::models::SimulatedModel;
use crate::provider::{Api, Provider};

/// # Errors
/// The request has no message.
pub(super) fn check_present(provider: Provider, request: &EngineRequest) -> Result<(), ErrorResponse> {
    if !request.messages().is_empty() {
        return Ok(());
    }
    Err(match provider {
        Provider::OpenRouter => {
            ErrorResponse::bad_request("Input required: specify \"prompt\" or \"messages\"")
        }
        Provider::Moonshot | Provider::Kimi => ErrorResponse::invalid_request(
            provider,
            format!("{} must not be empty", request.api.conversation_field()),
        ),
    })
}

/// # Errors
/// The first rule that a message breaks.
pub(super) fn check_messages(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
) -> Result<(), ErrorResponse> {
    let messages = request.messages();
    for (index, message) in messages.iter().enumerate() {
        check_shape(provider, model, index, message)?;
    }
    check_calls(provider, messages)?;
    if request.is_thinking(model) && requires_reasoning_history(request) {
        check_reasoning(messages)?;
    }
    Ok(())
}

/// Whether the history must contain the reasoning. On the Messages API only where the request enables thinking:
/// hermes-agent omits `thinking` there to avoid the check.
fn requires_reasoning_history(request: &EngineRequest) -> bool {
    match request.api {
        Api::ChatCompletions => true,
        Api::Messages => request.thinking_type() == Some("enabled"),
        // Codex gives no reasoning back that is not sealed, and is served (captured 2026-11-21; CLIProxyAPI#5647).
        Api::Responses => false,
    }
}

/// # Errors
/// When the prompt is longer than the model's window, or Kimi Code's message limit is passed.
pub(super) fn check_size(
    provider: Provider,
    model: &SimulatedModel,
    request: &EngineRequest,
    limit: usize,
) -> Result<(), ErrorResponse> {
    let bytes = request.message_bytes;
    if provider == Provider::Kimi && bytes > limit {
        return Err(ErrorResponse::bad_request(format!("total message size {bytes} exceeds limit {limit}")));
    }
    let tokens = request.prompt_tokens();
    if tokens > model.context_window {
        let text = format!(
            "Your request exceeded model token limit: {} (requested: {tokens})",
            model.context_window
        );
        return Err(ErrorResponse::invalid_request(provider, text));
    }
    Ok(())
}

/// # Errors
/// OpenRouter's wording of a prompt that is too long.
pub(super) fn check_size_openrouter(
    model: &SimulatedModel,
    request: &EngineRequest,
) -> Result<(), ErrorResponse> {
    let tokens = request.prompt_tokens();
    if tokens <= model.context_window {
        return Ok(());
    }
    let text = format!(
        "This endpoint's maximum context length is {} tokens. However, you requested about {tokens} tokens. Please reduce \
         the length of either one, or use the context-compression plugin to compress your prompt automatically.",
        model.context_window
    );
    Err(ErrorResponse::bad_request(text)
        .with_metadata(serde_json::json!({ "error_type": "context_length_exceeded", "provider_name": null })))
}

fn check_shape(
    provider: Provider,
    model: &SimulatedModel,
    index: usize,
    message: &Value,
) -> Result<(), ErrorResponse> {
    let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
    if !matches!(role, "system" | "user" | "assistant" | "tool") {
        return Err(ErrorResponse::bad_request("invalid request: unsupported role ROLE_UNSPECIFIED"));
    }
    let empty = match message.get("content") {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(parts)) => {
            parts.iter().try_for_each(|part| check_part(provider, model, index, role, part))?;
            parts.is_empty()
        }
        Some(_) => {
            return Err(ErrorResponse::invalid_request(
                provider,
                format!("the content of the message at position {index} must be a string or an array"),
            ));
        }
    };
    let excused = match role {
        "tool" => true,
        "assistant" => !list(message.get("tool_calls")).is_empty(),
        // Dynamic tools come in a system message without content.
        "system" => !list(message.get("tools")).is_empty(),
        _ => false,
    };
    if empty && !excused {
        let text = format!("the message at position {index} with role '{role}' must not be empty");
        return Err(ErrorResponse::invalid_request(provider, text));
    }
    Ok(())
}

fn check_part(
    provider: Provider,
    model: &SimulatedModel,
    index: usize,
    role: &str,
    part: &Value,
) -> Result<(), ErrorResponse> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let media = match kind {
        "text" => return Ok(()),
        "image_url" => "image",
        "video_url" if model.accepts_video => "video",
        _ => {
            let text = format!(
                "the message at position {index} with role '{role}' contains an invalid part type: {kind}"
            );
            return Err(ErrorResponse::invalid_request(provider, text));
        }
    };
    let target = part.get(kind);
    let url = target.and_then(|target| target.as_str().or_else(|| target.get("url")?.as_str()));
    let url = url.unwrap_or_default();
    if url.starts_with("data:") || url.starts_with("ms://") {
        return Ok(());
    }
    // The text carries its prefix on both hosts.
    Err(ErrorResponse::bad_request(format!("Invalid request: unsupported {media} url: {url}")))
}

/// Every tool call has its own id and its answer directly after it; every answer belongs to a call.
fn check_calls(provider: Provider, messages: &[Value]) -> Result<(), ErrorResponse> {
    let mut ids = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
            let Some(at) = open.iter().position(|open| *open == id) else {
                return Err(ErrorResponse::invalid_request(
                    provider,
                    format!("tool_call_id {id} is not found"),
                ));
            };
            open.remove(at);
            continue;
        }
        check_answered(provider, &open)?;
        open = list(message.get("tool_calls"))
            .iter()
            .map(|call| call.get("id").and_then(Value::as_str).unwrap_or_default())
            .collect();
        if let Some(twice) = open.iter().find(|id| !ids.insert(**id)) {
            return Err(ErrorResponse::invalid_request(
                provider,
                format!("tool call id {twice} is duplicated"),
            ));
        }
    }
    check_answered(provider, &open)
}

fn check_answered(provider: Provider, open: &[&str]) -> Result<(), ErrorResponse> {
    if open.is_empty() {
        return Ok(());
    }
    let text = format!(
        "an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
         following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Err(ErrorResponse::invalid_request(provider, text))
}

/// With thinking on, an assistant message with tool calls keeps what was thought; any text that is not empty passes.
fn check_reasoning(messages: &[Value]) -> Result<(), ErrorResponse> {
    let missing = |message: &Value| {
        !list(message.get("tool_calls")).is_empty()
            && message.get("reasoning_content").and_then(Value::as_str).is_none_or(str::is_empty)
    };
    match messages.iter().position(missing) {
        None => Ok(()),
        Some(index) => Err(ErrorResponse::bad_request(format!(
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index {index}"
        ))),
    }
}
