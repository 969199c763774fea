//! What Anthropic's Messages API refuses, beyond the shape of a request.
//!
//! "API" is Anthropic's API reference of the Messages API, "thinking" its pages on extended and adaptive thinking,
//! "caching" its page on prompt caching, "tools" its pages on tool use, "vision" its page on images (November 2026).
//! Issues quote live answers.

use std::collections::HashSet;

use serde_json::Value;

use super::strict::{Refusal, StrictRequest, StrictRule, require};
use crate::models::ThinkingMode;
use crate::seal;
use crate::value::{list, text};

/// The name in `anthropic-beta` for `context_management` (the page on context editing).
const CONTEXT_MANAGEMENT_BETA: &str = "context-management-2025-06-27";
/// The smallest thinking budget, in tokens (API).
const MIN_BUDGET: u64 = 1024;
/// Cache breakpoints in a request (caching).
const MAX_BREAKPOINTS: usize = 4;
/// Images in a request, and the bytes of one as base64 text (vision).
const MAX_IMAGES: usize = 100;
const MAX_IMAGE_BYTES: usize = 5 * 1024 * 1024;

const fn rule(
    name: &'static str,
    source: &'static str,
    check: fn(&StrictRequest<'_>) -> Result<(), Refusal>,
) -> StrictRule {
    StrictRule { name, source: Some(source), check }
}

pub(super) const RULES: &[StrictRule] = &[
    rule("beta_names", "https://github.com/anthropics/claude-code/issues/53855", check_beta_names),
    rule(
        "beta_members",
        "https://platform.claude.com/docs/en/build-with-claude/context-editing",
        check_beta_members,
    ),
    rule("max_tokens", "API: max_tokens, at least 1", check_max_tokens),
    rule("message_content", "API: messages", check_message_content),
    StrictRule { name: "first_role", source: None, check: check_first_role },
    rule("empty_text", "https://github.com/anthropics/claude-code/issues/59812", check_empty_text),
    rule("tool_names", "tools: name matches ^[a-zA-Z0-9_-]{1,64}$", check_tool_names),
    rule("tool_names_unique", "https://github.com/eclipse-theia/theia/issues/16122", check_unique_tool_names),
    rule("input_schema", "tools: input_schema is a JSON Schema of type object", check_input_schemas),
    rule("tool_ids", "https://github.com/HKUDS/nanobot/pull/4356", check_tool_ids),
    rule("tool_ids_unique", "https://github.com/anthropics/claude-code/issues/28515", check_unique_tool_ids),
    rule("tool_pairs", "tools: a tool_result in the next message for each tool_use", check_tool_pairs),
    rule("results_first", "tools: tool results come first in the content", check_results_first),
    rule("budget", "API: thinking.budget_tokens, at least 1024", check_budget),
    rule("budget_limit", "API: thinking.budget_tokens is less than max_tokens", check_budget_limit),
    rule("thinking_mode", "thinking: newer models take an effort instead of a budget", check_thinking_mode),
    rule("effort", "API: output_config.effort, for models that have it", check_effort),
    rule("temperature", "thinking: temperature and top_k cannot be changed", check_temperature),
    rule("top_k", "thinking: temperature and top_k cannot be changed", check_top_k),
    rule("sampling", "https://github.com/The-PR-Agent/pr-agent/issues/2456", check_sampling),
    rule("forced_tool", "thinking: with a budget, only tool_choice auto and none", check_forced_tool),
    rule("prefill", "API: errors, prefill not supported; thinking: no prefill", check_prefill),
    rule("thinking_first", "https://github.com/anomalyco/opencode/issues/3077", check_thinking_first),
    rule("signature", "https://github.com/anthropics/anthropic-sdk-python/issues/1598", check_signatures),
    rule("breakpoints", "caching: up to 4 cache breakpoints", check_breakpoints),
    rule("breakpoint_ttl", "https://github.com/headroomlabs-ai/headroom/issues/2939", check_breakpoint_order),
    rule("images", "vision: up to 100 images in a request", check_image_count),
    rule("image_size", "vision: 5 MB for each image", check_image_size),
];

fn messages<'a>(request: &StrictRequest<'a>) -> &'a [Value] {
    list(&request.body["messages"])
}

/// The blocks of a message; none if its content is a string.
fn blocks(message: &Value) -> &[Value] {
    list(&message["content"])
}

