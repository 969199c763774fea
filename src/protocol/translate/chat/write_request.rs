//! The model, written as a chat request.

use super::super::conversation::knobs::Format;
use super::super::conversation::media::{File, Image, Source};
use super::super::conversation::tools::{Choice, Tool};
use super::super::conversation::{Block, Call, Conversation, Outcome, Role, Turn};
use super::super::losses::{self, Losses};
use super::super::node::Literal;
use super::super::openai;
use super::super::writer::{ObjectWriter, object};
use crate::protocol::json;

/// The body.
pub(in crate::protocol::translate) fn write(conversation: &Conversation<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut messages = Vec::new();
    for (index, turn) in conversation.turns.iter().enumerate() {
        let is_last = index + 1 == conversation.turns.len();
        write_turn(turn, is_last, &mut messages, losses);
    }
    let mut out = Vec::new();
    let mut body = ObjectWriter::new(&mut out);
    knobs(&mut body, conversation, losses);
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, tool);
    }
    if let Some(choice) = &conversation.choice {
        tool_choice(&mut body, choice);
    }
    if !conversation.tools.is_empty()
        && let Some(parallel) = conversation.parallel
    {
        body.flag("parallel_tool_calls", parallel);
    }
    body.array("messages", messages, |out, message: Vec<u8>| out.extend_from_slice(&message));
    body.end();
    out
}

