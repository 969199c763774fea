//! The model, written as a messages request.

use super::super::conversation::knobs::{Format, Knobs};
use super::super::conversation::thinking::{LEAST_BUDGET, Switch, Thinking};
use super::super::conversation::tools::{Choice, NO_ARGUMENTS, Tool};
use super::super::conversation::{Block, Conversation, Role, Turn};
use super::super::losses::{self, Losses};
use super::super::node::{Literal, Node};
use super::super::writer::{ObjectWriter, object};
use super::write_content;

/// The output limit where neither client nor catalog says one: what Claude Code and opencode ask for.
const MAX_TOKENS: u64 = 32_000;

/// The body.
pub(in crate::protocol::translate) fn write(
    conversation: &Conversation<'_>,
    default_max_tokens: Option<u64>,
    losses: &mut Losses,
) -> Vec<u8> {
    let (system, turns) = split(&conversation.turns, losses);
    let knobs = &conversation.knobs;
    let default = default_max_tokens.unwrap_or(MAX_TOKENS);
    let limit = knobs.max_tokens.and_then(|raw| Node::new(raw).count()).unwrap_or(default);
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
    thinking(&mut body, &conversation.thinking, knobs.format.as_ref(), limit, losses);
    self::knobs(&mut body, knobs, losses);
    if !system.is_empty() {
        body.array("system", system, |out, text| write_content::text(out, text));
    }
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, tool);
        tool_choice(&mut body, conversation, losses);
    }
    body.array("messages", turns, |out, turn| message(out, turn, losses));
    body.end();
    out
}

/// The texts that lead the conversation are the system's; a conversation of nothing else keeps the last of them, as the
/// face wants a message.
fn split<'l, 't>(turns: &'l [Turn<'t>], losses: &mut Losses) -> (Vec<&'l Literal<'t>>, &'l [Turn<'t>]) {
    let leading = turns.iter().take_while(|turn| turn.role.is_system()).count();
    let leading = if leading == turns.len() { leading.saturating_sub(1) } else { leading };
    let (system, rest) = turns.split_at_checked(leading).unwrap_or((&[], turns));
    losses.note_if(rest.iter().any(|turn| turn.role.is_system()), losses::SYSTEM_IN_PLACE);
    losses.note_if(turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    let blocks = system.iter().flat_map(|turn| &turn.blocks);
    let texts = blocks.filter_map(|block| match block {
        Block::Text(text) => (!text.is_empty()).then_some(text),
        _ => {
            losses.note(losses::UNKNOWN_BLOCKS);
            None
        }
    });
    (texts.collect(), rest)
}

fn message(out: &mut Vec<u8>, turn: &Turn<'_>, losses: &mut Losses) {
    let mut blocks = Vec::new();
    let is_system = turn.role.is_system();
    for block in &turn.blocks {
        let mut block_out = Vec::new();
        match block {
            Block::Text(text) if is_system => {
                let text = text.wrapped("<system-reminder>\n", "\n</system-reminder>");
                write_content::text(&mut block_out, &text);
            }
            block => write_content::block(&mut block_out, block, losses),
        }
        if !block_out.is_empty() {
            blocks.push(block_out);
        }
    }
    if blocks.is_empty() {
        return;
    }
    object(out, |message| {
        message.text("role", if turn.role == Role::Assistant { "assistant" } else { "user" });
        message.array("content", &blocks, |out, block| out.extend_from_slice(block));
    });
}

fn knobs(body: &mut ObjectWriter<'_>, knobs: &Knobs<'_>, losses: &mut Losses) {
    body.raw_if("temperature", knobs.temperature);
    body.raw_if("top_p", knobs.top_p);
    body.raw_if("top_k", knobs.top_k);
    if !knobs.stops.is_empty() {
        body.array("stop_sequences", &knobs.stops, |out, stop| out.extend_from_slice(stop.as_bytes()));
    }
    if let Some(user) = knobs.user.as_ref().or(knobs.safety_identifier.as_ref()) {
        body.object("metadata", |metadata| metadata.literal("user_id", user));
    }
    match knobs.tier.as_ref().map(|tier| tier.text().into_owned()).as_deref() {
        Some("auto") => body.text("service_tier", "auto"),
        Some("default") => body.text("service_tier", "standard_only"),
        tier => losses.note_if(tier.is_some(), losses::TIER),
    }
    losses.note_if(knobs.metadata.is_some_and(|pairs| pairs != b"{}"), losses::METADATA);
    losses.note_if(!knobs.cache.is_empty(), losses::CACHE_KEY);
    losses.note_if(knobs.verbosity.is_some(), losses::VERBOSITY);
}

/// A budget goes with the effort, because older servers know nothing else; the target's dialect leaves one of them.
fn thinking(
    body: &mut ObjectWriter<'_>,
    thinking: &Thinking<'_>,
    format: Option<&Format<'_>>,
    limit: u64,
    losses: &mut Losses,
) {
    // The budget must be less than the limit, and no less than the least.
    let budget = thinking.tokens().map(|tokens| tokens.max(LEAST_BUDGET).min(limit.saturating_sub(1)));
    match (thinking.switch, budget.filter(|budget| *budget >= LEAST_BUDGET)) {
        (Some(Switch::Off), _) => body.raw("thinking", r#"{"type":"disabled"}"#),
        (Some(Switch::Adaptive), _) => body.raw("thinking", r#"{"type":"adaptive"}"#),
        (_, Some(budget)) => {
            body.raw("thinking", format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#))
        }
        (Some(Switch::On), None) => body.raw("thinking", r#"{"type":"adaptive"}"#),
        (None, None) => {}
    }
    let effort = thinking.effort.as_deref().filter(|_| thinking.switch != Some(Switch::Off));
    losses.note_if(matches!(format, Some(Format::Json)), losses::FORMAT);
    let schema = match format {
        Some(Format::Schema { schema, .. }) => Some(schema),
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

fn tool(out: &mut Vec<u8>, tool: &Tool<'_>) {
    object(out, |body| {
        body.literal("name", &tool.name);
        body.literal_if("description", tool.description.as_ref());
        body.raw("input_schema", tool.schema.unwrap_or(NO_ARGUMENTS));
        if tool.strict == Some(true) {
            body.flag("strict", true);
        }
    });
}

fn tool_choice(body: &mut ObjectWriter<'_>, conversation: &Conversation<'_>, losses: &mut Losses) {
    let one_at_a_time = conversation.parallel == Some(false);
    let choice = match &conversation.choice {
        None if one_at_a_time => &Choice::Auto,
        None => return,
        Some(choice) => choice,
    };
    losses.note_if(one_at_a_time && *choice == Choice::None, losses::PARALLEL);
    body.object("tool_choice", |body| {
        match choice {
            Choice::Auto => body.text("type", "auto"),
            Choice::None => body.text("type", "none"),
            Choice::Any => body.text("type", "any"),
            Choice::Tool(name) => {
                body.text("type", "tool");
                body.literal("name", name);
            }
        }
        if one_at_a_time && *choice != Choice::None {
            body.flag("disable_parallel_tool_use", true);
        }
    });
}