fn is_thinking(request: &StrictRequest<'_>) -> bool {
    match text(&request.body["thinking"]["type"]) {
        "enabled" | "adaptive" => true,
        "disabled" => false,
        _ => request.model.thinking == ThinkingMode::Adaptive,
    }
}

fn is_thought(block: &Value) -> bool {
    matches!(text(&block["type"]), "thinking" | "redacted_thinking")
}

fn check_beta_names(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let header = request.headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok());
    let known = seal::anthropic_betas();
    let unknown = header.flat_map(|names| names.split(',')).map(str::trim);
    match unknown.filter(|name| !name.is_empty()).find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(name) => {
            Err(Refusal::new(format!("Unexpected value(s) `{name}` for the `anthropic-beta` header.")))
        }
    }
}

/// Members that the API takes only with a name in `anthropic-beta`.
fn check_beta_members(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let header = request.headers.get_all("anthropic-beta").iter().filter_map(|value| value.to_str().ok());
    let has_beta =
        header.flat_map(|names| names.split(',')).any(|name| name.trim() == CONTEXT_MANAGEMENT_BETA);
    require(request.body["context_management"].is_null() || has_beta, || {
        "context_management: Extra inputs are not permitted".to_owned()
    })
}

fn check_max_tokens(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    require(request.body["max_tokens"].as_u64().is_some_and(|limit| limit > 0), || {
        "max_tokens: Input should be greater than or equal to 1".to_owned()
    })
}

/// Only the last message of the assistant may be empty.
fn check_message_content(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let messages = messages(request);
    require(!messages.is_empty(), || "messages: at least one message is required".to_owned())?;
    for (index, message) in messages.iter().enumerate() {
        let is_empty = message["content"] == "" || message["content"].as_array().is_some_and(Vec::is_empty);
        let is_prefill = message["role"] == "assistant" && index + 1 == messages.len();
        require(!is_empty || is_prefill, || {
            format!(
                "messages.{index}: all messages must have non-empty content except for the optional final assistant message"
            )
        })?;
    }
    Ok(())
}

fn check_first_role(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let role = messages(request).first().map_or("user", |message| text(&message["role"]));
    require(role != "assistant", || "messages: first message must use the \"user\" role".to_owned())
}

fn check_empty_text(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let system = list(&request.body["system"]).iter();
    let mut texts =
        messages(request).iter().flat_map(blocks).chain(system).filter(|block| block["type"] == "text");
    require(texts.all(|block| !text(&block["text"]).is_empty()), || {
        "messages: text content blocks must be non-empty".to_owned()
    })
}