fn knobs(body: &mut ObjectWriter<'_>, conversation: &Conversation<'_>, losses: &mut Losses) {
    let knobs = &conversation.knobs;
    body.raw_if("model", knobs.model);
    if let Some(stream) = knobs.stream {
        body.flag("stream", stream);
        if stream {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    }
    body.raw_if("max_completion_tokens", knobs.max_tokens);
    body.raw_if("temperature", knobs.temperature);
    body.raw_if("top_p", knobs.top_p);
    body.raw_if("top_k", knobs.top_k);
    if !knobs.stops.is_empty() {
        body.array("stop", &knobs.stops, |out, stop| out.extend_from_slice(stop.as_bytes()));
    }
    openai::write_terms(body, knobs, losses);
    body.raw_if("verbosity", knobs.verbosity);
    match &knobs.format {
        Some(Format::Json) => body.raw("response_format", r#"{"type":"json_object"}"#),
        Some(format) => body.object("response_format", |outer| {
            outer.text("type", "json_schema");
            outer.object("json_schema", |inner| openai::write_schema(inner, format));
        }),
        None => {}
    }
    let thinking = &conversation.thinking;
    if let Some(word) = thinking.word() {
        losses.note_if(thinking.effort.is_none() && thinking.budget.is_some(), losses::THINKING_BUDGET);
        body.text("reasoning_effort", word);
    }
}

fn tool(out: &mut Vec<u8>, tool: &Tool<'_>) {
    object(out, |outer| {
        outer.text("type", "function");
        outer.object("function", |function| {
            function.literal("name", &tool.name);
            function.literal_if("description", tool.description.as_ref());
            function.raw_if("parameters", tool.schema);
            if let Some(strict) = tool.strict {
                function.flag("strict", strict);
            }
        });
    });
}

fn tool_choice(body: &mut ObjectWriter<'_>, choice: &Choice<'_>) {
    match choice {
        Choice::Auto => body.text("tool_choice", "auto"),
        Choice::None => body.text("tool_choice", "none"),
        Choice::Any => body.text("tool_choice", "required"),
        Choice::Tool(name) => body.object("tool_choice", |choice| {
            choice.text("type", "function");
            choice.object("function", |function| function.literal("name", name));
        }),
    }
}

fn write_turn(turn: &Turn<'_>, is_last: bool, messages: &mut Vec<Vec<u8>>, losses: &mut Losses) {
    match turn.role {
        Role::Tools => results(turn, messages, losses),
        Role::Assistant => assistant(turn, is_last, messages, losses),
        // Every server knows `system`, few `developer`; OpenAI takes both and means the same.
        Role::System | Role::Developer => message("system", turn, messages, losses),
        Role::User => message("user", turn, messages, losses),
    }
}

fn message(role: &str, turn: &Turn<'_>, messages: &mut Vec<Vec<u8>>, losses: &mut Losses) {
    let parts = parts(&turn.blocks, losses);
    if parts.is_empty() {
        return;
    }
    let mut out = Vec::new();
    object(&mut out, |message| {
        message.text("role", role);
        message.literal_if("name", turn.name.as_ref());
        content(message, &turn.blocks, parts);
    });
    messages.push(out);
}

/// A single text as a string, which every server takes; else the parts.
fn content(message: &mut ObjectWriter<'_>, blocks: &[Block<'_>], parts: Vec<Vec<u8>>) {
    match blocks {
        [Block::Text(text)] => message.literal("content", text),
        _ => message.array("content", parts, |out, part: Vec<u8>| out.extend_from_slice(&part)),
    }
}

fn parts(blocks: &[Block<'_>], losses: &mut Losses) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    for block in blocks {
        let mut out = Vec::new();
        match block {
            Block::Text(text) | Block::Refusal(text) => text_part(&mut out, text),
            Block::Image(image) => image_part(&mut out, image),
            Block::File(file) => file_part(&mut out, file),
            Block::Video(url) => object(&mut out, |part| {
                part.text("type", "video_url");
                part.object("video_url", |video| video.literal("url", url));
            }),
            Block::Reasoning { .. } | Block::Veiled(_) | Block::Call(_) | Block::Result(_) => {
                losses.note(losses::UNKNOWN_BLOCKS);
                continue;
            }
        }
        parts.push(out);
    }
    parts
}

fn text_part(out: &mut Vec<u8>, text: &Literal<'_>) {
    object(out, |part| {
        part.text("type", "text");
        part.literal("text", text);
    });
}

/// An image that lies at the provider is a file: chat takes images by URL and files by id.
fn image_part(out: &mut Vec<u8>, image: &Image<'_>) {
    let Some(url) = image.source.url() else {
        return file_part(out, &File { source: image.source.clone(), name: None });
    };
    object(out, |part| {
        part.text("type", "image_url");
        part.object("image_url", |inner| {
            inner.literal("url", &url);
            inner.literal_if("detail", image.detail.as_ref());
        });
    });
}

fn file_part(out: &mut Vec<u8>, file: &File<'_>) {
    object(out, |part| {
        part.text("type", "file");
        part.object("file", |inner| {
            inner.literal_if("filename", file.name.as_ref());
            match (&file.source, file.source.url()) {
                (Source::Id(id), _) => inner.literal("file_id", id),
                // OpenRouter takes a URL here as well (its API reference, 2026-09).
                (_, Some(url)) => inner.literal("file_data", &url),
                (_, None) => {}
            }
        });
    });
}

fn assistant(turn: &Turn<'_>, is_last: bool, messages: &mut Vec<Vec<u8>>, losses: &mut Losses) {
    let texts: Vec<&Literal<'_>> = turn
        .blocks
        .iter()
        .filter_map(|block| if let Block::Text(text) = block { Some(text) } else { None })
        .collect();
    let refusals: Vec<Literal<'_>> = turn
        .blocks
        .iter()
        .filter_map(|block| if let Block::Refusal(text) = block { Some(text.clone()) } else { None })
        .collect();
    let calls: Vec<&Call<'_>> = turn
        .blocks
        .iter()
        .filter_map(|block| if let Block::Call(call) = block { Some(call) } else { None })
        .collect();
    if texts.is_empty() && refusals.is_empty() && calls.is_empty() {
        losses.note(losses::REASONING_ALONE);
        return;
    }
    let mut out = Vec::new();
    object(&mut out, |message| {
        message.text("role", "assistant");
        message.literal_if("name", turn.name.as_ref());
        reasoning(message, &turn.blocks);
        match texts.as_slice() {
            [] => message.raw("content", "null"),
            [text] => message.literal("content", text),
            _ => message.array("content", &texts, |out, text| text_part(out, text)),
        }
        if !refusals.is_empty() {
            message.literal("refusal", &Literal::joined(&refusals, "\n\n"));
        }
        if !calls.is_empty() {
            message.array("tool_calls", &calls, |out, call| call_part(out, call));
        } else if is_last && turn.partial {
            message.flag("partial", true);
        }
    });
    messages.push(out);
}

fn call_part(out: &mut Vec<u8>, call: &Call<'_>) {
    object(out, |outer| {
        outer.text("id", &call.id);
        outer.text("type", "function");
        outer.object("function", |function| {
            function.literal("name", &call.name);
            function.text("arguments", &String::from_utf8_lossy(&call.arguments));
        });
    });
}

/// `reasoning_content` holds the text; with a seal, or veiled, `reasoning_details` hold all of it, as OpenRouter gives
/// it and wants it back.
fn reasoning(message: &mut ObjectWriter<'_>, blocks: &[Block<'_>]) {
    let of = |block: &Block<'_>| match block {
        Block::Reasoning { text, .. } => Some(text.as_bytes().to_vec()),
        _ => None,
    };
    let texts: Vec<Vec<u8>> = blocks.iter().filter_map(of).collect();
    let texts: Vec<String> = texts.iter().filter_map(|text| json::unescape(text).map(Into::into)).collect();
    let text = texts.concat();
    if !text.is_empty() {
        message.text("reasoning_content", &text);
    }
    let is_sealed =
        |block: &Block<'_>| matches!(block, Block::Veiled(_) | Block::Reasoning { seal: Some(_), .. });
    if !blocks.iter().any(is_sealed) {
        return;
    }
    let is_reasoning = |block: &&Block<'_>| matches!(block, Block::Veiled(_) | Block::Reasoning { .. });
    message.array("reasoning_details", blocks.iter().filter(is_reasoning), |out, block| {
        object(out, |detail| match block {
            Block::Veiled(data) => {
                detail.text("type", "reasoning.encrypted");
                detail.literal("data", data);
            }
            Block::Reasoning { text, seal } => {
                detail.text("type", "reasoning.text");
                detail.literal("text", text);
                detail.literal_if("signature", seal.as_ref());
            }
            _ => {}
        });
    });
}

