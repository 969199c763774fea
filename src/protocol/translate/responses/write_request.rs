//! The model, written as a responses request.

use super::super::conversation::parameters::{Parameters, ResponseFormat};
use super::super::conversation::thinking::{ThinkingMode, ThinkingSettings};
use super::super::conversation::tools::{EMPTY_SCHEMA, ToolChoice, ToolDefinition};
use super::super::conversation::{ContentBlock, Conversation, ConversationTurn, Role};
use super::super::losses::{self, Losses};
use super::super::node::StringLiteral;
use super::super::openai;
use super::super::writer::{ObjectWriter, write_object};
use super::write_items;

/// The body.
pub(in crate::protocol::translate) fn write(conversation: &Conversation<'_>, losses: &mut Losses) -> Vec<u8> {
    let (instructions, turns) = split_instructions(&conversation.turns);
    let mut out = Vec::new();
    let mut body = ObjectWriter::new(&mut out);
    write_parameters(&mut body, &conversation.parameters, losses);
    let is_sealed = |block: &ContentBlock<'_>| {
        matches!(
            block,
            ContentBlock::RedactedReasoning(_) | ContentBlock::Reasoning { signature: Some(_), .. }
        )
    };
    let has_seals = turns.iter().flat_map(|turn| &turn.blocks).any(is_sealed);
    // The provider stores nothing: the client sends the whole conversation each time and receives the reasoning
    // encrypted, for its next request.
    body.flag("store", false);
    if has_seals || conversation.thinking.is_requested() {
        body.raw("include", r#"["reasoning.encrypted_content"]"#);
    }
    write_thinking(&mut body, &conversation.thinking, losses);
    body.literal_if("instructions", instructions);
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, write_tool);
        if let Some(parallel) = conversation.parallel_tool_calls {
            body.flag("parallel_tool_calls", parallel);
        }
    }
    if let Some(choice) = &conversation.tool_choice {
        write_tool_choice(&mut body, choice);
    }
    losses.record_if(turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    body.array("input", write_items::write(turns, losses), |out, item: Vec<u8>| out.extend_from_slice(&item));
    body.end();
    out
}

/// A leading system message of one text becomes the instructions, unless nothing follows it; others become
/// items.
fn split_instructions<'l, 't>(
    turns: &'l [ConversationTurn<'t>],
) -> (Option<&'l StringLiteral<'t>>, &'l [ConversationTurn<'t>]) {
    if let [first, rest @ ..] = turns
        && !rest.is_empty()
        && first.role == Role::System
        && first.name.is_none()
        && let [ContentBlock::Text(text)] = first.blocks.as_slice()
    {
        return (Some(text), rest);
    }
    (None, turns)
}

fn write_parameters(body: &mut ObjectWriter<'_>, knobs: &Parameters<'_>, losses: &mut Losses) {
    body.raw_if("model", knobs.model);
    if let Some(stream) = knobs.stream {
        body.flag("stream", stream);
    }
    body.raw_if("max_output_tokens", knobs.max_tokens);
    body.raw_if("temperature", knobs.temperature);
    body.raw_if("top_p", knobs.top_p);
    losses.record_if(knobs.top_k.is_some(), losses::TOP_K);
    losses.record_if(!knobs.stop_sequences.is_empty(), losses::STOP);
    openai::write_shared_fields(body, knobs, losses);
    if knobs.response_format.is_none() && knobs.verbosity.is_none() {
        return;
    }
    body.object("text", |text| {
        match &knobs.response_format {
            Some(ResponseFormat::JsonObject) => text.raw("format", r#"{"type":"json_object"}"#),
            Some(format) => text.object("format", |inner| {
                inner.text("type", "json_schema");
                openai::write_schema(inner, format);
            }),
            None => {}
        }
        text.raw_if("verbosity", knobs.verbosity);
    });
}

/// A client that requests thinking in another format expects to see it: here that is the summary.
fn write_thinking(body: &mut ObjectWriter<'_>, thinking: &ThinkingSettings<'_>, losses: &mut Losses) {
    let is_shown = matches!(thinking.mode, Some(ThinkingMode::On | ThinkingMode::Adaptive)).then_some("auto");
    let summary =
        thinking.summary.as_deref().or(is_shown).filter(|_| thinking.mode != Some(ThinkingMode::Off));
    let word = thinking.resolve_effort();
    if summary.is_none() && word.is_none() {
        return;
    }
    losses.record_if(thinking.effort.is_none() && thinking.budget_tokens.is_some(), losses::THINKING_BUDGET);
    body.object("reasoning", |reasoning| {
        if let Some(word) = word {
            reasoning.text("effort", word);
        }
        if let Some(summary) = summary {
            reasoning.text("summary", summary);
        }
    });
}

/// `strict` defaults to true here (OpenAI's API reference, 2026-11), and to false in the other formats.
fn write_tool(out: &mut Vec<u8>, tool: &ToolDefinition<'_>) {
    write_object(out, |body| {
        body.text("type", "function");
        body.literal("name", &tool.name);
        body.literal_if("description", tool.description.as_ref());
        body.raw("parameters", tool.schema.unwrap_or(EMPTY_SCHEMA));
        body.flag("strict", tool.is_strict.unwrap_or(false));
    });
}

fn write_tool_choice(body: &mut ObjectWriter<'_>, choice: &ToolChoice<'_>) {
    match choice {
        ToolChoice::Auto => body.text("tool_choice", "auto"),
        ToolChoice::None => body.text("tool_choice", "none"),
        ToolChoice::Required => body.text("tool_choice", "required"),
        ToolChoice::Named(name) => body.object("tool_choice", |choice| {
            choice.text("type", "function");
            choice.literal("name", name);
        }),
    }
}
