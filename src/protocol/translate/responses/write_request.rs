//! The model, written as a responses request.

use super::super::conversation::knobs::{Format, Knobs};
use super::super::conversation::thinking::{Switch, Thinking};
use super::super::conversation::tools::{Choice, NO_ARGUMENTS, Tool};
use super::super::conversation::{Block, Conversation, Role, Turn};
use super::super::losses::{self, Losses};
use super::super::node::Literal;
use super::super::openai;
use super::super::writer::{ObjectWriter, object};
use super::write_items;

/// The body.
pub(in crate::protocol::translate) fn write(conversation: &Conversation<'_>, losses: &mut Losses) -> Vec<u8> {
    let (instructions, turns) = split(&conversation.turns);
    let mut out = Vec::new();
    let mut body = ObjectWriter::new(&mut out);
    knobs(&mut body, &conversation.knobs, losses);
    let is_sealed =
        |block: &Block<'_>| matches!(block, Block::Veiled(_) | Block::Reasoning { seal: Some(_), .. });
    let has_seals = turns.iter().flat_map(|turn| &turn.blocks).any(is_sealed);
    // Nothing is kept there: the client sends the whole conversation each time, and the reasoning comes back to it
    // encrypted, for the next request.
    body.flag("store", false);
    if has_seals || conversation.thinking.is_wanted() {
        body.raw("include", r#"["reasoning.encrypted_content"]"#);
    }
    thinking(&mut body, &conversation.thinking, losses);
    body.literal_if("instructions", instructions);
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, tool);
        if let Some(parallel) = conversation.parallel {
            body.flag("parallel_tool_calls", parallel);
        }
    }
    if let Some(choice) = &conversation.choice {
        tool_choice(&mut body, choice);
    }
    losses.note_if(turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    body.array("input", write_items::of(turns, losses), |out, item: Vec<u8>| out.extend_from_slice(&item));
    body.end();
    out
}

/// A leading system message of one text is the instructions, unless nothing follows it; others stand among the items.
fn split<'l, 't>(turns: &'l [Turn<'t>]) -> (Option<&'l Literal<'t>>, &'l [Turn<'t>]) {
    if let [first, rest @ ..] = turns
        && !rest.is_empty()
        && first.role == Role::System
        && first.name.is_none()
        && let [Block::Text(text)] = first.blocks.as_slice()
    {
        return (Some(text), rest);
    }
    (None, turns)
}

fn knobs(body: &mut ObjectWriter<'_>, knobs: &Knobs<'_>, losses: &mut Losses) {
    body.raw_if("model", knobs.model);
    if let Some(stream) = knobs.stream {
        body.flag("stream", stream);
    }
    body.raw_if("max_output_tokens", knobs.max_tokens);
    body.raw_if("temperature", knobs.temperature);
    body.raw_if("top_p", knobs.top_p);
    losses.note_if(knobs.top_k.is_some(), losses::TOP_K);
    losses.note_if(!knobs.stops.is_empty(), losses::STOP);
    openai::write_terms(body, knobs, losses);
    if knobs.format.is_none() && knobs.verbosity.is_none() {
        return;
    }
    body.object("text", |text| {
        match &knobs.format {
            Some(Format::Json) => text.raw("format", r#"{"type":"json_object"}"#),
            Some(format) => text.object("format", |inner| {
                inner.text("type", "json_schema");
                openai::write_schema(inner, format);
            }),
            None => {}
        }
        text.raw_if("verbosity", knobs.verbosity);
    });
}

/// Who asks for thinking in another face expects to see it: here that is the summary.
fn thinking(body: &mut ObjectWriter<'_>, thinking: &Thinking<'_>, losses: &mut Losses) {
    let is_shown = matches!(thinking.switch, Some(Switch::On | Switch::Adaptive)).then_some("auto");
    let summary = thinking.summary.as_deref().or(is_shown).filter(|_| thinking.switch != Some(Switch::Off));
    let word = thinking.word();
    if summary.is_none() && word.is_none() {
        return;
    }
    losses.note_if(thinking.effort.is_none() && thinking.budget.is_some(), losses::THINKING_BUDGET);
    body.object("reasoning", |reasoning| {
        if let Some(word) = word {
            reasoning.text("effort", word);
        }
        if let Some(summary) = summary {
            reasoning.text("summary", summary);
        }
    });
}

/// `strict` is on here where nothing is said (OpenAI's API reference, 2026-11), off in the other faces.
fn tool(out: &mut Vec<u8>, tool: &Tool<'_>) {
    object(out, |body| {
        body.text("type", "function");
        body.literal("name", &tool.name);
        body.literal_if("description", tool.description.as_ref());
        body.raw("parameters", tool.schema.unwrap_or(NO_ARGUMENTS));
        body.flag("strict", tool.strict.unwrap_or(false));
    });
}

fn tool_choice(body: &mut ObjectWriter<'_>, choice: &Choice<'_>) {
    match choice {
        Choice::Auto => body.text("tool_choice", "auto"),
        Choice::None => body.text("tool_choice", "none"),
        Choice::Any => body.text("tool_choice", "required"),
        Choice::Tool(name) => body.object("tool_choice", |choice| {
            choice.text("type", "function");
            choice.literal("name", name);
        }),
    }
}
