//! The model, written as a messages request.

use super::super::conversation::parameters::{Parameters, ResponseFormat};
use super::super::conversation::thinking::{MIN_BUDGET_TOKENS, ThinkingMode, ThinkingSettings};
use super::super::conversation::tools::{EMPTY_SCHEMA, ToolChoice, ToolDefinition};
use super::super::conversation::{ContentBlock, Conversation, ConversationTurn, Role};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, StringLiteral};
use super::super::writer::{ObjectWriter, write_object};
use super::write_content;

/// The output limit if neither client nor catalog specifies one: the value that Claude Code and opencode
/// request.
const DEFAULT_MAX_TOKENS: u64 = 32_000;

/// The body.
pub(in crate::protocol::translate) fn write(
    conversation: &Conversation<'_>,
    default_max_tokens: Option<u64>,
    losses: &mut Losses,
) -> Vec<u8> {
    let (system, turns) = split_system(&conversation.turns, losses);
    let knobs = &conversation.parameters;
    let default = default_max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let limit = knobs.max_tokens.and_then(|raw| JsonNode::new(raw).as_u64()).unwrap_or(default);
    let mut out = Vec::new();
    let mut body = ObjectWriter::new(&mut out);
    body.raw_if("model", knobs.model);
    match knobs.max_tokens {
        Some(raw) => body.raw("max_tokens", raw),
        None => body.raw("max_tokens", default.to_string()),
    }
    if let Some(stream) = knobs.stream {
        body.flag("stream", stream);
    }
    write_thinking(&mut body, &conversation.thinking, knobs.response_format.as_ref(), limit, losses);
    self::write_parameters(&mut body, knobs, losses);
    if !system.is_empty() {
        body.array("system", system, |out, text| write_content::write_text(out, text));
    }
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, write_tool);
        write_tool_choice(&mut body, conversation, losses);
    }
    body.array("messages", turns, |out, turn| write_message(out, turn, losses));
    body.end();
    out
}

