//! What `OpenAI`'s Responses API refuses, beyond the shape of a request. Sources as in `openai_chat`.

use std::collections::HashSet;

use serde_json::Value;

use super::openai_chat::{
    check_length, check_parameters, check_sampling, check_strict_format, check_strict_schemas,
    check_tool_count, check_tool_names, is_reasoning,
};
use super::strict::{Refusal, StrictRequest, StrictRule, require};
use crate::seal;
use crate::value::{list, text};

/// The longest id of a call or an item (API).
const MAX_ID: usize = 64;
/// The smallest limit on output tokens (API).
const MIN_OUTPUT: u64 = 16;

/// Calls and their outputs, by the types of their items, with the word for the call.
const PAIRS: [(&str, &str, &str); 5] = [
    ("function_call", "function_call_output", "function call"),
    ("custom_tool_call", "custom_tool_call_output", "custom tool call"),
    ("local_shell_call", "local_shell_call_output", "local shell call"),
    ("shell_call", "shell_call_output", "shell call"),
    ("apply_patch_call", "apply_patch_call_output", "apply patch call"),
];

/// How the ids of items begin, by their type.
const ID_PREFIXES: [(&str, &str); 4] =
    [("function_call", "fc"), ("custom_tool_call", "ctc"), ("reasoning", "rs"), ("message", "msg")];

const fn rule(
    name: &'static str,
    source: &'static str,
    check: fn(&StrictRequest<'_>) -> Result<(), Refusal>,
) -> StrictRule {
    StrictRule { name, source: Some(source), check }
}

pub(super) const RULES: &[StrictRule] = &[
    rule("sampling", "reasoning: temperature and top_p are not supported", |request| {
        check_sampling(request, &["temperature", "top_p"])
    }),
    rule("reasoning", "API: reasoning, for reasoning models", check_reasoning),
    rule("max_output_tokens", "https://github.com/vectorize-io/hindsight/issues/58", check_max_output_tokens),
    rule("tool_count", "API: tools, at most 128", check_tool_count),
    rule("tool_names", "API: name, a-z, A-Z, 0-9, _ and -, at most 64", |request| {
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
        |request| check_strict_format(&request.body["text"]["format"], "text.format.schema"),
    ),
    rule("previous_response", "API: previous_response_id of a stored response", check_previous_response),
    rule("call_ids", "https://github.com/decolua/9router/issues/393", check_call_ids),
    rule("item_ids", "https://github.com/Wei-Shaw/sub2api/issues/3785", check_item_ids),
    rule("items_unique", "https://github.com/OpenRouterTeam/ai-sdk-provider/issues/254", check_unique_items),
    rule("call_pairs", "https://github.com/leookun/cursor-byok/issues/307", check_call_pairs),
    rule("reasoning_pairs", "https://github.com/vercel/ai/issues/7099", check_reasoning_pairs),
    rule("encrypted_content", "https://github.com/openai/codex/issues/35334", check_encrypted_content),
    rule("stored_reasoning", "https://github.com/can1357/oh-my-pi/issues/41", check_stored_reasoning),
];

/// The items of the input with their indexes; none if the input is a string.
fn items<'a>(request: &StrictRequest<'a>) -> impl Iterator<Item = (usize, &'a Value)> {
    list(&request.body["input"]).iter().enumerate()
}

fn kind(item: &Value) -> &str {
    item["type"].as_str().unwrap_or("message")
}

fn check_reasoning(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let effort = &request.body["reasoning"]["effort"];
    if effort.is_null() || is_reasoning(request) {
        return Ok(());
    }
    Err(Refusal::new("Unsupported parameter: 'reasoning.effort' is not supported with this model.")
        .of_parameter("reasoning.effort", "unsupported_parameter"))
}

fn check_max_output_tokens(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    match request.body["max_output_tokens"].as_u64() {
        Some(limit) if limit < MIN_OUTPUT => Err(Refusal::new(format!(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {MIN_OUTPUT}, but got {limit} instead."
        ))
        .of_parameter("max_output_tokens", "integer_below_min_value")),
        _ => Ok(()),
    }
}

fn function_places<'a>(request: &StrictRequest<'a>) -> Vec<(String, &'a Value)> {
    let tools =
        list(&request.body["tools"]).iter().enumerate().filter(|(_, tool)| tool["type"] == "function");
    tools.map(|(index, tool)| (format!("tools[{index}]"), tool)).collect()
}

/// The simulator stores no response.
fn check_previous_response(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    match request.body["previous_response_id"].as_str() {
        None => Ok(()),
        Some(id) => Err(Refusal::new(format!("Previous response with id '{id}' not found."))
            .of_parameter("previous_response_id", "previous_response_not_found")),
    }
}

