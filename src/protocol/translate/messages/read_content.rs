//! Content of a message: blocks.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::conversation::media::{FileBlock, ImageBlock, MediaSource};
use super::super::conversation::{ContentBlock, ToolCall, ToolResult};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, ObjectNode};
use super::super::{TranslationError, content, tool_call_ids};

/// # Errors
/// When it is neither a string nor an array of blocks.
pub(super) fn read_content<'t>(
    content: JsonNode<'t>,
    losses: &mut Losses,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    content::read_parts(content, "blocks", |node, blocks| read_block(&node.object()?, blocks, losses))
}

fn read_block<'t>(
    block: &ObjectNode<'t>,
    blocks: &mut Vec<ContentBlock<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    losses.record_if(block.get("cache_control").is_some(), losses::CACHE_CONTROL);
    let kind = block.require_string("type")?.text().into_owned();
    let read = match &*kind {
        "text" => {
            let cited = block.get("citations").is_some_and(|list| list.raw() != b"[]");
            losses.record_if(cited, losses::CITATIONS);
            ContentBlock::Text(block.require_string("text")?)
        }
        "image" => ContentBlock::Image(ImageBlock { source: read_source(block)?, detail: None }),
        "document" => return read_document(block, blocks, losses),
        "search_result" => return read_search_result(block, blocks, losses),
        "thinking" => ContentBlock::Reasoning {
            text: block.require_string("thinking")?,
            signature: block.literal("signature").filter(|seal| !seal.is_empty()),
        },
        "redacted_thinking" => ContentBlock::RedactedReasoning(block.require_string("data")?),
        "tool_use" => ContentBlock::ToolCall(read_tool_call(block)?),
        "tool_result" => ContentBlock::ToolResult(read_tool_result(block, losses)?),
        "tool_reference" => {
            let name = block.require_string("tool_name")?;
            ContentBlock::Text(name.wrap("The tool ", " can be called now."))
        }
        hosted
            if hosted == "server_tool_use"
                || hosted.ends_with("_tool_result")
                || hosted.starts_with("mcp_") =>
        {
            losses.record(losses::HOSTED_CALLS);
            return Ok(());
        }
        _ => content::read_unknown_part(block, "block of a message", losses)?,
    };
    blocks.push(read);
    Ok(())
}

fn read_source<'t>(block: &ObjectNode<'t>) -> Result<MediaSource<'t>, TranslationError> {
    let read = |source: &ObjectNode<'t>| match &*source.require_string("type")?.text() {
        "base64" => Ok(MediaSource::Data {
            media_type: source.string("media_type").unwrap_or(Cow::Borrowed("application/octet-stream")),
            data: source.require_string("data")?,
        }),
        "url" => Ok(MediaSource::from_url(source.require_string("url")?)),
        "file" => source.require_string("file_id").map(MediaSource::FileId),
        other => {
            let why = format!("{other:?} is no source; there are base64, url and file");
            Err(TranslationError::new(why).within("type"))
        }
    };
    match block.object("source")? {
        Some(source) => read(&source).map_err(|wrong| wrong.within("source")),
        None => Err(TranslationError::new("must be an object and is missing").within("source")),
    }
}

/// A document of text or blocks becomes these; others stay documents.
fn read_document<'t>(
    block: &ObjectNode<'t>,
    blocks: &mut Vec<ContentBlock<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let cited =
        block.object("citations")?.is_some_and(|terms| terms.get("enabled").is_some_and(JsonNode::is_true));
    losses.record_if(cited || block.get("context").is_some(), losses::DOCUMENT_TERMS);
    let title = block.literal("title").filter(|title| !title.is_empty());
    let inner = block.object("source")?;
    let kind = inner.as_ref().and_then(|source| source.string("type"));
    match (kind.as_deref(), inner) {
        (Some("text"), Some(source)) => {
            blocks.extend(title.map(ContentBlock::Text));
            blocks.push(ContentBlock::Text(
                source.require_string("data").map_err(|wrong| wrong.within("source"))?,
            ));
        }
        (Some("content"), Some(source)) => {
            blocks.extend(title.map(ContentBlock::Text));
            if let Some(parts) = source.get("content") {
                blocks.extend(read_content(parts, losses).map_err(|wrong| wrong.within("source.content"))?);
            }
        }
        _ => blocks.push(ContentBlock::File(FileBlock { source: read_source(block)?, name: title })),
    }
    Ok(())
}

/// Title, source and text of something found.
fn read_search_result<'t>(
    block: &ObjectNode<'t>,
    blocks: &mut Vec<ContentBlock<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    blocks
        .extend(["title", "source"].into_iter().filter_map(|key| block.literal(key)).map(ContentBlock::Text));
    if let Some(parts) = block.get("content") {
        blocks.extend(read_content(parts, losses).map_err(|wrong| wrong.within("content"))?);
    }
    Ok(())
}

fn read_tool_call<'t>(block: &ObjectNode<'t>) -> Result<ToolCall<'t>, TranslationError> {
    Ok(ToolCall {
        id: restore_id(block.string("id").unwrap_or_default()),
        name: block.require_string("name")?,
        arguments: match block.get("input") {
            Some(input) => unwrap_arguments(input),
            None => Cow::Borrowed(b"{}"),
        },
    })
}

/// The provider's own id, unescaped if the gateway escaped it.
pub(in crate::protocol::translate) fn restore_id(id: Cow<'_, str>) -> Cow<'_, str> {
    match tool_call_ids::restore_original(&id) {
        Cow::Borrowed(_) => id,
        Cow::Owned(own) => Cow::Owned(own),
    }
}

/// The member that wraps non-object arguments, for a format that requires an object.
pub(in crate::protocol::translate) const RAW_ARGUMENTS_KEY: &str = "moonrelay_raw_arguments";

fn unwrap_arguments(input: JsonNode<'_>) -> Cow<'_, [u8]> {
    let wrapped = || {
        let object = input.object().ok()?;
        let [(key, text)] = <[_; 1]>::try_from(object.entries().collect::<Vec<_>>()).ok()?;
        (key == RAW_ARGUMENTS_KEY).then(|| text.string()).flatten()
    };
    match wrapped() {
        Some(text) => Cow::Owned(text.into_owned().into_bytes()),
        None => Cow::Borrowed(input.raw()),
    }
}

fn read_tool_result<'t>(
    block: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ToolResult<'t>, TranslationError> {
    let content = block.get("content").map_or(Ok(Vec::new()), |parts| read_content(parts, losses));
    let mut content = content.map_err(|wrong| wrong.within("content"))?;
    let is_plain = |block: &ContentBlock<'_>| {
        matches!(block, ContentBlock::Text(_) | ContentBlock::Image(_) | ContentBlock::File(_))
    };
    losses.record_if(!content.iter().all(is_plain), losses::UNKNOWN_BLOCKS);
    content.retain(is_plain);
    Ok(ToolResult {
        call_id: restore_id(block.string("tool_use_id").unwrap_or_default()),
        content,
        is_error: block.get("is_error").is_some_and(JsonNode::is_true),
    })
}

/// The tools that a search for tools brought into this message, whether it ran here or at the provider.
pub(super) fn collect_fetched_tools(message: &ObjectNode<'_>, fetched: &mut HashSet<String>) {
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