/// A message a result; what is no text follows them all in one of the user's.
fn results(turn: &Turn<'_>, messages: &mut Vec<Vec<u8>>, losses: &mut Losses) {
    let mut beside: Vec<Block<'_>> = Vec::new();
    for block in &turn.blocks {
        let Block::Result(outcome) = block else { continue };
        losses.note_if(outcome.is_error, losses::IS_ERROR);
        let mut out = Vec::new();
        object(&mut out, |message| {
            message.text("role", "tool");
            message.text("tool_call_id", &outcome.id);
            result_text(message, outcome);
        });
        messages.push(out);
        beside.extend(outcome.content.iter().filter(|block| !matches!(block, Block::Text(_))).cloned());
    }
    if beside.is_empty() {
        return;
    }
    losses.note(losses::RESULT_IMAGES);
    message("user", &Turn::new(Role::User, beside), messages, losses);
}

fn result_text(message: &mut ObjectWriter<'_>, outcome: &Outcome<'_>) {
    let texts: Vec<&Literal<'_>> = outcome
        .content
        .iter()
        .filter_map(|block| if let Block::Text(text) = block { Some(text) } else { None })
        .collect();
    match texts.as_slice() {
        [] if outcome.content.is_empty() => message.text("content", ""),
        [] => message.text("content", "(the result follows)"),
        [text] => message.literal("content", text),
        _ => message.array("content", &texts, |out, text| text_part(out, text)),
    }
}
