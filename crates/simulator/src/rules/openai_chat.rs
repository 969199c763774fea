//! What `OpenAI`'s Chat Completions API refuses, beyond the shape of a request, and the rules of tools and schemas that it
//! shares with the Responses API.
//!
//! "API" is `OpenAI`'s API reference, "functions" its guide on function calling, "structured outputs" and "reasoning" the
//! guides of these names (November 2026). Issues quote live answers.

use serde_json::Value;

use super::strict::{Refusal, StrictRequest, StrictRule, require};
use crate::models::ThinkingMode;
use crate::value::{list, text};

/// Tools in a request (API).
const MAX_TOOLS: usize = 128;
/// The longest name of a function, and the longest id of a call in a chat (API; camel-ai/camel#2215).
const MAX_NAME: usize = 64;
const MAX_CALL_ID: usize = 40;

const fn rule(
    name: &'static str,
    source: &'static str,
    check: fn(&StrictRequest<'_>) -> Result<(), Refusal>,
) -> StrictRule {
    StrictRule { name, source: Some(source), check }
}

pub(super) const RULES: &[StrictRule] = &[
    rule("messages", "API: messages, at least one", check_messages),
    rule("max_tokens", "https://github.com/decolua/9router/issues/560", check_max_tokens),
    rule("sampling", "https://github.com/gabrii/Cursor-Azure-GPT-5/issues/33", |request| {
        check_sampling(
            request,
            &["temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs"],
        )
    }),
    rule("effort", "API: reasoning_effort, for reasoning models", check_effort),
    rule("tool_count", "API: tools, at most 128", check_tool_count),
    rule("tool_names", "API: function.name, a-z, A-Z, 0-9, _ and -, at most 64", |request| {
        check_tool_names(&function_places(request))
    }),
    rule("parameters", "functions: parameters is a JSON Schema of an object", |request| {
        check_parameters(&function_places(request))
    }),
    rule(
        "strict_schema",
        "structured outputs: additionalProperties is false, all fields are required",
        |request| check_strict_schemas(&function_places(request)),
    ),
    rule(
        "strict_format",
        "structured outputs: additionalProperties is false, all fields are required",
        check_format,
    ),
    rule("tool_choice", "API: tool_choice, only with tools", check_tool_choice),
    rule("stream_options", "API: stream_options, only with stream", check_stream_options),
    rule("call_ids", "https://github.com/camel-ai/camel/issues/2215", check_call_ids),
    rule("tool_pairs", "functions: a tool message for each call, after it", check_tool_pairs),
];

fn messages<'a>(request: &StrictRequest<'a>) -> &'a [Value] {
    list(&request.body["messages"])
}

pub(super) fn is_reasoning(request: &StrictRequest<'_>) -> bool {
    request.model.thinking != ThinkingMode::Never
}

fn check_messages(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let refusal = || {
        Refusal::new(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        )
    };
    if messages(request).is_empty() { Err(refusal().of_parameter("messages", "empty_array")) } else { Ok(()) }
}

fn unsupported_parameter(name: &str, instead: &str) -> Refusal {
    Refusal::new(format!("Unsupported parameter: '{name}' is not supported with this model.{instead}"))
        .of_parameter(name, "unsupported_parameter")
}

fn check_max_tokens(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    if request.body["max_tokens"].is_null() || !is_reasoning(request) {
        return Ok(());
    }
    Err(unsupported_parameter("max_tokens", " Use 'max_completion_tokens' instead."))
}

/// Reasoning models take no sampling parameters, but the default temperature.
pub(super) fn check_sampling(request: &StrictRequest<'_>, names: &[&str]) -> Result<(), Refusal> {
    let is_default = |name: &str, value: &Value| match name {
        "temperature" | "top_p" => value == 1.0 || value == 1,
        "logprobs" => value == false,
        _ => value == 0.0 || value == 0,
    };
    let given = names.iter().find(|name| {
        let value = &request.body[**name];
        !value.is_null() && !is_default(name, value)
    });
    // With the effort `none`, models from GPT-5.1 on take them (the guide on GPT-5.2).
    let effort = [&request.body["reasoning_effort"], &request.body["reasoning"]["effort"]];
    match given.filter(|_| is_reasoning(request) && effort.iter().all(|effort| *effort != "none")) {
        None => Ok(()),
        Some(name) if *name == "temperature" => Err(Refusal::new(format!(
            "Unsupported value: 'temperature' does not support {} with this model. Only the default (1) value is supported.",
            request.body["temperature"]
        ))
        .of_parameter("temperature", "unsupported_value")),
        Some(name) => Err(unsupported_parameter(name, "")),
    }
}

fn check_effort(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    if request.body["reasoning_effort"].is_null() || is_reasoning(request) {
        return Ok(());
    }
    Err(unsupported_parameter("reasoning_effort", ""))
}

pub(super) fn check_tool_count(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let tools = &request.body["tools"];
    let count = list(tools).len();
    if count > MAX_TOOLS {
        return Err(Refusal::new(format!(
            "Invalid 'tools': array too long. Expected an array with maximum length {MAX_TOOLS}, but got an array with length \
             {count} instead."
        ))
        .of_parameter("tools", "array_above_max_length"));
    }
    let is_empty = tools.as_array().is_some_and(Vec::is_empty);
    let refusal = || Refusal::new("[] is too short - 'tools'").of_parameter("tools", "empty_array");
    if is_empty { Err(refusal()) } else { Ok(()) }
}

