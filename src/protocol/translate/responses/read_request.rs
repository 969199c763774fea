//! A responses request, read into the model.

use super::super::TranslationError;
use super::super::conversation::{ContentBlock, Conversation, ConversationTurn, Role};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, ObjectNode};
use super::{read_items, read_parameters, read_tools};
use crate::protocol::request::RequestBody;

/// Data stored at the provider, which a request may reference instead of sending it.
const STORED_REFERENCES: [(&str, &str); 3] = [
    (
        "previous_response_id",
        "names an answer that is kept at another provider; send the whole conversation in `input`",
    ),
    ("conversation", "names a conversation that is kept at another provider; send all of it in `input`"),
    ("prompt", "names a prompt that is kept at another provider; send its text in `instructions`"),
];

/// # Errors
/// When a value has the wrong type for the format, or cannot be omitted.
pub(in crate::protocol::translate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, TranslationError> {
    let top = ObjectNode::from_members(&body.text, body.members.clone());
    if let Some((key, why)) = STORED_REFERENCES.into_iter().find(|(key, _)| top.get(key).is_some()) {
        return Err(TranslationError::new(why).within(key));
    }
    let mut conversation = Conversation::default();
    if top.get("instructions").is_some() {
        let instructions = top.require_string("instructions")?;
        let blocks =
            if instructions.is_empty() { Vec::new() } else { vec![ContentBlock::Text(instructions)] };
        conversation.turns.push(ConversationTurn::new(Role::System, blocks));
    }
    if let Some(input) = top.get("input") {
        self::read_input(input, &mut conversation, losses)?;
    }
    for (index, tool) in top.list("tools")?.into_iter().enumerate() {
        read_tools::read(tool, &mut conversation.tools, losses)
            .map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
    }
    conversation.tool_choice = read_tools::read_tool_choice(&top, losses)?;
    conversation.parallel_tool_calls = top.get("parallel_tool_calls").and_then(JsonNode::as_bool);
    conversation.thinking = read_parameters::read_thinking(&top, losses);
    conversation.parameters = read_parameters::read_parameters(&top, losses)?;
    Ok(conversation)
}

fn read_input<'t>(
    input: JsonNode<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    if let Some(text) = input.literal() {
        let blocks = if text.is_empty() { Vec::new() } else { vec![ContentBlock::Text(text)] };
        conversation.turns.push(ConversationTurn::new(Role::User, blocks));
        return Ok(());
    }
    if !input.is_array() {
        let why = format!("must be a string or an array of items, not {}", input.type_name());
        return Err(TranslationError::new(why).within("input"));
    }
    for (index, item) in input.elements()?.into_iter().enumerate() {
        let read = item.object().and_then(|item| read_items::read(&item, losses));
        let read = read.map_err(|wrong| wrong.within(&format!("input[{index}]")))?;
        read.into_iter().for_each(|turn| push_turn(&mut conversation.turns, turn));
    }
    losses.record_if(conversation.turns.iter().any(|turn| turn.name.is_some()), losses::NAMES);
    Ok(())
}

/// Items of one response form one turn: reasoning, text, calls. A repeated start before any call begins the
/// next turn. Calls stay together, because their results must follow them.
fn push_turn<'t>(turns: &mut Vec<ConversationTurn<'t>>, turn: ConversationTurn<'t>) {
    let Some(last) = turns.last_mut().filter(|last| last.role == turn.role) else {
        turns.push(turn);
        return;
    };
    let is_text =
        |block: &ContentBlock<'_>| matches!(block, ContentBlock::Text(_) | ContentBlock::Refusal(_));
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
