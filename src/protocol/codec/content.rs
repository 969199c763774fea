//! Content and fields that several APIs share.

use std::borrow::Cow;

use crate::protocol::model::TranslationError;
use crate::protocol::model::conversation::ContentBlock;
use crate::protocol::model::losses::{self, Losses};
use crate::protocol::model::node::{JsonNode, ObjectNode, StringLiteral};
use crate::protocol::model::parameters::{Parameters, ResponseFormat};
use crate::protocol::model::tools::ToolChoice;
use crate::protocol::object::ObjectView;
use crate::protocol::writer::ObjectWriter;

/// Reads a content. `parts` is the format's name for its parts, and `part` reads one of them and appends it.
///
/// # Errors
/// When it is neither a string nor an array of parts, or a part cannot be read.
pub(crate) fn read_parts<'t>(
    content: JsonNode<'t>,
    parts: &str,
    mut part: impl FnMut(JsonNode<'t>, &mut Vec<ContentBlock<'t>>) -> Result<(), TranslationError>,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    if let Some(text) = content.literal() {
        return Ok(if text.is_empty() { Vec::new() } else { vec![ContentBlock::Text(text)] });
    }
    if !content.is_array() {
        let why = format!("must be a string or an array of {parts}, not {}", content.type_name());
        return Err(TranslationError::new(why));
    }
    let mut blocks = Vec::new();
    for (index, node) in content.elements()?.into_iter().enumerate() {
        part(node, &mut blocks).map_err(|error| error.within(&format!("[{index}]")))?;
    }
    Ok(blocks)
}

/// Takes the marks of the prompt cache out of a tool's result: the last one moves behind it.
pub(crate) fn take_cache_mark<'t>(content: &mut Vec<ContentBlock<'t>>) -> Option<ContentBlock<'t>> {
    content.extract_if(.., |block| matches!(block, ContentBlock::CacheMark(_))).last()
}

/// Writes a mark of the prompt cache into the block, or part, before it.
pub(crate) fn write_cache_mark(block: Option<&mut Vec<u8>>, mark: &[u8]) {
    let takes = |block: &&mut Vec<u8>| block.ends_with(b"}") && !is_thinking(block) && !has_mark(block);
    if let Some(block) = block.filter(takes) {
        block.pop();
        block.extend_from_slice(b",\"cache_control\":");
        block.extend_from_slice(mark);
        block.push(b'}');
    }
}

fn has_mark(block: &[u8]) -> bool {
    ObjectView::parse(block).is_some_and(|block| block.value("cache_control").is_some())
}

/// Thinking takes no mark (Anthropic's guide: prompt caching, 2026-11).
fn is_thinking(block: &[u8]) -> bool {
    let kind = [&b"{\"type\":\"thinking\""[..], b"{\"type\":\"redacted_thinking\""];
    kind.iter().any(|kind| block.starts_with(kind))
}

/// Audio, which no other API accepts.
pub(crate) fn make_audio_placeholder<'t>(losses: &mut Losses) -> ContentBlock<'t> {
    losses.record(losses::AUDIO);
    ContentBlock::Text(StringLiteral::from_text("[audio removed]"))
}

/// A part of an unknown type: its text. `what` names such a part in the error.
///
/// # Errors
/// When it has no text, because the model would not see the content.
pub(crate) fn read_unknown_part<'t>(
    part: &ObjectNode<'t>,
    what: &str,
    losses: &mut Losses,
) -> Result<ContentBlock<'t>, TranslationError> {
    losses.record(losses::UNKNOWN_BLOCKS);
    let kind = part.string("type").unwrap_or_default();
    let why =
        || TranslationError::new(format!("{kind:?} is not a {what} that other APIs have")).within("type");
    part.literal("text").map(ContentBlock::Text).ok_or_else(why)
}

/// The longest end user's id, in characters (API reference, 2026-11).
const MAX_USER_CHARS: usize = 64;

/// A string value of `tool_choice`.
pub(crate) fn parse_tool_choice<'t>(word: &str, losses: &mut Losses) -> Option<ToolChoice<'t>> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" | "any" => Some(ToolChoice::Required),
        _ => {
            losses.record(losses::TOOL_CHOICE);
            None
        }
    }
}

/// The arguments of a call: a string, or the object itself, which some clients send.
pub(crate) fn read_arguments<'t>(arguments: Option<JsonNode<'t>>) -> Cow<'t, [u8]> {
    let Some(arguments) = arguments else { return Cow::Borrowed(b"") };
    match arguments.string() {
        Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        None => Cow::Borrowed(arguments.raw()),
    }
}

/// Writes the fields for user, service tier and prompt cache.
pub(crate) fn write_shared_fields(
    body: &mut ObjectWriter<'_>,
    parameters: &Parameters<'_>,
    losses: &mut Losses,
) {
    let fits = |user: &&StringLiteral<'_>| user.text().chars().count() <= MAX_USER_CHARS;
    let user = parameters.user.as_ref().filter(fits);
    losses.record_if(user.is_none() && parameters.user.is_some(), losses::USER);
    body.raw_if("user", user);
    body.raw_if("safety_identifier", parameters.safety_identifier.as_ref());
    body.raw_if("metadata", parameters.metadata);
    body.raw_if("service_tier", parameters.service_tier.as_ref());
    body.raw_if("cache_control", parameters.cache_control);
    for (key, value) in &parameters.routing {
        body.raw(key, value);
    }
    for (key, value) in &parameters.cache_fields {
        body.raw(key, value);
    }
}

/// Writes name, description, schema and strictness of a response format.
pub(crate) fn write_schema(body: &mut ObjectWriter<'_>, format: &ResponseFormat<'_>) {
    let ResponseFormat::JsonSchema { name, description, schema, is_strict: strict } = format else { return };
    match name {
        Some(name) => body.raw("name", name),
        None => body.text("name", "answer"),
    }
    body.raw_if("description", description.as_ref());
    body.raw("schema", schema);
    body.flag_if("strict", *strict);
}
