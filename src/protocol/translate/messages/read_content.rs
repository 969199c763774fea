//! What a message says: blocks.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::conversation::media::{File, Image, Source};
use super::super::conversation::{Block, Call, Outcome};
use super::super::losses::{self, Losses};
use super::super::node::{Node, Object};
use super::super::{Untranslatable, content, ids};

/// # Errors
/// When it is neither a string nor an array of blocks.
pub(super) fn content<'t>(content: Node<'t>, losses: &mut Losses) -> Result<Vec<Block<'t>>, Untranslatable> {
    content::read(content, "blocks", |node, blocks| block(&node.object()?, blocks, losses))
}

fn block<'t>(
    block: &Object<'t>,
    blocks: &mut Vec<Block<'t>>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    losses.note_if(block.get("cache_control").is_some(), losses::CACHE_CONTROL);
    let kind = block.required("type")?.text().into_owned();
    let read = match &*kind {
        "text" => {
            let cited = block.get("citations").is_some_and(|list| list.raw() != b"[]");
            losses.note_if(cited, losses::CITATIONS);
            Block::Text(block.required("text")?)
        }
        "image" => Block::Image(Image { source: source(block)?, detail: None }),
        "document" => return document(block, blocks, losses),
        "search_result" => return search_result(block, blocks, losses),
        "thinking" => Block::Reasoning {
            text: block.required("thinking")?,
            seal: block.literal("signature").filter(|seal| !seal.is_empty()),
        },
        "redacted_thinking" => Block::Veiled(block.required("data")?),
        "tool_use" => Block::Call(call(block)?),
        "tool_result" => Block::Result(outcome(block, losses)?),
        "tool_reference" => {
            let name = block.required("tool_name")?;
            Block::Text(name.wrapped("The tool ", " can be called now."))
        }
        hosted
            if hosted == "server_tool_use"
                || hosted.ends_with("_tool_result")
                || hosted.starts_with("mcp_") =>
        {
            losses.note(losses::HOSTED_CALLS);
            return Ok(());
        }
        _ => content::unknown(block, "block of a message", losses)?,
    };
    blocks.push(read);
    Ok(())
}

fn source<'t>(block: &Object<'t>) -> Result<Source<'t>, Untranslatable> {
    let read = |source: &Object<'t>| match &*source.required("type")?.text() {
        "base64" => Ok(Source::Data {
            media_type: source.string("media_type").unwrap_or(Cow::Borrowed("application/octet-stream")),
            data: source.required("data")?,
        }),
        "url" => Ok(Source::of_url(source.required("url")?)),
        "file" => source.required("file_id").map(Source::Id),
        other => {
            let why = format!("{other:?} is no source; there are base64, url and file");
            Err(Untranslatable::new(why).within("type"))
        }
    };
    match block.object("source")? {
        Some(source) => read(&source).map_err(|wrong| wrong.within("source")),
        None => Err(Untranslatable::new("must be an object and is missing").within("source")),
    }
}

/// A document of text or blocks stands as these; others stay documents.
fn document<'t>(
    block: &Object<'t>,
    blocks: &mut Vec<Block<'t>>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    let cited =
        block.object("citations")?.is_some_and(|terms| terms.get("enabled").is_some_and(Node::is_true));
    losses.note_if(cited || block.get("context").is_some(), losses::DOCUMENT_TERMS);
    let title = block.literal("title").filter(|title| !title.is_empty());
    let inner = block.object("source")?;
    let kind = inner.as_ref().and_then(|source| source.string("type"));
    match (kind.as_deref(), inner) {
        (Some("text"), Some(source)) => {
            blocks.extend(title.map(Block::Text));
            blocks.push(Block::Text(source.required("data").map_err(|wrong| wrong.within("source"))?));
        }
        (Some("content"), Some(source)) => {
            blocks.extend(title.map(Block::Text));
            if let Some(parts) = source.get("content") {
                blocks.extend(content(parts, losses).map_err(|wrong| wrong.within("source.content"))?);
            }
        }
        _ => blocks.push(Block::File(File { source: source(block)?, name: title })),
    }
    Ok(())
}

/// Title, source and text of something found.
fn search_result<'t>(
    block: &Object<'t>,
    blocks: &mut Vec<Block<'t>>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    blocks.extend(["title", "source"].into_iter().filter_map(|key| block.literal(key)).map(Block::Text));
    if let Some(parts) = block.get("content") {
        blocks.extend(content(parts, losses).map_err(|wrong| wrong.within("content"))?);
    }
    Ok(())
}

fn call<'t>(block: &Object<'t>) -> Result<Call<'t>, Untranslatable> {
    Ok(Call {
        id: own_id(block.string("id").unwrap_or_default()),
        name: block.required("name")?,
        arguments: match block.get("input") {
            Some(input) => unwrapped(input),
            None => Cow::Borrowed(b"{}"),
        },
    })
}

/// The provider's own id of one that we may have escaped.
pub(in crate::protocol::translate) fn own_id(id: Cow<'_, str>) -> Cow<'_, str> {
    match ids::original(&id) {
        Cow::Borrowed(_) => id,
        Cow::Owned(own) => Cow::Owned(own),
    }
}

/// The member that wraps arguments which are no object, for a face that wants one.
pub(in crate::protocol::translate) const WRAPPER: &str = "moonrelay_raw_arguments";

fn unwrapped(input: Node<'_>) -> Cow<'_, [u8]> {
    let wrapped = || {
        let object = input.object().ok()?;
        let [(key, text)] = <[_; 1]>::try_from(object.entries().collect::<Vec<_>>()).ok()?;
        (key == WRAPPER).then(|| text.string()).flatten()
    };
    match wrapped() {
        Some(text) => Cow::Owned(text.into_owned().into_bytes()),
        None => Cow::Borrowed(input.raw()),
    }
}

fn outcome<'t>(block: &Object<'t>, losses: &mut Losses) -> Result<Outcome<'t>, Untranslatable> {
    let content = block.get("content").map_or(Ok(Vec::new()), |parts| content(parts, losses));
    let mut content = content.map_err(|wrong| wrong.within("content"))?;
    let is_plain = |block: &Block<'_>| matches!(block, Block::Text(_) | Block::Image(_) | Block::File(_));
    losses.note_if(!content.iter().all(is_plain), losses::UNKNOWN_BLOCKS);
    content.retain(is_plain);
    Ok(Outcome {
        id: own_id(block.string("tool_use_id").unwrap_or_default()),
        content,
        is_error: block.get("is_error").is_some_and(Node::is_true),
    })
}

/// The tools that a search for tools brought into this message, whether it ran here or at the provider.
pub(super) fn fetched_tools(message: &Object<'_>, fetched: &mut HashSet<String>) {
    let mut waiting = message.list("content").unwrap_or_default();
    while let Some(node) = waiting.pop() {
        let Ok(block) = node.object() else { continue };
        if block.string("type").is_some_and(|kind| kind == "tool_reference") {
            fetched.extend(block.string("tool_name").map(Cow::into_owned));
        }
        // Nesting is bounded by that of the body.
        for inner in ["content", "tool_references"].into_iter().filter_map(|key| block.get(key)) {
            waiting.extend(if inner.is_object() {
                vec![inner]
            } else {
                inner.elements().unwrap_or_default()
            });
        }
    }
}
