//! What the faces' contents have in common: a string, or a list of parts.

use super::Untranslatable;
use super::conversation::Block;
use super::losses::{self, Losses};
use super::node::{Literal, Node, Object};

/// Reads a content; `parts` is the face's word for its parts, `part` reads one of them and adds what it says.
///
/// # Errors
/// When it is neither a string nor an array of parts, or a part cannot be read.
pub(super) fn read<'t>(
    content: Node<'t>,
    parts: &str,
    mut part: impl FnMut(Node<'t>, &mut Vec<Block<'t>>) -> Result<(), Untranslatable>,
) -> Result<Vec<Block<'t>>, Untranslatable> {
    if let Some(text) = content.literal() {
        return Ok(if text.is_empty() { Vec::new() } else { vec![Block::Text(text)] });
    }
    if !content.is_array() {
        let why = format!("must be a string or an array of {parts}, not {}", content.kind());
        return Err(Untranslatable::new(why));
    }
    let mut blocks = Vec::new();
    for (index, node) in content.elements()?.into_iter().enumerate() {
        part(node, &mut blocks).map_err(|wrong| wrong.within(&format!("[{index}]")))?;
    }
    Ok(blocks)
}

/// Sound, which no other face takes.
pub(super) fn sound<'t>(losses: &mut Losses) -> Block<'t> {
    losses.note(losses::AUDIO);
    Block::Text(Literal::of("[sound was left out here]"))
}

/// A part of a type that is not known: its text. `what` such a part is, for the error.
///
/// # Errors
/// When it has no text: the model would not see what was said.
pub(super) fn unknown<'t>(
    part: &Object<'t>,
    what: &str,
    losses: &mut Losses,
) -> Result<Block<'t>, Untranslatable> {
    losses.note(losses::UNKNOWN_BLOCKS);
    let kind = part.string("type").unwrap_or_default();
    let why = || Untranslatable::new(format!("{kind:?} is no {what} that other faces have")).within("type");
    part.literal("text").map(Block::Text).ok_or_else(why)
}