/// Leading texts become the system prompt. A conversation of only system texts keeps the last one as a message,
/// because the API requires one.
fn split_system<'l, 't>(
    turns: &'l [ConversationTurn<'t>],
    losses: &mut Losses,
) -> (Vec<&'l StringLiteral<'t>>, &'l [ConversationTurn<'t>]) {
    let leading = turns.iter().take_while(|turn| turn.role.is_system()).count();
    let leading = if leading == turns.len() { leading.saturating_sub(1) } else { leading };
    let (system, rest) = turns.split_at_checked(leading).unwrap_or((&[], turns));
    losses.record_if(rest.iter().any(|turn| turn.role.is_system()), losses::SYSTEM_IN_PLACE);
    losses.record_if(turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    let blocks = system.iter().flat_map(|turn| &turn.blocks);
    let texts = blocks.filter_map(|block| match block {
        ContentBlock::Text(text) => (!text.is_empty()).then_some(text),
        _ => {
            losses.record(losses::UNKNOWN_BLOCKS);
            None
        }
    });
    (texts.collect(), rest)
}

fn write_message(out: &mut Vec<u8>, turn: &ConversationTurn<'_>, losses: &mut Losses) {
    let mut blocks = Vec::new();
    let is_system = turn.role.is_system();
    for block in &turn.blocks {
        let mut block_out = Vec::new();
        match block {
            ContentBlock::Text(text) if is_system => {
                let text = text.wrap("<system-reminder>\n", "\n</system-reminder>");
                write_content::write_text(&mut block_out, &text);
            }
            block => write_content::write_block(&mut block_out, block, losses),
        }
        if !block_out.is_empty() {
            blocks.push(block_out);
        }
    }
    if blocks.is_empty() {
        return;
    }
    write_object(out, |message| {
        message.text("role", if turn.role == Role::Assistant { "assistant" } else { "user" });
        message.array("content", &blocks, |out, block| out.extend_from_slice(block));
    });
}

fn write_parameters(body: &mut ObjectWriter<'_>, knobs: &Parameters<'_>, losses: &mut Losses) {
    body.raw_if("temperature", knobs.temperature);
    body.raw_if("top_p", knobs.top_p);
    body.raw_if("top_k", knobs.top_k);
    if !knobs.stop_sequences.is_empty() {
        body.array("stop_sequences", &knobs.stop_sequences, |out, stop| {
            out.extend_from_slice(stop.as_bytes())
        });
    }
    if let Some(user) = knobs.user.as_ref().or(knobs.safety_identifier.as_ref()) {
        body.object("metadata", |metadata| metadata.literal("user_id", user));
    }
    match knobs.service_tier.as_ref().map(|tier| tier.text().into_owned()).as_deref() {
        Some("auto") => body.text("service_tier", "auto"),
        Some("default") => body.text("service_tier", "standard_only"),
        tier => losses.record_if(tier.is_some(), losses::TIER),
    }
    losses.record_if(knobs.metadata.is_some_and(|pairs| pairs != b"{}"), losses::METADATA);
    losses.record_if(!knobs.cache_fields.is_empty(), losses::CACHE_KEY);
    losses.record_if(knobs.verbosity.is_some(), losses::VERBOSITY);
}

/// A budget accompanies the effort, because older servers support only budgets; the provider adapter of the
/// target keeps one of them.
fn write_thinking(
    body: &mut ObjectWriter<'_>,
    thinking: &ThinkingSettings<'_>,
    format: Option<&ResponseFormat<'_>>,
    limit: u64,
    losses: &mut Losses,
) {
    // The budget must be less than the limit, and no less than the least.
    let budget =
        thinking.resolve_budget().map(|tokens| tokens.max(MIN_BUDGET_TOKENS).min(limit.saturating_sub(1)));
    match (thinking.mode, budget.filter(|budget| *budget >= MIN_BUDGET_TOKENS)) {
        (Some(ThinkingMode::Off), _) => body.raw("thinking", r#"{"type":"disabled"}"#),
        (Some(ThinkingMode::Adaptive), _) => body.raw("thinking", r#"{"type":"adaptive"}"#),
        (_, Some(budget)) => {
            body.raw("thinking", format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#))
        }
        (Some(ThinkingMode::On), None) => body.raw("thinking", r#"{"type":"adaptive"}"#),
        (None, None) => {}
    }
    let effort = thinking.effort.as_deref().filter(|_| thinking.mode != Some(ThinkingMode::Off));
    losses.record_if(matches!(format, Some(ResponseFormat::JsonObject)), losses::FORMAT);
    let schema = match format {
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
        _ => None,
    };
    if effort.is_none() && schema.is_none() {
        return;
    }
    body.object("output_config", |config| {
        if let Some(effort) = effort {
            config.text("effort", effort);
        }
        if let Some(schema) = schema {
            config.object("format", |format| {
                format.text("type", "json_schema");
                format.raw("schema", schema);
            });
        }
    });
}

fn write_tool(out: &mut Vec<u8>, tool: &ToolDefinition<'_>) {
    write_object(out, |body| {
        body.literal("name", &tool.name);
        body.literal_if("description", tool.description.as_ref());
        body.raw("input_schema", tool.schema.unwrap_or(EMPTY_SCHEMA));
        if tool.is_strict == Some(true) {
            body.flag("strict", true);
        }
    });
}

fn write_tool_choice(body: &mut ObjectWriter<'_>, conversation: &Conversation<'_>, losses: &mut Losses) {
    let one_at_a_time = conversation.parallel_tool_calls == Some(false);
    let choice = match &conversation.tool_choice {
        None if one_at_a_time => &ToolChoice::Auto,
        None => return,
        Some(choice) => choice,
    };
    losses.record_if(one_at_a_time && *choice == ToolChoice::None, losses::PARALLEL);
    body.object("tool_choice", |body| {
        match choice {
            ToolChoice::Auto => body.text("type", "auto"),
            ToolChoice::None => body.text("type", "none"),
            ToolChoice::Required => body.text("type", "any"),
            ToolChoice::Named(name) => {
                body.text("type", "tool");
                body.literal("name", name);
            }
        }
        if one_at_a_time && *choice != ToolChoice::None {
            body.flag("disable_parallel_tool_use", true);
        }
    });
}
