//! Content shared by all API formats: a string, or a list of parts.

use super::TranslationError;
use super::conversation::ContentBlock;
use super::losses::{self, Losses};
use super::node::{JsonNode, ObjectNode, StringLiteral};

/// Reads a content. `parts` is the format's name for its parts, and `part` reads one of them and appends it.
///
/// # Errors
/// When it is neither a string nor an array of parts, or a part cannot be read.
pub(super) fn read_parts<'t>(
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
        part(node, &mut blocks).map_err(|wrong| wrong.within(&format!("[{index}]")))?;
    }
    Ok(blocks)
}

/// Audio, which no other API format accepts.
pub(super) fn make_audio_placeholder<'t>(losses: &mut Losses) -> ContentBlock<'t> {
    losses.record(losses::AUDIO);
    ContentBlock::Text(StringLiteral::from_text("[sound was left out here]"))
}

/// A part of an unknown type: its text. `what` names such a part in the error.
///
/// # Errors
/// When it has no text, because the model would not see the content.
pub(super) fn read_unknown_part<'t>(
    part: &ObjectNode<'t>,
    what: &str,
    losses: &mut Losses,
) -> Result<ContentBlock<'t>, TranslationError> {
    losses.record(losses::UNKNOWN_BLOCKS);
    let kind = part.string("type").unwrap_or_default();
    let why = || TranslationError::new(format!("{kind:?} is no {what} that other faces have")).within("type");
    part.literal("text").map(ContentBlock::Text).ok_or_else(why)
}
