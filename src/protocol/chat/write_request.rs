//! The model, written as a chat request.

use crate::protocol::codec::content;
use crate::protocol::json;
use crate::protocol::model::conversation::{
    ContentBlock, Conversation, ConversationTurn, FileBlock, ImageBlock, MediaSource, Role, ToolCall,
    ToolResult,
};
use crate::protocol::model::losses::{self, Losses};
use crate::protocol::model::node::StringLiteral;
use crate::protocol::model::parameters::ResponseFormat;
use crate::protocol::model::tools::{ToolChoice, ToolDefinition};
use crate::protocol::writer::{ObjectWriter, write_object};

pub(crate) fn write(conversation: &Conversation<'_>, losses: &mut Losses) -> Vec<u8> {
    let mut messages = Vec::new();
    for (index, turn) in conversation.turns.iter().enumerate() {
        let is_last = index + 1 == conversation.turns.len();
        write_turn(turn, is_last, &mut messages, losses);
    }
    let mut out = Vec::new();
    let mut body = ObjectWriter::new(&mut out);
    write_parameters(&mut body, conversation, losses);
    if !conversation.tools.is_empty() {
        body.array("tools", &conversation.tools, write_tool);
    }
    if let Some(choice) = &conversation.tool_choice {
        write_tool_choice(&mut body, choice);
    }
    if !conversation.tools.is_empty()
        && let Some(parallel) = conversation.parallel_tool_calls
    {
        body.flag("parallel_tool_calls", parallel);
    }
    body.array("messages", messages, |out, message: Vec<u8>| out.extend_from_slice(&message));
    out.push(b'}');
    out
}

