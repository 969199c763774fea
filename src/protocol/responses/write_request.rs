//! The model, written as a responses request.

use crate::protocol::codec::content;
use crate::protocol::model::conversation::{
    ContentBlock, Conversation, ConversationTurn, MediaSource, Role, ToolCall, ToolResult,
};
use crate::protocol::model::losses::{self, Losses};
use crate::protocol::model::node::StringLiteral;
use crate::protocol::model::parameters::{Parameters, ResponseFormat};
use crate::protocol::model::seal::Seal;
use crate::protocol::model::thinking::{ThinkingMode, ThinkingSettings};
use crate::protocol::model::tools::{ToolChoice, ToolDefinition, to_responses_id};
use crate::protocol::writer::{ObjectWriter, write_array, write_object};

pub(crate) fn write(conversation: &Conversation<'_>, losses: &mut Losses) -> Vec<u8> {
    let (instructions, turns) = split_instructions(&conversation.turns);
    let mut out = Vec::new();
    let mut body = ObjectWriter::new(&mut out);
    write_parameters(&mut body, &conversation.parameters, losses);
    let is_signed = |block: &ContentBlock<'_>| {
        matches!(
            block,
            ContentBlock::RedactedReasoning(_) | ContentBlock::Reasoning { signature: Some(_), .. }
        )
    };
    let has_signatures = turns.iter().flat_map(|turn| &turn.blocks).any(is_signed);
    // The provider stores nothing: the client sends the whole conversation each time and receives the reasoning
    // encrypted, for its next request.
    body.flag("store", false);
    if has_signatures || conversation.thinking.is_requested() {
        body.raw("include", r#"["reasoning.encrypted_content"]"#);
    }
    write_thinking(&mut body, &conversation.thinking, losses);
    body.raw_if("instructions", instructions);
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, write_tool);
        body.flag_if("parallel_tool_calls", conversation.parallel_tool_calls);
    }
    if let Some(choice) = &conversation.tool_choice {
        write_tool_choice(&mut body, choice);
    }
    losses.record_if(turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    body.array("input", write_items(turns, losses), |out, item: Vec<u8>| out.extend_from_slice(&item));
    out.push(b'}');
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

fn write_parameters(body: &mut ObjectWriter<'_>, parameters: &Parameters<'_>, losses: &mut Losses) {
    body.raw_if("model", parameters.model);
    body.flag_if("stream", parameters.stream);
    body.raw_if("max_output_tokens", parameters.max_tokens);
    body.raw_if("temperature", parameters.temperature);
    body.raw_if("top_p", parameters.top_p);
    losses.record_if(parameters.top_k.is_some(), losses::TOP_K);
    losses.record_if(!parameters.stop_sequences.is_empty(), losses::STOP);
    content::write_shared_fields(body, parameters, losses);
    if parameters.response_format.is_none() && parameters.verbosity.is_none() {
        return;
    }
    body.object("text", |text| {
        match &parameters.response_format {
            Some(ResponseFormat::JsonObject) => text.raw("format", r#"{"type":"json_object"}"#),
            Some(format) => text.object("format", |inner| {
                inner.escaped("type", "json_schema");
                content::write_schema(inner, format);
            }),
            None => {}
        }
        text.raw_if("verbosity", parameters.verbosity);
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
        body.escaped("type", "function");
        body.raw("name", &tool.name);
        body.raw_if("description", tool.description.as_ref());
        body.raw("parameters", tool.object_schema());
        body.flag("strict", tool.is_strict.unwrap_or(false));
    });
}

fn write_tool_choice(body: &mut ObjectWriter<'_>, choice: &ToolChoice<'_>) {
    match choice {
        ToolChoice::Auto => body.text("tool_choice", "auto"),
        ToolChoice::None => body.text("tool_choice", "none"),
        ToolChoice::Required => body.text("tool_choice", "required"),
        ToolChoice::Named(name) => body.object("tool_choice", |choice| {
            choice.escaped("type", "function");
            choice.raw("name", name);
        }),
    }
}

/// The items of these turns: adjacent text of one turn becomes one message. The assistant's texts are a message each: one with
/// parts needs an id (`OutputMessage` in OpenAI's OpenAPI file, 2026-11).
fn write_items(turns: &[ConversationTurn<'_>], losses: &mut Losses) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    for turn in turns {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for block in &turn.blocks {
            let mut out = Vec::new();
            if let (Role::Assistant, ContentBlock::Text(text) | ContentBlock::Refusal(text)) =
                (turn.role, block)
            {
                write_message(turn.role, &mut parts, &mut items);
                write_object(&mut out, |message| {
                    message.escaped("type", "message");
                    message.escaped("role", "assistant");
                    message.raw("content", text);
                });
                items.push(out);
                continue;
            }
            if is_part(block) {
                write_part(&mut out, turn.role, block, losses);
                parts.push(out);
                continue;
            }
            write_message(turn.role, &mut parts, &mut items);
            write_item(&mut out, block, losses);
            items.push(out);
        }
        write_message(turn.role, &mut parts, &mut items);
    }
    items
}

const fn is_part(block: &ContentBlock<'_>) -> bool {
    matches!(
        block,
        ContentBlock::Text(_)
            | ContentBlock::Refusal(_)
            | ContentBlock::Image(_)
            | ContentBlock::File(_)
            | ContentBlock::Video(_)
    )
}

fn write_message(role: Role, parts: &mut Vec<Vec<u8>>, items: &mut Vec<Vec<u8>>) {
    if parts.is_empty() {
        return;
    }
    let role = match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User | Role::Tools => "user",
        Role::Assistant => "assistant",
    };
    let mut out = Vec::new();
    write_object(&mut out, |message| {
        message.escaped("type", "message");
        message.text("role", role);
        message.array("content", parts.drain(..), |out, part| out.extend_from_slice(&part));
    });
    items.push(out);
}