/// The functions of a request, with their places.
fn function_places<'a>(request: &StrictRequest<'a>) -> Vec<(String, &'a Value)> {
    let tools =
        list(&request.body["tools"]).iter().enumerate().filter(|(_, tool)| tool["type"] == "function");
    tools.map(|(index, tool)| (format!("tools[{index}].function"), &tool["function"])).collect()
}

pub(super) fn check_tool_names(functions: &[(String, &Value)]) -> Result<(), Refusal> {
    for (place, function) in functions {
        let name = text(&function["name"]);
        let parameter = format!("{place}.name");
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !is_plain || name.is_empty() {
            return Err(Refusal::new(format!(
                "Invalid '{parameter}': string does not match pattern. Expected a string that matches the pattern \
                 '^[a-zA-Z0-9_-]+$'."
            ))
            .of_parameter(&parameter, "invalid_value"));
        }
        check_length(&parameter, name, MAX_NAME)?;
    }
    Ok(())
}

pub(super) fn check_length(parameter: &str, value: &str, most: usize) -> Result<(), Refusal> {
    if value.len() <= most {
        return Ok(());
    }
    let length = value.len();
    Err(Refusal::new(format!(
        "Invalid '{parameter}': string too long. Expected a string with maximum length {most}, but got a string with length \
         {length} instead."
    ))
    .of_parameter(parameter, "string_above_max_length"))
}

pub(super) fn check_parameters(functions: &[(String, &Value)]) -> Result<(), Refusal> {
    for (place, function) in functions {
        let parameters = &function["parameters"];
        if !parameters.is_null() && parameters["type"] != "object" {
            let kind = parameters["type"].as_str().unwrap_or("None");
            return Err(Refusal::new(format!(
                "Invalid schema for function '{}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.",
                text(&function["name"])
            ))
            .of_parameter(&format!("{place}.parameters"), "invalid_function_parameters"));
        }
    }
    Ok(())
}

pub(super) fn check_strict_schemas(functions: &[(String, &Value)]) -> Result<(), Refusal> {
    for (place, function) in functions.iter().filter(|(_, function)| function["strict"] == true) {
        check_strict_schema(&function["parameters"]).map_err(|why| {
            Refusal::new(format!("Invalid schema for function '{}': {why}", text(&function["name"])))
                .of_parameter(&format!("{place}.parameters"), "invalid_function_parameters")
        })?;
    }
    Ok(())
}

fn check_format(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    check_strict_format(&request.body["response_format"]["json_schema"], "response_format")
}

/// `format` has `name`, `schema` and `strict`.
pub(super) fn check_strict_format(format: &Value, parameter: &str) -> Result<(), Refusal> {
    if format["strict"] != true {
        return Ok(());
    }
    check_strict_schema(&format["schema"]).map_err(|why| {
        Refusal::new(format!("Invalid schema for response_format '{}': {why}", text(&format["name"])))
            .of_parameter(parameter, "invalid_json_schema")
    })
}

/// Each object of a strict schema forbids other members and requires its own.
fn check_strict_schema(schema: &Value) -> Result<(), String> {
    let context = "In context=(), ";
    if let Some(properties) = schema["properties"].as_object() {
        if schema["additionalProperties"] != false {
            return Err(format!(
                "{context}'additionalProperties' is required to be supplied and to be false."
            ));
        }
        let required = list(&schema["required"]);
        if let Some(missing) =
            properties.keys().find(|name| !required.iter().any(|known| known == name.as_str()))
        {
            return Err(format!(
                "{context}'required' is required to be supplied and to be an array including every key in properties. Missing \
                 '{missing}'."
            ));
        }
    }
    let members = ["properties", "$defs"]
        .iter()
        .filter_map(|key| schema[*key].as_object())
        .flat_map(|map| map.values());
    let mut inner =
        members.chain(list(&schema["anyOf"])).chain(schema.get("items").filter(|items| items.is_object()));
    inner.try_for_each(check_strict_schema)
}

fn check_tool_choice(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let is_alone = !request.body["tool_choice"].is_null() && list(&request.body["tools"]).is_empty();
    let message =
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
    if is_alone { Err(Refusal::new(message).of_parameter("tool_choice", "invalid_value")) } else { Ok(()) }
}

fn check_stream_options(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let is_alone = !request.body["stream_options"].is_null() && request.body["stream"] != true;
    require(!is_alone, || {
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.".to_owned()
    })
}

fn check_call_ids(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    for (index, message) in messages(request).iter().enumerate() {
        for (place, call) in list(&message["tool_calls"]).iter().enumerate() {
            check_length(
                &format!("messages[{index}].tool_calls[{place}].id"),
                text(&call["id"]),
                MAX_CALL_ID,
            )?;
        }
    }
    Ok(())
}

/// The tool messages directly after a message with calls answer each of them, and nothing else.
fn check_tool_pairs(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    let unanswered = |open: &[&str]| {
        require(open.is_empty(), || {
            format!(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
                 following tool_call_ids did not have response messages: {}",
                open.join(", ")
            )
        })
    };
    for message in messages(request) {
        if message["role"] != "tool" {
            unanswered(&open)?;
            open = list(&message["tool_calls"]).iter().map(|call| text(&call["id"])).collect();
            continue;
        }
        let id = text(&message["tool_call_id"]);
        let call = open.iter().position(|open| *open == id).ok_or_else(|| {
            Refusal::new(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
            )
        })?;
        open.remove(call);
    }
    unanswered(&open)
}