fn write_parameters(body: &mut ObjectWriter<'_>, conversation: &Conversation<'_>, losses: &mut Losses) {
    let parameters = &conversation.parameters;
    body.raw_if("model", parameters.model);
    if let Some(stream) = parameters.stream {
        body.flag("stream", stream);
        if stream {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    }
    body.raw_if("max_completion_tokens", parameters.max_tokens);
    body.raw_if("temperature", parameters.temperature);
    body.raw_if("top_p", parameters.top_p);
    body.raw_if("top_k", parameters.top_k);
    if !parameters.stop_sequences.is_empty() {
        body.array("stop", &parameters.stop_sequences, |out, stop| out.extend_from_slice(stop.as_bytes()));
    }
    content::write_shared_fields(body, parameters, losses);
    body.raw_if("verbosity", parameters.verbosity);
    match &parameters.response_format {
        Some(ResponseFormat::JsonObject) => body.raw("response_format", r#"{"type":"json_object"}"#),
        Some(format) => body.object("response_format", |outer| {
            outer.escaped("type", "json_schema");
            outer.object("json_schema", |inner| content::write_schema(inner, format));
        }),
        None => {}
    }
    let thinking = &conversation.thinking;
    if let Some(word) = thinking.resolve_effort() {
        losses.record_if(
            thinking.effort.is_none() && thinking.budget_tokens.is_some(),
            losses::THINKING_BUDGET,
        );
        body.text("reasoning_effort", word);
    }
}

fn write_tool(out: &mut Vec<u8>, tool: &ToolDefinition<'_>) {
    write_object(out, |outer| {
        outer.escaped("type", "function");
        outer.object("function", |function| {
            function.raw("name", &tool.name);
            function.raw_if("description", tool.description.as_ref());
            function.raw_if("parameters", tool.schema.as_ref().map(|_| tool.object_schema()));
            function.flag_if("strict", tool.is_strict);
        });
        outer.raw_if("cache_control", tool.cache_control);
    });
}

fn write_tool_choice(body: &mut ObjectWriter<'_>, choice: &ToolChoice<'_>) {
    match choice {
        ToolChoice::Auto => body.text("tool_choice", "auto"),
        ToolChoice::None => body.text("tool_choice", "none"),
        ToolChoice::Required => body.text("tool_choice", "required"),
        ToolChoice::Named(name) => body.object("tool_choice", |choice| {
            choice.escaped("type", "function");
            choice.object("function", |function| function.raw("name", name));
        }),
    }
}

fn write_turn(turn: &ConversationTurn<'_>, is_last: bool, messages: &mut Vec<Vec<u8>>, losses: &mut Losses) {
    match turn.role {
        Role::Tools => write_tool_results(turn, messages, losses),
        Role::Assistant => write_assistant(turn, is_last, messages, losses),
        // Every server accepts `system`, few accept `developer`; OpenAI treats both alike.
        Role::System | Role::Developer => write_message("system", turn, messages, losses),
        Role::User => write_message("user", turn, messages, losses),
    }
}

fn write_message(role: &str, turn: &ConversationTurn<'_>, messages: &mut Vec<Vec<u8>>, losses: &mut Losses) {
    let parts = render_parts(&turn.blocks, losses);
    if parts.is_empty() {
        return;
    }
    let mut out = Vec::new();
    write_object(&mut out, |message| {
        message.text("role", role);
        message.raw_if("name", turn.name.as_ref());
        write_content(message, &turn.blocks, parts);
    });
    messages.push(out);
}

/// A single text as a string, which every server accepts; otherwise the parts.
fn write_content(message: &mut ObjectWriter<'_>, blocks: &[ContentBlock<'_>], parts: Vec<Vec<u8>>) {
    match blocks {
        [ContentBlock::Text(text)] => message.raw("content", text),
        _ => message.array("content", parts, |out, part: Vec<u8>| out.extend_from_slice(&part)),
    }
}

fn render_parts(blocks: &[ContentBlock<'_>], losses: &mut Losses) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for block in blocks {
        let mut out = Vec::new();
        match block {
            ContentBlock::CacheMark(mark) => {
                content::write_cache_mark(parts.last_mut(), mark);
                continue;
            }
            ContentBlock::Text(text) | ContentBlock::Refusal(text) => write_text_part(&mut out, text),
            ContentBlock::Image(image) => write_image_part(&mut out, image),
            ContentBlock::File(file) => write_file_part(&mut out, file),
            ContentBlock::Video(url) => write_object(&mut out, |part| {
                part.escaped("type", "video_url");
                part.object("video_url", |video| video.raw("url", url));
            }),
            ContentBlock::Reasoning { .. }
            | ContentBlock::RedactedReasoning(_)
            | ContentBlock::ToolCall(_)
            | ContentBlock::ToolResult(_) => {
                losses.record(losses::UNKNOWN_BLOCKS);
                continue;
            }
        }
        parts.push(out);
    }
    parts
}

fn write_text_part(out: &mut Vec<u8>, text: &StringLiteral<'_>) {
    write_object(out, |part| {
        part.escaped("type", "text");
        part.raw("text", text);
    });
}

/// An image stored at the provider is a file: chat takes images by URL and files by id.
fn write_image_part(out: &mut Vec<u8>, image: &ImageBlock<'_>) {
    let Some(url) = image.source.to_url() else {
        return write_file_part(out, &FileBlock { source: image.source.clone(), name: None });
    };
    write_object(out, |part| {
        part.escaped("type", "image_url");
        part.object("image_url", |inner| {
            inner.raw("url", &url);
            inner.raw_if("detail", image.detail.as_ref());
        });
    });
}

fn write_file_part(out: &mut Vec<u8>, file: &FileBlock<'_>) {
    write_object(out, |part| {
        part.escaped("type", "file");
        part.object("file", |inner| {
            inner.raw_if("filename", file.name.as_ref());
            match (&file.source, file.source.to_url()) {
                (MediaSource::FileId(id), _) => inner.raw("file_id", id),
                // OpenRouter also accepts a URL here (its API reference, 2026-09).
                (_, Some(url)) => inner.raw("file_data", &url),
                (_, None) => {}
            }
        });
    });
}

fn write_assistant(
    turn: &ConversationTurn<'_>,
    is_last: bool,
    messages: &mut Vec<Vec<u8>>,
    losses: &mut Losses,
) {
    let texts: Vec<&StringLiteral<'_>> = turn
        .blocks
        .iter()
        .filter_map(|block| if let ContentBlock::Text(text) = block { Some(text) } else { None })
        .collect();
    let refusals: Vec<StringLiteral<'_>> = turn
        .blocks
        .iter()
        .filter_map(|block| if let ContentBlock::Refusal(text) = block { Some(text.clone()) } else { None })
        .collect();
    let calls: Vec<&ToolCall<'_>> = turn
        .blocks
        .iter()
        .filter_map(|block| if let ContentBlock::ToolCall(call) = block { Some(call) } else { None })
        .collect();
    let has_images = turn.blocks.iter().any(|block| matches!(block, ContentBlock::Image(_)));
    if texts.is_empty() && refusals.is_empty() && calls.is_empty() && !has_images {
        losses.record(losses::REASONING_ALONE);
        return;
    }
    let is_marked = turn.blocks.iter().any(|block| matches!(block, ContentBlock::CacheMark(_)));
    losses.record_if(is_marked && texts.is_empty(), losses::CACHE_CONTROL);
    let mut out = Vec::new();
    write_object(&mut out, |message| {
        message.text("role", "assistant");
        message.raw_if("name", turn.name.as_ref());
        write_reasoning(message, &turn.blocks);
        match texts.as_slice() {
            [] => message.raw("content", "null"),
            [text] if !is_marked => message.raw("content", text),
            _ => write_text_parts(message, &turn.blocks),
        }
        if has_images {
            message.array("images", &turn.blocks, |out, block| {
                if let ContentBlock::Image(image) = block {
                    write_image_part(out, image);
                }
            });
        }
        if !refusals.is_empty() {
            message.raw("refusal", StringLiteral::join(&refusals, "\n\n"));
        }
        if !calls.is_empty() {
            message.array("tool_calls", &calls, |out, call| write_tool_call(out, call));
        } else if is_last && turn.is_partial {
            message.flag("partial", true);
        }
    });
    messages.push(out);
}

/// The texts as parts, with the marks of the prompt cache.
fn write_text_parts(message: &mut ObjectWriter<'_>, blocks: &[ContentBlock<'_>]) {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for block in blocks {
        match block {
            ContentBlock::Text(text) => {
                let mut out = Vec::new();
                write_text_part(&mut out, text);
                parts.push(out);
            }
            ContentBlock::CacheMark(mark) => content::write_cache_mark(parts.last_mut(), mark),
            _ => {}
        }
    }
    message.array("content", parts, |out, part: Vec<u8>| out.extend_from_slice(&part));
}

