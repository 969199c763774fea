//! Content of an item.

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
        blocks.push(read_part(&node.object()?, losses)?);
        Ok(())
    })
}

fn read_part<'t>(part: &ObjectNode<'t>, losses: &mut Losses) -> Result<ContentBlock<'t>, TranslationError> {
    match &*part.require_string("type")?.text() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let cited = part.get("annotations").is_some_and(|list| list.raw() != b"[]");
            losses.record_if(cited, losses::CITATIONS);
            part.require_string("text").map(ContentBlock::Text)
        }
        "refusal" => part.require_string("refusal").map(ContentBlock::Refusal),
        "input_image" => read_image(part),
        "input_file" => read_file(part),
        "input_audio" => Ok(content::make_audio_placeholder(losses)),
        _ => content::read_unknown_part(part, "part of an item", losses),
    }
}

fn read_image<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let source = match (part.get("image_url"), part.literal("file_id")) {
        (None, Some(id)) => MediaSource::FileId(id),
        // Some clients send chat's form.
        (Some(node), _) if node.is_object() => {
            let url = node.object().and_then(|object| object.require_string("url"));
            MediaSource::from_url(url.map_err(|wrong| wrong.within("image_url"))?)
        }
        _ => MediaSource::from_url(part.require_string("image_url")?),
    };
    Ok(ContentBlock::Image(ImageBlock { source, detail: part.literal("detail") }))
}

fn read_file<'t>(part: &ObjectNode<'t>) -> Result<ContentBlock<'t>, TranslationError> {
    let source = match (part.literal("file_id"), part.literal("file_url")) {
        (Some(id), _) => MediaSource::FileId(id),
        (_, Some(url)) => MediaSource::from_url(url),
        _ => MediaSource::from_url(part.require_string("file_data")?),
    };
    Ok(ContentBlock::File(FileBlock { source, name: part.literal("filename") }))
}

/// A reasoning item: its content, else its summary, and its encrypted content. One without a readable part is
/// redacted; an empty part means that the text was not shown.
pub(super) fn read_reasoning<'t>(item: &ObjectNode<'t>) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    let mut texts: Vec<StringLiteral<'t>> = Vec::new();
    let mut has_parts = false;
    for key in ["content", "summary"] {
        if !texts.is_empty() {
            break;
        }
        for (index, part) in item.list(key)?.into_iter().enumerate() {
            let part = part.object().map_err(|wrong| wrong.within(&format!("{key}[{index}]")))?;
            has_parts = true;
            texts.extend(part.literal("text").filter(|text| !text.is_empty()));
        }
    }
    let signature = item.literal("encrypted_content").filter(|signature| !signature.is_empty());
    Ok(match signature {
        None if texts.is_empty() => Vec::new(),
        Some(data) if !has_parts => vec![ContentBlock::RedactedReasoning(data)],
        signature => {
            vec![ContentBlock::Reasoning { text: StringLiteral::join(&texts, "\n\n"), signature }]
        }
    })
}
