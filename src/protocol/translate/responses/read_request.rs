//! A responses request, read into the model.

use super::super::Untranslatable;
use super::super::conversation::{Block, Conversation, Role, Turn};
use super::super::losses::{self, Losses};
use super::super::node::{Node, Object};
use super::{read_items, read_knobs, read_tools};
use crate::protocol::request::RequestBody;

/// What the provider keeps, and a request may name instead of sending it.
const KEPT: [(&str, &str); 3] = [
    (
        "previous_response_id",
        "names an answer that is kept at another provider; send the whole conversation in `input`",
    ),
    ("conversation", "names a conversation that is kept at another provider; send all of it in `input`"),
    ("prompt", "names a prompt that is kept at another provider; send its text in `instructions`"),
];

/// # Errors
/// When something has another type than the face gives it, or cannot be left out.
pub(in crate::protocol::translate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, Untranslatable> {
    let top = Object::of(&body.text, body.top.clone());
    if let Some((key, why)) = KEPT.into_iter().find(|(key, _)| top.get(key).is_some()) {
        return Err(Untranslatable::new(why).within(key));
    }
    let mut conversation = Conversation::default();
    if top.get("instructions").is_some() {
        let instructions = top.required("instructions")?;
        let blocks = if instructions.is_empty() { Vec::new() } else { vec![Block::Text(instructions)] };
        conversation.turns.push(Turn::new(Role::System, blocks));
    }
    if let Some(input) = top.get("input") {
        self::input(input, &mut conversation, losses)?;
    }
    for (index, tool) in top.list("tools")?.into_iter().enumerate() {
        read_tools::read(tool, &mut conversation.tools, losses)
            .map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
    }
    conversation.choice = read_tools::choice(&top, losses)?;
    conversation.parallel = top.get("parallel_tool_calls").and_then(Node::flag);
    conversation.thinking = read_knobs::thinking(&top, losses);
    conversation.knobs = read_knobs::knobs(&top, losses)?;
    Ok(conversation)
}

fn input<'t>(
    input: Node<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    if let Some(text) = input.literal() {
        let blocks = if text.is_empty() { Vec::new() } else { vec![Block::Text(text)] };
        conversation.turns.push(Turn::new(Role::User, blocks));
        return Ok(());
    }
    if !input.is_array() {
        let why = format!("must be a string or an array of items, not {}", input.kind());
        return Err(Untranslatable::new(why).within("input"));
    }
    for (index, item) in input.elements()?.into_iter().enumerate() {
        let read = item.object().and_then(|item| read_items::read(&item, losses));
        let read = read.map_err(|wrong| wrong.within(&format!("input[{index}]")))?;
        read.into_iter().for_each(|turn| join(&mut conversation.turns, turn));
    }
    losses.note_if(conversation.turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    Ok(())
}

/// Items of one answer are one turn: reasoning, text, calls. Where they begin anew before a call was made, that is the
/// next turn; calls stay together, because their results have to follow them.
fn join<'t>(turns: &mut Vec<Turn<'t>>, turn: Turn<'t>) {
    let Some(last) = turns.last_mut().filter(|last| last.role == turn.role) else {
        turns.push(turn);
        return;
    };
    let is_text = |block: &Block<'_>| matches!(block, Block::Text(_) | Block::Refusal(_));
    let joins = match turn.role {
        Role::Tools => true,
        Role::Assistant => last.has_calls() || turn.has_calls() || !last.blocks.iter().any(is_text),
        _ => false,
    };
    if joins {
        last.blocks.extend(turn.blocks);
    } else {
        turns.push(turn);
    }
}
