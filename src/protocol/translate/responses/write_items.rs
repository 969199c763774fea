//! Items of the input.

use super::super::conversation::media::MediaSource;
use super::super::conversation::{ContentBlock, ConversationTurn, Role, ToolCall, ToolResult};
use super::super::losses::{self, Losses};
use super::super::node::StringLiteral;
use super::super::tool_call_ids;
use super::super::writer::{ObjectWriter, write_array, write_object};

/// The items of these turns: adjacent text of one turn becomes one message.
pub(super) fn write(turns: &[ConversationTurn<'_>], losses: &mut Losses) -> Vec<Vec<u8>> {
    let mut items = Vec::new();
    for turn in turns {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for block in &turn.blocks {
            let mut out = Vec::new();
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
        message.text("type", "message");
        message.text("role", role);
        message.array("content", parts.drain(..), |out, part| out.extend_from_slice(&part));
    });
    items.push(out);
}

fn write_part(out: &mut Vec<u8>, role: Role, block: &ContentBlock<'_>, losses: &mut Losses) {
    let kind = if role == Role::Assistant { "output_text" } else { "input_text" };
    match block {
        ContentBlock::Text(text) => write_text_part(out, kind, text),
        ContentBlock::Refusal(text) if role == Role::Assistant => write_object(out, |part| {
            part.text("type", "refusal");
            part.literal("refusal", text);
        }),
        ContentBlock::Refusal(text) => write_text_part(out, kind, text),
        ContentBlock::Image(image) => write_object(out, |part| {
            part.text("type", "input_image");
            match (&image.source, image.source.to_url()) {
                (MediaSource::FileId(id), _) => part.literal("file_id", id),
                (_, Some(url)) => part.literal("image_url", &url),
                (_, None) => {}
            }
            part.literal_if("detail", image.detail.as_ref());
        }),
        ContentBlock::File(file) => write_object(out, |part| {
            part.text("type", "input_file");
            part.literal_if("filename", file.name.as_ref());
            match (&file.source, file.source.to_url()) {
                (MediaSource::FileId(id), _) => part.literal("file_id", id),
                (MediaSource::Url(url), _) => part.literal("file_url", url),
                (MediaSource::Data { .. }, Some(url)) => part.literal("file_data", &url),
                (MediaSource::Data { .. }, None) => {}
            }
        }),
        _ => {
            losses.record(losses::VIDEOS);
            write_text_part(out, kind, &StringLiteral::from_text("[a video was left out here]"));
        }
    }
}

fn write_text_part(out: &mut Vec<u8>, kind: &str, text: &StringLiteral<'_>) {
    write_object(out, |part| {
        part.text("type", kind);
        part.literal("text", text);
    });
}

fn write_item(out: &mut Vec<u8>, block: &ContentBlock<'_>, losses: &mut Losses) {
    write_object(out, |item| match block {
        ContentBlock::Reasoning { text, signature: seal } => write_reasoning(item, Some(text), seal.as_ref()),
        ContentBlock::RedactedReasoning(data) => write_reasoning(item, None, Some(data)),
        ContentBlock::ToolCall(call) => self::write_function_call(item, call),
        ContentBlock::ToolResult(outcome) => self::write_tool_result(item, outcome, losses),
        _ => {}
    });
}

fn write_reasoning(
    item: &mut ObjectWriter<'_>,
    text: Option<&StringLiteral<'_>>,
    seal: Option<&StringLiteral<'_>>,
) {
    item.text("type", "reasoning");
    item.array("summary", text, |out, text| write_text_part(out, "summary_text", text));
    item.literal_if("encrypted_content", seal);
}

fn write_function_call(item: &mut ObjectWriter<'_>, call: &ToolCall<'_>) {
    item.text("type", "function_call");
    item.text("call_id", &tool_call_ids::to_responses_id(&call.id));
    item.literal("name", &call.name);
    item.text("arguments", &String::from_utf8_lossy(&call.arguments));
}

fn write_tool_result(item: &mut ObjectWriter<'_>, outcome: &ToolResult<'_>, losses: &mut Losses) {
    item.text("type", "function_call_output");
    item.text("call_id", &tool_call_ids::to_responses_id(&outcome.call_id));
    losses.record_if(outcome.is_error, losses::IS_ERROR);
    match outcome.content.as_slice() {
        [] => item.text("output", ""),
        [ContentBlock::Text(text)] => item.literal("output", text),
        blocks => write_array(item.value("output"), blocks, |out, block| {
            write_part(out, Role::Tools, block, losses)
        }),
    }
}
