//! A messages request, read into the model.

use std::collections::HashSet;

use super::super::Untranslatable;
use super::super::conversation::tools::{Choice, Tool};
use super::super::conversation::{Block, Conversation, Role, Turn};
use super::super::losses::{self, Losses};
use super::super::node::{Node, Object};
use super::{read_content, read_knobs};
use crate::protocol::request::RequestBody;

/// # Errors
/// When something has another type than the face gives it, or cannot be left out.
pub(in crate::protocol::translate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, Untranslatable> {
    let top = Object::of(&body.text, body.top.clone());
    let mut conversation = Conversation::default();
    if let Some(system) = top.get("system") {
        let blocks = read_content::content(system, losses).map_err(|wrong| wrong.within("system"))?;
        conversation.turns.push(Turn::new(Role::System, blocks));
    }
    let mut fetched = HashSet::new();
    for (index, message) in top.list("messages")?.into_iter().enumerate() {
        let within = |wrong: Untranslatable| wrong.within(&format!("messages[{index}]"));
        let message = message.object().map_err(within)?;
        turns(&message, &mut conversation.turns, losses).map_err(within)?;
        read_content::fetched_tools(&message, &mut fetched);
    }
    if let Some(last) = conversation.turns.last_mut() {
        // A last message of the assistant's is the beginning of the answer.
        last.partial = last.role == Role::Assistant && !last.has_calls();
    }
    for (index, tool) in top.list("tools")?.into_iter().enumerate() {
        let read = tool_definition(tool, &fetched, losses);
        conversation.tools.extend(read.map_err(|wrong| wrong.within(&format!("tools[{index}]")))?);
    }
    choice(&top, &mut conversation, losses)?;
    conversation.thinking = read_knobs::thinking(&top, losses);
    conversation.knobs = read_knobs::knobs(&top, losses)?;
    Ok(conversation)
}

/// A message of the user's with results is two turns: the results come first.
fn turns<'t>(
    message: &Object<'t>,
    turns: &mut Vec<Turn<'t>>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    let role = match &*message.required("role")?.text() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let why = format!("{other:?} is no role; there are user, assistant and system");
            return Err(Untranslatable::new(why).within("role"));
        }
    };
    let Some(content) = message.get("content") else { return Ok(()) };
    let blocks = read_content::content(content, losses).map_err(|wrong| wrong.within("content"))?;
    let (results, rest): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|block| matches!(block, Block::Result(_)));
    let said = [Turn::new(Role::Tools, results), Turn::new(role, rest)];
    turns.extend(said.into_iter().filter(|turn| !turn.blocks.is_empty()));
    Ok(())
}

/// Members of a tool that other faces do not have.
const EXTRAS: [&str; 3] = ["input_examples", "allowed_callers", "eager_input_streaming"];

fn tool_definition<'t>(
    tool: Node<'t>,
    fetched: &HashSet<String>,
    losses: &mut Losses,
) -> Result<Option<Tool<'t>>, Untranslatable> {
    let tool = tool.object()?;
    // Server tools have a dated type (`web_search_20250305`), those of the client none or `custom`.
    if tool.string("type").is_some_and(|kind| kind != "custom") {
        losses.note(losses::HOSTED_TOOLS);
        return Ok(None);
    }
    let name = tool.required("name")?;
    if tool.get("defer_loading").is_some_and(Node::is_true) && !fetched.contains(&*name.text()) {
        losses.note(losses::DEFERRED_TOOLS);
        return Ok(None);
    }
    losses.note_if(tool.get("cache_control").is_some(), losses::CACHE_CONTROL);
    losses.note_if(EXTRAS.iter().any(|key| tool.get(key).is_some()), losses::TOOL_EXTRAS);
    Ok(Some(Tool {
        name,
        description: tool.literal("description"),
        schema: tool.get("input_schema").map(Node::raw),
        strict: tool.get("strict").and_then(Node::flag),
        namespace: None,
    }))
}

fn choice<'t>(
    top: &Object<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    let Some(choice) = top.object("tool_choice")? else { return Ok(()) };
    conversation.choice = match choice.string("type").as_deref() {
        Some("auto") => Some(Choice::Auto),
        Some("any") => Some(Choice::Any),
        Some("none") => Some(Choice::None),
        Some("tool") => {
            Some(Choice::Tool(choice.required("name").map_err(|wrong| wrong.within("tool_choice"))?))
        }
        _ => {
            losses.note(losses::TOOL_CHOICE);
            None
        }
    };
    conversation.parallel = choice.get("disable_parallel_tool_use").and_then(Node::flag).map(|flag| !flag);
    Ok(())
}
