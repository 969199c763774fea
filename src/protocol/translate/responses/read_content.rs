//! What an item says.

use super::super::conversation::Block;
use super::super::conversation::media::{File, Image, Source};
use super::super::losses::{self, Losses};
use super::super::node::{Literal, Node, Object};
use super::super::{Untranslatable, content};

/// # Errors
/// When it is neither a string nor an array of parts.
pub(super) fn content<'t>(content: Node<'t>, losses: &mut Losses) -> Result<Vec<Block<'t>>, Untranslatable> {
    content::read(content, "parts", |node, blocks| {
        blocks.push(part(&node.object()?, losses)?);
        Ok(())
    })
}

fn part<'t>(part: &Object<'t>, losses: &mut Losses) -> Result<Block<'t>, Untranslatable> {
    match &*part.required("type")?.text() {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let cited = part.get("annotations").is_some_and(|list| list.raw() != b"[]");
            losses.note_if(cited, losses::CITATIONS);
            part.required("text").map(Block::Text)
        }
        "refusal" => part.required("refusal").map(Block::Refusal),
        "input_image" => image(part),
        "input_file" => file(part),
        "input_audio" => Ok(content::sound(losses)),
        _ => content::unknown(part, "part of an item", losses),
    }
}

fn image<'t>(part: &Object<'t>) -> Result<Block<'t>, Untranslatable> {
    let source = match (part.get("image_url"), part.literal("file_id")) {
        (None, Some(id)) => Source::Id(id),
        // Some clients send chat's form.
        (Some(node), _) if node.is_object() => {
            let url = node.object().and_then(|object| object.required("url"));
            Source::of_url(url.map_err(|wrong| wrong.within("image_url"))?)
        }
        _ => Source::of_url(part.required("image_url")?),
    };
    Ok(Block::Image(Image { source, detail: part.literal("detail") }))
}

fn file<'t>(part: &Object<'t>) -> Result<Block<'t>, Untranslatable> {
    let source = match (part.literal("file_id"), part.literal("file_url")) {
        (Some(id), _) => Source::Id(id),
        (_, Some(url)) => Source::of_url(url),
        _ => Source::of_url(part.required("file_data")?),
    };
    Ok(Block::File(File { source, name: part.literal("filename") }))
}

/// A reasoning item: its content, else its summary, and what seals it. One without a part to read is veiled; an empty
/// part tells one whose text was not shown.
pub(super) fn reasoning<'t>(item: &Object<'t>) -> Result<Vec<Block<'t>>, Untranslatable> {
    let mut texts: Vec<Literal<'t>> = Vec::new();
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
    let seal = item.literal("encrypted_content").filter(|seal| !seal.is_empty());
    Ok(match seal {
        None if texts.is_empty() => Vec::new(),
        Some(data) if !has_parts => vec![Block::Veiled(data)],
        seal => vec![Block::Reasoning { text: Literal::joined(&texts, "\n\n"), seal }],
    })
}
