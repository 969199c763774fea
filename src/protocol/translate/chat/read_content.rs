//! What a chat message says: text, parts, and reasoning in its three spellings.

use super::super::conversation::Block;
use super::super::conversation::media::{File, Image, Source};
use super::super::losses::{self, Losses};
use super::super::node::{Literal, Node, Object};
use super::super::{Untranslatable, content};

/// # Errors
/// When it is neither a string nor an array of parts.
pub(super) fn content<'t>(content: Node<'t>, losses: &mut Losses) -> Result<Vec<Block<'t>>, Untranslatable> {
    content::read(content, "parts", |node, blocks| {
        blocks.push(match node.literal() {
            Some(text) => Block::Text(text),
            None => part(&node.object()?, losses)?,
        });
        Ok(())
    })
}

fn part<'t>(part: &Object<'t>, losses: &mut Losses) -> Result<Block<'t>, Untranslatable> {
    losses.note_if(part.get("cache_control").is_some(), losses::CACHE_CONTROL);
    match &*part.required("type")?.text() {
        "text" => part.required("text").map(Block::Text),
        "refusal" => part.required("refusal").map(Block::Refusal),
        "image_url" => image(part),
        "video_url" => url_of(part, "video_url").map(Block::Video),
        "file" => file(part),
        "input_audio" => Ok(content::sound(losses)),
        _ => content::unknown(part, "part of a chat message", losses),
    }
}

/// The URL under `key`: an object with `url`, or the string itself, which Moonshot takes too.
fn url_of<'t>(part: &Object<'t>, key: &str) -> Result<Literal<'t>, Untranslatable> {
    match part.get(key) {
        Some(node) if node.is_object() => {
            node.object().and_then(|object| object.required("url")).map_err(|wrong| wrong.within(key))
        }
        _ => part.required(key),
    }
}

fn image<'t>(part: &Object<'t>) -> Result<Block<'t>, Untranslatable> {
    let source = Source::of_url(url_of(part, "image_url")?);
    let detail = part.get("image_url").and_then(|node| node.object().ok()?.literal("detail"));
    Ok(Block::Image(Image { source, detail }))
}

fn file<'t>(part: &Object<'t>) -> Result<Block<'t>, Untranslatable> {
    let Some(file) = part.object("file")? else {
        return Err(Untranslatable::new("must be an object and is missing").within("file"));
    };
    let source = match file.literal("file_id") {
        Some(id) => Source::Id(id),
        None => Source::of_url(file.required("file_data").map_err(|wrong| wrong.within("file"))?),
    };
    Ok(Block::File(File { source, name: file.literal("filename") }))
}

/// `reasoning_details` (OpenRouter), else `reasoning_content` (Moonshot), else `reasoning` (OpenRouter).
pub(super) fn reasoning<'t>(message: &Object<'t>) -> Result<Vec<Block<'t>>, Untranslatable> {
    let mut blocks: Vec<Block<'t>> = Vec::new();
    if message.get("reasoning_details").is_some_and(Node::is_array) {
        for (index, node) in message.list("reasoning_details")?.into_iter().enumerate() {
            let detail = node.object();
            let detail = detail.map_err(|wrong| wrong.within(&format!("reasoning_details[{index}]")))?;
            take_detail(&detail, &mut blocks);
        }
    }
    // Encrypted details may stand beside text that is told in the other spelling only.
    let has_text =
        blocks.iter().any(|block| matches!(block, Block::Reasoning { text, .. } if !text.is_empty()));
    let mut texts = ["reasoning_content", "reasoning"].into_iter().filter_map(|key| message.literal(key));
    let Some(told) = texts.find(|text| !text.is_empty() && !has_text) else { return Ok(blocks) };
    let sealed = blocks.iter_mut().find_map(|block| match block {
        Block::Reasoning { text, .. } => Some(text),
        _ => None,
    });
    match sealed {
        Some(text) => *text = told,
        None => blocks.insert(0, Block::Reasoning { text: told, seal: None }),
    }
    Ok(blocks)
}

/// One of OpenRouter's `reasoning_details`; the pieces of a stream may stand there one by one.
fn take_detail<'t>(detail: &Object<'t>, blocks: &mut Vec<Block<'t>>) {
    let filled = |key: &str| detail.literal(key).filter(|text| !text.is_empty());
    if let Some(data) = filled("data") {
        blocks.push(Block::Veiled(data));
        return;
    }
    let text = filled("text").or_else(|| filled("summary"));
    let seal = filled("signature");
    if let Some(Block::Reasoning { text: before, seal: open @ None }) = blocks.last_mut() {
        if let Some(text) = text {
            *before = Literal::joined(&[before.clone(), text], "");
        }
        *open = seal;
    } else if text.is_some() || seal.is_some() {
        blocks.push(Block::Reasoning { text: text.unwrap_or_else(|| Literal::of("")), seal });
    }
}
