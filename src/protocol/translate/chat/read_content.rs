//! Content of a chat message: text, parts, and reasoning in its three field names.

use super::super::conversation::ContentBlock;
use super::super::conversation::media::{FileBlock, ImageBlock, MediaSource};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, ObjectNode, StringLiteral};
use super::super::{TranslationError, content};

/// # Errors
/// When it is neither a string nor an array of parts.
pub(super) fn read_content<'t>(
    content: JsonNode<'t>,
    losses: &mut Losses,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    content::read_parts(content, "parts", |node, blocks| {
        blocks.push(match node.literal() {
            Some(text) => ContentBlock::Text(text),
            None => read_part(&node.object()?, losses)?,
        });
        Ok(())
    })
}

fn read_part<'t>(part: &ObjectNode<'t>, losses: &mut Losses) -> Result<ContentBlock<'t>, TranslationError> {
    losses.record_if(part.get("cache_control").is_some(), losses::CACHE_CONTROL);
    match &*part.require_string("type")?.text() {
        "text" => part.require_string("text").map(ContentBlock::Text),
        "refusal" => part.require_string("refusal").map(ContentBlock::Refusal),
        "image_url" => read_image(part),
        "video_url" => read_url(part, "video_url").map(ContentBlock::Video),
        "file" => read_file(part),
        "input_audio" => Ok(content::make_audio_placeholder(losses)),
        _ => content::read_unknown_part(part, "part of a chat message", losses),
    }
}

/// The URL under `key`: an object with `url`, or a plain string, which Moonshot also accepts.
fn read_url<'t>(part: &ObjectNode<'t>, key: &str) -> Result<StringLiteral<'t>, TranslationError> {
    match part.get(key) {
        Some(node) if node.is_object() => {
            node.object().and_then(|object| object.require_string("url")).map_err(|wrong| wrong.within(key))
        }
        _ => part.require_string(key),
    }
}

fn read_image<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let source = MediaSource::from_url(read_url(part, "image_url")?);
    let detail = part.get("image_url").and_then(|node| node.object().ok()?.literal("detail"));
    Ok(ContentBlock::Image(ImageBlock { source, detail }))
}

fn read_file<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let Some(file) = part.object("file")? else {
        return Err(TranslationError::new("must be an object and is missing").within("file"));
    };
    let source = match file.literal("file_id") {
        Some(id) => MediaSource::FileId(id),
        None => {
            MediaSource::from_url(file.require_string("file_data").map_err(|wrong| wrong.within("file"))?)
        }
    };
    Ok(ContentBlock::File(FileBlock { source, name: file.literal("filename") }))
}

/// `reasoning_details` (OpenRouter), else `reasoning_content` (Moonshot), else `reasoning` (OpenRouter).
pub(super) fn read_reasoning<'t>(
    message: &ObjectNode<'t>,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    let mut blocks: Vec<ContentBlock<'t>> = Vec::new();
    if message.get("reasoning_details").is_some_and(JsonNode::is_array) {
        for (index, node) in message.list("reasoning_details")?.into_iter().enumerate() {
            let detail = node.object();
            let detail = detail.map_err(|wrong| wrong.within(&format!("reasoning_details[{index}]")))?;
            read_reasoning_detail(&detail, &mut blocks);
        }
    }
    // Encrypted details may accompany text that is only in the other field.
    let has_text =
        blocks.iter().any(|block| matches!(block, ContentBlock::Reasoning { text, .. } if !text.is_empty()));
    let mut texts = ["reasoning_content", "reasoning"].into_iter().filter_map(|key| message.literal(key));
    let Some(told) = texts.find(|text| !text.is_empty() && !has_text) else { return Ok(blocks) };
    let sealed = blocks.iter_mut().find_map(|block| match block {
        ContentBlock::Reasoning { text, .. } => Some(text),
        _ => None,
    });
    match sealed {
        Some(text) => *text = told,
        None => blocks.insert(0, ContentBlock::Reasoning { text: told, signature: None }),
    }
    Ok(blocks)
}

/// One of OpenRouter's `reasoning_details`, which may be the separate pieces of a stream.
fn read_reasoning_detail<'t>(detail: &ObjectNode<'t>, blocks: &mut Vec<ContentBlock<'t>>) {
    let filled = |key: &str| detail.literal(key).filter(|text| !text.is_empty());
    if let Some(data) = filled("data") {
        blocks.push(ContentBlock::RedactedReasoning(data));
        return;
    }
    let text = filled("text").or_else(|| filled("summary"));
    let seal = filled("signature");
    if let Some(ContentBlock::Reasoning { text: before, signature: open @ None }) = blocks.last_mut() {
        if let Some(text) = text {
            *before = StringLiteral::join(&[before.clone(), text], "");
        }
        *open = seal;
    } else if text.is_some() || seal.is_some() {
        blocks.push(ContentBlock::Reasoning {
            text: text.unwrap_or_else(|| StringLiteral::from_text("")),
            signature: seal,
        });
    }
}