fn check_call_ids(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    items(request).try_for_each(|(index, item)| {
        check_length(&format!("input[{index}].call_id"), text(&item["call_id"]), MAX_ID)
    })
}

fn check_item_ids(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    for (index, item) in items(request) {
        let Some(id) = item["id"].as_str() else { continue };
        let parameter = format!("input[{index}].id");
        check_length(&parameter, id, MAX_ID)?;
        let prefix = ID_PREFIXES.iter().find(|(of, _)| *of == kind(item)).map_or("", |(_, prefix)| prefix);
        // Codex's own messages have dashes (captured 2026-11-21).
        let is_plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' && kind(item) == "message"
        };
        if !id.bytes().all(is_plain) {
            // A dash is refused too (https://github.com/CopilotKit/CopilotKit/pull/6117).
            return Err(Refusal::new(format!(
                "Invalid '{parameter}': '{id}'. Expected an ID that contains letters, numbers, underscores, or dashes, but this \
                 value contained additional characters."
            ))
            .of_parameter(&parameter, "invalid_value"));
        }
        if !id.starts_with(prefix) {
            return Err(Refusal::new(format!(
                "Invalid '{parameter}': '{id}'. Expected an ID that begins with '{prefix}'."
            ))
            .of_parameter(&parameter, "invalid_value"));
        }
    }
    Ok(())
}

fn check_unique_items(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    let ids = items(request).filter_map(|(_, item)| item["id"].as_str());
    match ids.filter(|id| !id.is_empty()).find(|id| !seen.insert(id.to_owned())) {
        None => Ok(()),
        Some(id) => Err(Refusal::new(format!(
            "Duplicate item found with id {id}. Remove duplicate items from your input and try again."
        ))),
    }
}

/// The id that joins a call and its output. The outputs of `local_shell_call` have the id of the item.
fn call_id(item: &Value) -> &str {
    item["call_id"].as_str().or_else(|| item["id"].as_str()).unwrap_or_default()
}

/// Every output has its call before it, and every call has an output, wherever.
fn check_call_pairs(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    for (call, output, name) in PAIRS {
        let mut open: Vec<&str> = Vec::new();
        for (_, item) in items(request) {
            if kind(item) == call {
                open.push(call_id(item));
            } else if kind(item) == output {
                let id = call_id(item);
                let at = open.iter().position(|open| *open == id).ok_or_else(|| {
                    Refusal::new(format!("No tool call found for {name} output with call_id {id}."))
                        .of_parameter("input", "")
                })?;
                open.remove(at);
            }
        }
        require(open.is_empty(), || format!("No tool output found for {name} {}.", open.join(", ")))?;
    }
    Ok(())
}

/// An item of the assistant follows each reasoning item that has an id.
fn check_reasoning_pairs(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let all = list(&request.body["input"]);
    for (index, item) in items(request).filter(|(_, item)| kind(item) == "reasoning") {
        let next = all.iter().skip(index + 1).find(|item| kind(item) != "reasoning");
        let is_followed = next.is_some_and(|next| match kind(next) {
            "message" => next["role"] == "assistant",
            kind => PAIRS.iter().any(|(call, ..)| *call == kind) || kind.ends_with("_call"),
        });
        require(is_followed, || {
            format!(
                "Item '{}' of type 'reasoning' was provided without its required following item.",
                text(&item["id"])
            )
        })?;
    }
    Ok(())
}

fn check_encrypted_content(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    for (_, item) in items(request).filter(|(_, item)| kind(item) == "reasoning") {
        let Some(sealed) = item["encrypted_content"].as_str() else { continue };
        if !seal::is_sealed("openai", sealed) {
            return Err(Refusal::new(format!(
                "The encrypted content for item {} could not be verified. Reason: Encrypted content could not be decrypted or \
                 parsed.",
                text(&item["id"])
            ))
            .of_parameter("input", "invalid_encrypted_content"));
        }
    }
    Ok(())
}

/// Nothing is stored here, so reasoning must bring its content.
fn check_stored_reasoning(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let mut reasoning = items(request).filter(|(_, item)| kind(item) == "reasoning");
    match reasoning.find(|(_, item)| item["encrypted_content"].is_null()) {
        None => Ok(()),
        Some((_, item)) => Err(Refusal {
            status: 404,
            ..Refusal::new(format!(
                "Item with id '{}' not found. Items are not persisted when `store` is set to false. Try again with `store` set to \
             true, or remove this item from your input.",
                text(&item["id"])
            ))
        }),
    }
}
