//! Items of the input.

use super::super::conversation::media::Source;
use super::super::conversation::{Block, Call, Outcome, Role, Turn};
use super::super::ids;
use super::super::losses::{self, Losses};
use super::super::node::Literal;
use super::super::writer::{ObjectWriter, array, object};

/// The items of these turns: text of one turn that stands together is one message.
pub(super) fn of(turns: &[Turn<'_>], losses: &mut Losses) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    for turn in turns {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for block in &turn.blocks {
            let mut out = Vec::new();
            if is_part(block) {
                part(&mut out, turn.role, block, losses);
                parts.push(out);
                continue;
            }
            message(turn.role, &mut parts, &mut items);
            item(&mut out, block, losses);
            items.push(out);
        }
        message(turn.role, &mut parts, &mut items);
    }
    items
}

const fn is_part(block: &Block<'_>) -> bool {
    matches!(block, Block::Text(_) | Block::Refusal(_) | Block::Image(_) | Block::File(_) | Block::Video(_))
}

fn message(role: Role, parts: &mut Vec<Vec<u8>>, items: &mut Vec<Vec<u8>>) {
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
    object(&mut out, |message| {
        message.text("type", "message");
        message.text("role", role);
        message.array("content", parts.drain(..), |out, part| out.extend_from_slice(&part));
    });
    items.push(out);
}

fn part(out: &mut Vec<u8>, role: Role, block: &Block<'_>, losses: &mut Losses) {
    let kind = if role == Role::Assistant { "output_text" } else { "input_text" };
    match block {
        Block::Text(text) => text_part(out, kind, text),
        Block::Refusal(text) if role == Role::Assistant => object(out, |part| {
            part.text("type", "refusal");
            part.literal("refusal", text);
        }),
        Block::Refusal(text) => text_part(out, kind, text),
        Block::Image(image) => object(out, |part| {
            part.text("type", "input_image");
            match (&image.source, image.source.url()) {
                (Source::Id(id), _) => part.literal("file_id", id),
                (_, Some(url)) => part.literal("image_url", &url),
                (_, None) => {}
            }
            part.literal_if("detail", image.detail.as_ref());
        }),
        Block::File(file) => object(out, |part| {
            part.text("type", "input_file");
            part.literal_if("filename", file.name.as_ref());
            match (&file.source, file.source.url()) {
                (Source::Id(id), _) => part.literal("file_id", id),
                (Source::Url(url), _) => part.literal("file_url", url),
                (Source::Data { .. }, Some(url)) => part.literal("file_data", &url),
                (Source::Data { .. }, None) => {}
            }
        }),
        _ => {
            losses.note(losses::VIDEOS);
            text_part(out, kind, &Literal::of("[a video was left out here]"));
        }
    }
}

fn text_part(out: &mut Vec<u8>, kind: &str, text: &Literal<'_>) {
    object(out, |part| {
        part.text("type", kind);
        part.literal("text", text);
    });
}

fn item(out: &mut Vec<u8>, block: &Block<'_>, losses: &mut Losses) {
    object(out, |item| match block {
        Block::Reasoning { text, seal } => reasoning(item, Some(text), seal.as_ref()),
        Block::Veiled(data) => reasoning(item, None, Some(data)),
        Block::Call(call) => self::call(item, call),
        Block::Result(outcome) => self::outcome(item, outcome, losses),
        _ => {}
    });
}

fn reasoning(item: &mut ObjectWriter<'_>, text: Option<&Literal<'_>>, seal: Option<&Literal<'_>>) {
    item.text("type", "reasoning");
    item.array("summary", text, |out, text| text_part(out, "summary_text", text));
    item.literal_if("encrypted_content", seal);
}

fn call(item: &mut ObjectWriter<'_>, call: &Call<'_>) {
    item.text("type", "function_call");
    item.text("call_id", &ids::for_responses(&call.id));
    item.literal("name", &call.name);
    item.text("arguments", &String::from_utf8_lossy(&call.arguments));
}

fn outcome(item: &mut ObjectWriter<'_>, outcome: &Outcome<'_>, losses: &mut Losses) {
    item.text("type", "function_call_output");
    item.text("call_id", &ids::for_responses(&outcome.id));
    losses.note_if(outcome.is_error, losses::IS_ERROR);
    match outcome.content.as_slice() {
        [] => item.text("output", ""),
        [Block::Text(text)] => item.literal("output", text),
        blocks => array(item.value("output"), blocks, |out, block| part(out, Role::Tools, block, losses)),
    }
}