fn write_tool_call(out: &mut Vec<u8>, call: &ToolCall<'_>) {
    write_object(out, |outer| {
        outer.text("id", &call.id);
        outer.escaped("type", "function");
        outer.object("function", |function| {
            function.raw("name", &call.name);
            function.text("arguments", &String::from_utf8_lossy(&call.arguments));
        });
    });
}

/// `reasoning_content` contains the text. Signed or encrypted reasoning is written to `reasoning_details`
/// completely, as OpenRouter sends and expects it.
fn write_reasoning(message: &mut ObjectWriter<'_>, blocks: &[ContentBlock<'_>]) {
    let of = |block: &ContentBlock<'_>| match block {
        ContentBlock::Reasoning { text, .. } => Some(text.as_bytes().to_vec()),
        _ => None,
    };
    let texts: Vec<Vec<u8>> = blocks.iter().filter_map(of).collect();
    let texts: Vec<String> = texts.iter().filter_map(|text| json::unescape(text).map(Into::into)).collect();
    let text = texts.concat();
    if !text.is_empty() {
        message.text("reasoning_content", &text);
    }
    let is_signed = |block: &ContentBlock<'_>| {
        matches!(
            block,
            ContentBlock::RedactedReasoning(_) | ContentBlock::Reasoning { signature: Some(_), .. }
        )
    };
    if !blocks.iter().any(is_signed) {
        return;
    }
    let is_reasoning = |block: &&ContentBlock<'_>| {
        matches!(block, ContentBlock::RedactedReasoning(_) | ContentBlock::Reasoning { .. })
    };
    let details = blocks.iter().filter(is_reasoning).enumerate();
    message.array("reasoning_details", details, |out, (index, block)| {
        write_object(out, |detail| {
            let seal = match block {
                ContentBlock::Reasoning { text, signature } => {
                    detail.escaped("type", "reasoning.text");
                    detail.raw("text", text);
                    detail.raw_if("signature", signature.as_ref().map(|seal| &seal.value));
                    signature.as_ref()
                }
                ContentBlock::RedactedReasoning(seal) => {
                    detail.escaped("type", "reasoning.encrypted");
                    detail.raw("data", &seal.value);
                    Some(seal)
                }
                _ => None,
            };
            for (key, value) in seal.into_iter().flat_map(|seal| [("id", &seal.id), ("format", &seal.format)])
            {
                if let Some(value) = value {
                    detail.text(key, value);
                }
            }
            detail.number("index", index as u64);
        });
    });
}

/// One message per result; non-text content follows in one user message.
fn write_tool_results(turn: &ConversationTurn<'_>, messages: &mut Vec<Vec<u8>>, losses: &mut Losses) {
    let mut beside: Vec<ContentBlock<'_>> = Vec::new();
    for (index, block) in turn.blocks.iter().enumerate() {
        let ContentBlock::ToolResult(outcome) = block else { continue };
        let mark = match turn.blocks.get(index + 1) {
            Some(ContentBlock::CacheMark(mark)) => Some(*mark),
            _ => None,
        };
        losses.record_if(outcome.is_error, losses::IS_ERROR);
        let mut out = Vec::new();
        write_object(&mut out, |message| {
            message.text("role", "tool");
            message.text("tool_call_id", &outcome.call_id);
            write_result_text(message, outcome, mark);
        });
        messages.push(out);
        beside
            .extend(outcome.content.iter().filter(|block| !matches!(block, ContentBlock::Text(_))).cloned());
    }
    if beside.is_empty() {
        return;
    }
    losses.record(losses::RESULT_IMAGES);
    write_message("user", &ConversationTurn::new(Role::User, beside), messages, losses);
}

fn write_result_text(message: &mut ObjectWriter<'_>, outcome: &ToolResult<'_>, mark: Option<&[u8]>) {
    let texts: Vec<&StringLiteral<'_>> = outcome
        .content
        .iter()
        .filter_map(|block| if let ContentBlock::Text(text) = block { Some(text) } else { None })
        .collect();
    match texts.as_slice() {
        [] if outcome.content.is_empty() => message.text("content", ""),
        [] => message.text("content", "(the result follows)"),
        [text] if mark.is_none() => message.raw("content", text),
        _ => {
            let mut blocks: Vec<ContentBlock<'_>> =
                texts.into_iter().map(|text| ContentBlock::Text(text.clone())).collect();
            blocks.extend(mark.map(ContentBlock::CacheMark));
            write_text_parts(message, &blocks);
        }
    }
}