fn write_part(out: &mut Vec<u8>, role: Role, block: &ContentBlock<'_>, losses: &mut Losses) {
    let kind = if role == Role::Assistant { "output_text" } else { "input_text" };
    match block {
        ContentBlock::Text(text) | ContentBlock::Refusal(text) => write_text_part(out, kind, text),
        ContentBlock::Image(image) => write_object(out, |part| {
            part.escaped("type", "input_image");
            match (&image.source, image.source.to_url()) {
                (MediaSource::FileId(id), _) => part.raw("file_id", id),
                (_, Some(url)) => part.raw("image_url", &url),
                (_, None) => {}
            }
            match &image.detail {
                Some(detail) => part.raw("detail", detail),
                None => part.escaped("detail", "auto"),
            }
        }),
        ContentBlock::File(file) => write_object(out, |part| {
            part.escaped("type", "input_file");
            part.raw_if("filename", file.name.as_ref());
            match (&file.source, file.source.to_url()) {
                (MediaSource::FileId(id), _) => part.raw("file_id", id),
                (MediaSource::Url(url), _) => part.raw("file_url", url),
                (MediaSource::Data { .. }, Some(url)) => part.raw("file_data", &url),
                (MediaSource::Data { .. }, None) => {}
            }
        }),
        _ => {
            losses.record(losses::VIDEOS);
            write_text_part(out, kind, &StringLiteral::from_text("[video removed]"));
        }
    }
}

fn write_text_part(out: &mut Vec<u8>, kind: &str, text: &StringLiteral<'_>) {
    write_object(out, |part| {
        part.text("type", kind);
        part.raw("text", text);
    });
}

fn write_item(out: &mut Vec<u8>, block: &ContentBlock<'_>, losses: &mut Losses) {
    write_object(out, |item| match block {
        ContentBlock::Reasoning { text, signature } => write_reasoning(item, Some(text), signature.as_ref()),
        ContentBlock::RedactedReasoning(seal) => write_reasoning(item, None, Some(seal)),
        ContentBlock::ToolCall(call) => write_function_call(item, call),
        ContentBlock::ToolResult(outcome) => write_tool_result(item, outcome, losses),
        _ => {}
    });
}

fn write_reasoning(item: &mut ObjectWriter<'_>, text: Option<&StringLiteral<'_>>, seal: Option<&Seal<'_>>) {
    item.escaped("type", "reasoning");
    if let Some(id) = seal.and_then(|seal| seal.id.as_deref()) {
        item.text("id", id);
    }
    item.array("summary", text, |out, text| write_text_part(out, "summary_text", text));
    item.raw_if("encrypted_content", seal.map(|seal| &seal.value));
}

fn write_function_call(item: &mut ObjectWriter<'_>, call: &ToolCall<'_>) {
    item.escaped("type", "function_call");
    item.text("call_id", &to_responses_id(&call.id));
    item.raw("name", &call.name);
    item.text("arguments", &String::from_utf8_lossy(&call.arguments));
}

fn write_tool_result(item: &mut ObjectWriter<'_>, outcome: &ToolResult<'_>, losses: &mut Losses) {
    item.escaped("type", "function_call_output");
    item.text("call_id", &to_responses_id(&outcome.call_id));
    losses.record_if(outcome.is_error, losses::IS_ERROR);
    match outcome.content.as_slice() {
        [] => item.text("output", ""),
        [ContentBlock::Text(text)] => item.raw("output", text),
        blocks => write_array(item.value("output"), blocks, |out, block| {
            write_part(out, Role::Tools, block, losses)
        }),
    }
}