/// Tools that the client runs and defines itself.
fn custom_tools<'a>(request: &StrictRequest<'a>) -> impl Iterator<Item = (usize, &'a Value)> {
    let tools = list(&request.body["tools"]).iter().enumerate();
    tools.filter(|(_, tool)| matches!(tool["type"].as_str(), None | Some("custom")))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn check_tool_names(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    custom_tools(request).try_for_each(|(index, tool)| {
        let name = text(&tool["name"]);
        require(is_plain(name) && name.len() <= 64, || {
            format!("tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        })
    })
}

fn check_unique_tool_names(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    let is_unique = list(&request.body["tools"]).iter().all(|tool| seen.insert(text(&tool["name"])));
    require(is_unique, || "tools: Tool names must be unique.".to_owned())
}

fn check_input_schemas(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    custom_tools(request).try_for_each(|(index, tool)| {
        let kind = &tool["input_schema"]["type"];
        require(!kind.is_null(), || format!("tools.{index}.custom.input_schema.type: Field required"))?;
        require(kind == "object", || {
            format!("tools.{index}.custom.input_schema.type: Input should be 'object'")
        })
    })
}

/// The calls of a message with their places.
fn calls(message: &Value) -> impl Iterator<Item = (usize, &str)> {
    let blocks = blocks(message).iter().enumerate().filter(|(_, block)| block["type"] == "tool_use");
    blocks.map(|(index, block)| (index, text(&block["id"])))
}

fn check_tool_ids(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    for (index, message) in messages(request).iter().enumerate() {
        if let Some((place, _)) = calls(message).find(|(_, id)| !is_plain(id)) {
            return Err(Refusal::new(format!(
                "messages.{index}.content.{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
            )));
        }
    }
    Ok(())
}

fn check_unique_tool_ids(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for (index, message) in messages(request).iter().enumerate() {
        if let Some((place, _)) = calls(message).find(|(_, id)| !seen.insert(*id)) {
            return Err(Refusal::new(format!(
                "messages.{index}.content.{place}: `tool_use` ids must be unique"
            )));
        }
    }
    Ok(())
}

fn results(message: &Value) -> HashSet<&str> {
    let results = blocks(message).iter().filter(|block| block["type"] == "tool_result");
    results.map(|block| text(&block["tool_use_id"])).collect()
}

/// The next message answers each call, and only calls of the message before.
fn check_tool_pairs(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let messages = messages(request);
    for (index, message) in messages.iter().enumerate() {
        let answered = messages.get(index + 1).map(results).unwrap_or_default();
        let open: Vec<&str> = calls(message).map(|(_, id)| id).filter(|id| !answered.contains(id)).collect();
        require(open.is_empty(), || {
            format!(
                "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
                 `tool_use` block must have a corresponding `tool_result` block in the next message.",
                open.join(", ")
            )
        })?;
        let called: HashSet<&str> = index
            .checked_sub(1)
            .and_then(|before| messages.get(before))
            .map(|before| calls(before).map(|(_, id)| id).collect())
            .unwrap_or_default();
        if let Some(stray) = results(message).into_iter().find(|id| !called.contains(id)) {
            return Err(Refusal::new(format!(
                "messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each `tool_result` block \
                 must have a corresponding `tool_use` block in the previous message."
            )));
        }
    }
    Ok(())
}

fn check_results_first(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    for (index, message) in messages(request).iter().enumerate() {
        let is_result: Vec<bool> =
            blocks(message).iter().map(|block| block["type"] == "tool_result").collect();
        require(is_result.is_sorted_by(|before, after| before >= after), || {
            format!("messages.{index}: `tool_result` blocks must come before other content")
        })?;
    }
    Ok(())
}

fn budget(request: &StrictRequest<'_>) -> Option<u64> {
    let thinking = &request.body["thinking"];
    (thinking["type"] == "enabled").then(|| thinking["budget_tokens"].as_u64()).flatten()
}

fn check_budget(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    require(budget(request).is_none_or(|budget| budget >= MIN_BUDGET), || {
        format!("thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_BUDGET}")
    })
}

fn check_budget_limit(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let limit = request.body["max_tokens"].as_u64().unwrap_or(u64::MAX);
    require(budget(request).is_none_or(|budget| budget < limit), || {
        "`max_tokens` must be greater than `thinking.budget_tokens`.".to_owned()
    })
}

fn check_thinking_mode(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let kind = text(&request.body["thinking"]["type"]);
    match (request.model.thinking, kind) {
        (ThinkingMode::Adaptive, "enabled") => Err(Refusal::new(
            "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior.",
        )),
        (ThinkingMode::Budget, "adaptive") => {
            Err(Refusal::new("adaptive thinking is not supported on this model"))
        }
        _ => Ok(()),
    }
}

fn check_effort(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let has_effort = !request.body["output_config"]["effort"].is_null();
    require(!has_effort || request.model.thinking == ThinkingMode::Adaptive, || {
        "This model does not support the effort parameter.".to_owned()
    })
}

/// For models with a budget; the others refuse sampling parameters in any case.
fn thinks_with_budget(request: &StrictRequest<'_>) -> bool {
    is_thinking(request) && request.model.thinking != ThinkingMode::Adaptive
}

fn check_temperature(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let temperature = request.body["temperature"].as_f64();
    require(!thinks_with_budget(request) || temperature.is_none_or(|value| value == 1.0), || {
        "`temperature` may only be set to 1 when thinking is enabled.".to_owned()
    })
}

fn check_top_k(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    require(!thinks_with_budget(request) || request.body["top_k"].is_null(), || {
        "`top_k` must be unset when thinking is enabled.".to_owned()
    })
}

fn check_sampling(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    // The default values are accepted (https://github.com/anomalyco/models.dev/pull/1468).
    let is_default = |name: &str, value: &Value| name != "top_k" && value.as_f64() == Some(1.0);
    let given = ["temperature", "top_p", "top_k"].into_iter().find(|name| {
        let value = &request.body[*name];
        !value.is_null() && !is_default(name, value)
    });
    match given.filter(|_| request.model.thinking == ThinkingMode::Adaptive) {
        None => Ok(()),
        Some(name) => Err(Refusal::new(format!("`{name}` is deprecated for this model."))),
    }
}

/// Adaptive thinking works with a forced tool.
fn check_forced_tool(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let is_forced = matches!(text(&request.body["tool_choice"]["type"]), "any" | "tool");
    require(!is_forced || !thinks_with_budget(request), || {
        "Thinking may not be enabled when tool_choice forces tool use.".to_owned()
    })
}

/// The newer models accept no prefill at all.
fn check_prefill(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let is_prefilled = messages(request).last().is_some_and(|last| last["role"] == "assistant");
    require(
        !is_prefilled || !is_thinking(request) && request.model.thinking != ThinkingMode::Adaptive,
        || {
            "This model does not support assistant message prefill. The conversation must end with a user message.".to_owned()
        },
    )
}

/// With a budget, the last turn of the assistant in a tool loop starts with a thinking block.
fn check_thinking_first(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let messages = messages(request);
    let is_in_loop = messages.last().is_some_and(|last| !results(last).is_empty());
    if !is_in_loop || !thinks_with_budget(request) {
        return Ok(());
    }
    // The turn begins after the last message of the user that is not a result.
    let begin = messages.iter().rposition(|message| message["role"] == "user" && results(message).is_empty());
    let first = messages
        .iter()
        .enumerate()
        .skip(begin.map_or(0, |at| at + 1))
        .find(|(_, it)| it["role"] == "assistant");
    let Some((index, first)) = first else { return Ok(()) };
    let Some(block) = blocks(first).first() else { return Ok(()) };
    require(is_thought(block), || {
        format!(
            "messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{}`. When `thinking` is \
             enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` \
             and `tool_result` blocks).",
            text(&block["type"])
        )
    })
}

fn check_signatures(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    for (index, message) in messages(request).iter().enumerate() {
        for (place, block) in blocks(message).iter().enumerate() {
            let is_issued = match text(&block["type"]) {
                "thinking" => seal::is_signature(text(&block["thinking"]), text(&block["signature"])),
                "redacted_thinking" => seal::is_sealed("anthropic", text(&block["data"])),
                _ => true,
            };
            require(is_issued, || {
                format!("messages.{index}.content.{place}: Invalid `signature` in `thinking` block")
            })?;
        }
    }
    Ok(())
}

/// The cache breakpoints in the order in which the service processes them, with their places.
fn breakpoints<'a>(request: &StrictRequest<'a>) -> Vec<(String, &'a Value)> {
    let mut found = Vec::new();
    for key in ["tools", "system"] {
        let holders = list(&request.body[key]).iter().enumerate();
        found.extend(holders.map(|(index, holder)| (format!("{key}.{index}"), &holder["cache_control"])));
    }
    for (index, message) in messages(request).iter().enumerate() {
        for (place, block) in blocks(message).iter().enumerate() {
            found.push((format!("messages.{index}.content.{place}"), &block["cache_control"]));
            let inner = list(&block["content"]).iter().enumerate();
            found.extend(inner.map(|(inner, block)| {
                (format!("messages.{index}.content.{place}.content.{inner}"), &block["cache_control"])
            }));
        }
    }
    found.retain(|(_, control)| !control.is_null());
    found
}

fn check_breakpoints(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let count = breakpoints(request).len();
    require(count <= MAX_BREAKPOINTS, || {
        format!("A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {count}.")
    })
}

fn check_breakpoint_order(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let mut has_short = false;
    for (place, control) in breakpoints(request) {
        let is_long = control["ttl"] == "1h";
        require(!(is_long && has_short), || {
            format!(
                "{place}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. \
                 Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )
        })?;
        has_short |= !is_long;
    }
    Ok(())
}

/// The images of the request, those in tool results included.
fn images<'a>(request: &StrictRequest<'a>) -> impl Iterator<Item = &'a Value> {
    let blocks = messages(request).iter().flat_map(blocks);
    let all = blocks.flat_map(|block| std::iter::once(block).chain(list(&block["content"])));
    all.filter(|block| block["type"] == "image")
}

fn check_image_count(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let count = images(request).count();
    require(count <= MAX_IMAGES, || format!("messages: too many images: {count} > {MAX_IMAGES}"))
}

fn check_image_size(request: &StrictRequest<'_>) -> Result<(), Refusal> {
    let largest = images(request).map(|image| text(&image["source"]["data"]).len()).max().unwrap_or(0);
    require(largest <= MAX_IMAGE_BYTES, || {
        format!("image.source.base64: image exceeds 5 MB maximum: {largest} bytes > {MAX_IMAGE_BYTES} bytes")
    })
}
