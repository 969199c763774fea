//! Blocks of a message.

use super::super::conversation::media::Source;
use super::super::conversation::{Block, Call, Outcome};
use super::super::ids;
use super::super::losses::{self, Losses};
use super::super::node::{Literal, Node};
use super::super::writer::{ObjectWriter, array, object};
use super::read_content::WRAPPER;
use crate::protocol::json;

/// Writes a block; nothing for an empty text, which the face refuses.
pub(super) fn block(out: &mut Vec<u8>, block: &Block<'_>, losses: &mut Losses) {
    match block {
        Block::Text(text) | Block::Refusal(text) if text.is_empty() => {}
        Block::Text(text) | Block::Refusal(text) => self::text(out, text),
        Block::Image(image) => {
            let is_special = |detail: &Literal<'_>| detail.text() != "auto";
            losses.note_if(image.detail.as_ref().is_some_and(is_special), losses::IMAGE_DETAIL);
            object(out, |block| {
                block.text("type", "image");
                block.object("source", |body| source(body, &image.source));
            });
        }
        Block::File(file) => object(out, |block| {
            block.text("type", "document");
            block.object("source", |body| source(body, &file.source));
            block.literal_if("title", file.name.as_ref());
        }),
        Block::Video(_) => {
            losses.note(losses::VIDEOS);
            self::text(out, &Literal::of("[a video was left out here]"));
        }
        Block::Reasoning { text, seal } => object(out, |block| {
            block.text("type", "thinking");
            block.literal("thinking", text);
            // Kimi takes thinking that nobody signed, with an empty signature.
            block.literal("signature", seal.as_ref().unwrap_or(&Literal::of("")));
        }),
        Block::Veiled(data) => object(out, |block| {
            block.text("type", "redacted_thinking");
            block.literal("data", data);
        }),
        Block::Call(call) => self::call(out, call, losses),
        Block::Result(outcome) => result(out, outcome, losses),
    }
}

pub(super) fn text(out: &mut Vec<u8>, text: &Literal<'_>) {
    object(out, |block| {
        block.text("type", "text");
        block.literal("text", text);
    });
}

fn source(body: &mut ObjectWriter<'_>, source: &Source<'_>) {
    match source {
        Source::Data { media_type, data } => {
            body.text("type", "base64");
            body.text("media_type", media_type);
            body.literal("data", data);
        }
        Source::Url(url) => {
            body.text("type", "url");
            body.literal("url", url);
        }
        Source::Id(id) => {
            body.text("type", "file");
            body.literal("file_id", id);
        }
    }
}

fn call(out: &mut Vec<u8>, call: &Call<'_>, losses: &mut Losses) {
    object(out, |block| {
        block.text("type", "tool_use");
        block.text("id", &ids::for_messages(&call.id));
        block.literal("name", &call.name);
        let arguments = call.arguments.trim_ascii();
        if arguments.is_empty() {
            block.raw("input", "{}");
        } else if Node::new(arguments).is_object() && json::is_valid(arguments) {
            block.raw("input", arguments);
        } else {
            losses.note(losses::ARGUMENTS);
            block.object("input", |input| input.text(WRAPPER, &String::from_utf8_lossy(&call.arguments)));
        }
    });
}

fn result(out: &mut Vec<u8>, outcome: &Outcome<'_>, losses: &mut Losses) {
    object(out, |body| {
        body.text("type", "tool_result");
        body.text("tool_use_id", &ids::for_messages(&outcome.id));
        match outcome.content.as_slice() {
            [] => body.text("content", ""),
            [Block::Text(text)] => body.literal("content", text),
            blocks => array(body.value("content"), blocks, |out, inner| block(out, inner, losses)),
        }
        if outcome.is_error {
            body.flag("is_error", true);
        }
    });
}
