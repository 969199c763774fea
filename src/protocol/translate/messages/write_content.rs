//! Blocks of a message.

use super::super::conversation::media::MediaSource;
use super::super::conversation::{ContentBlock, ToolCall, ToolResult};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, StringLiteral};
use super::super::tool_call_ids;
use super::super::writer::{ObjectWriter, write_array, write_object};
use super::read_content::RAW_ARGUMENTS_KEY;
use crate::protocol::json;

/// Writes a block. Skips an empty text, which the API rejects.
pub(super) fn write_block(out: &mut Vec<u8>, block: &ContentBlock<'_>, losses: &mut Losses) {
    match block {
        ContentBlock::Text(text) | ContentBlock::Refusal(text) if text.is_empty() => {}
        ContentBlock::Text(text) | ContentBlock::Refusal(text) => self::write_text(out, text),
        ContentBlock::Image(image) => {
            let is_special = |detail: &StringLiteral<'_>| detail.text() != "auto";
            losses.record_if(image.detail.as_ref().is_some_and(is_special), losses::IMAGE_DETAIL);
            write_object(out, |block| {
                block.text("type", "image");
                block.object("source", |body| write_source(body, &image.source));
            });
        }
        ContentBlock::File(file) => write_object(out, |block| {
            block.text("type", "document");
            block.object("source", |body| write_source(body, &file.source));
            block.literal_if("title", file.name.as_ref());
        }),
        ContentBlock::Video(_) => {
            losses.record(losses::VIDEOS);
            self::write_text(out, &StringLiteral::from_text("[a video was left out here]"));
        }
        ContentBlock::Reasoning { text, signature: seal } => write_object(out, |block| {
            block.text("type", "thinking");
            block.literal("thinking", text);
            // Kimi accepts unsigned thinking with an empty signature.
            block.literal("signature", seal.as_ref().unwrap_or(&StringLiteral::from_text("")));
        }),
        ContentBlock::RedactedReasoning(data) => write_object(out, |block| {
            block.text("type", "redacted_thinking");
            block.literal("data", data);
        }),
        ContentBlock::ToolCall(call) => self::write_tool_call(out, call, losses),
        ContentBlock::ToolResult(outcome) => write_tool_result(out, outcome, losses),
    }
}

pub(super) fn write_text(out: &mut Vec<u8>, text: &StringLiteral<'_>) {
    write_object(out, |block| {
        block.text("type", "text");
        block.literal("text", text);
    });
}

fn write_source(body: &mut ObjectWriter<'_>, source: &MediaSource<'_>) {
    match source {
        MediaSource::Data { media_type, data } => {
            body.text("type", "base64");
            body.text("media_type", media_type);
            body.literal("data", data);
        }
        MediaSource::Url(url) => {
            body.text("type", "url");
            body.literal("url", url);
        }
        MediaSource::FileId(id) => {
            body.text("type", "file");
            body.literal("file_id", id);
        }
    }
}

fn write_tool_call(out: &mut Vec<u8>, call: &ToolCall<'_>, losses: &mut Losses) {
    write_object(out, |block| {
        block.text("type", "tool_use");
        block.text("id", &tool_call_ids::to_messages_id(&call.id));
        block.literal("name", &call.name);
        let arguments = call.arguments.trim_ascii();
        if arguments.is_empty() {
            block.raw("input", "{}");
        } else if JsonNode::new(arguments).is_object() && json::is_valid(arguments) {
            block.raw("input", arguments);
        } else {
            losses.record(losses::ARGUMENTS);
            block.object("input", |input| {
                input.text(RAW_ARGUMENTS_KEY, &String::from_utf8_lossy(&call.arguments))
            });
        }
    });
}

fn write_tool_result(out: &mut Vec<u8>, outcome: &ToolResult<'_>, losses: &mut Losses) {
    write_object(out, |body| {
        body.text("type", "tool_result");
        body.text("tool_use_id", &tool_call_ids::to_messages_id(&outcome.call_id));
        match outcome.content.as_slice() {
            [] => body.text("content", ""),
            [ContentBlock::Text(text)] => body.literal("content", text),
            blocks => {
                write_array(body.value("content"), blocks, |out, inner| write_block(out, inner, losses))
            }
        }
        if outcome.is_error {
            body.flag("is_error", true);
        }
    });
}
