//! A chat request, read into the model.

use std::borrow::Cow;

use super::super::conversation::tools::{Choice, Tool};
use super::super::conversation::{Block, Call, Conversation, Outcome, Role, Turn};
use super::super::losses::{self, Losses};
use super::super::node::{Literal, Node, Object};
use super::super::{Untranslatable, openai};
use super::read_content::{content, reasoning};
use super::read_knobs;
use crate::protocol::request::RequestBody;

/// # Errors
/// When something has another type than the face gives it, or cannot be left out.
pub(in crate::protocol::translate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, Untranslatable> {
    let top = Object::of(&body.text, body.top.clone());
    let mut conversation = Conversation::default();
    for (index, tool) in top.list("tools")?.into_iter().enumerate() {
        let read = tool_definition(tool, losses).map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
        conversation.tools.extend(read);
    }
    for (index, message) in top.list("messages")?.into_iter().enumerate() {
        let within = |wrong: Untranslatable| wrong.within(&format!("messages[{index}]"));
        let message = message.object().map_err(within)?;
        dynamic_tools(&message, &mut conversation, losses).map_err(within)?;
        let turn = turn(&message, losses).map_err(within)?;
        join(&mut conversation, turn);
    }
    conversation.choice = choice(&top, losses)?;
    conversation.parallel = top.get("parallel_tool_calls").and_then(Node::flag);
    conversation.thinking = read_knobs::thinking(&top, losses);
    conversation.knobs = read_knobs::knobs(&top, losses)?;
    Ok(conversation)
}

/// Results of one round of calls are one turn.
fn join<'t>(conversation: &mut Conversation<'t>, turn: Turn<'t>) {
    match conversation.turns.last_mut() {
        Some(last) if last.role == Role::Tools && turn.role == Role::Tools => last.blocks.extend(turn.blocks),
        _ => conversation.turns.push(turn),
    }
}

fn turn<'t>(message: &Object<'t>, losses: &mut Losses) -> Result<Turn<'t>, Untranslatable> {
    let named = message.required("role")?;
    let role = match &*named.text() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tools,
        other => {
            let why = format!("{other:?} is no role; there are system, developer, user, assistant and tool");
            return Err(Untranslatable::new(why).within("role"));
        }
    };
    let mut blocks = Vec::new();
    if role == Role::Assistant {
        blocks.extend(reasoning(message)?);
    }
    let said = message.get("content").map_or(Ok(Vec::new()), |said| content(said, losses));
    let said = said.map_err(|wrong| wrong.within("content"))?;
    match role {
        Role::Tools => blocks.push(Block::Result(Outcome {
            id: message.string("tool_call_id").unwrap_or_default(),
            content: said,
            is_error: false,
        })),
        Role::Assistant => {
            blocks.extend(said);
            blocks.extend(message.literal("refusal").filter(|text| !text.is_empty()).map(Block::Refusal));
            losses.note_if(message.get("audio").is_some(), losses::AUDIO);
            losses.note_if(
                message.get("annotations").is_some_and(|list| list.raw() != b"[]"),
                losses::CITATIONS,
            );
            blocks.extend(calls(message, losses)?);
        }
        _ => blocks.extend(said),
    }
    let partial = message.get("partial").is_some_and(Node::is_true);
    Ok(Turn { role, blocks, name: message.literal("name"), partial })
}

fn calls<'t>(message: &Object<'t>, losses: &mut Losses) -> Result<Vec<Block<'t>>, Untranslatable> {
    if message.get("function_call").is_some() {
        let why = "is the old form of a call, which has no id; send `tool_calls` and `tools`";
        return Err(Untranslatable::new(why).within("function_call"));
    }
    let mut calls = Vec::new();
    for (index, call) in message.list("tool_calls")?.into_iter().enumerate() {
        let read = call.object().and_then(|call| one_call(&call, losses));
        calls.push(Block::Call(read.map_err(|wrong| wrong.within(&format!("tool_calls[{index}]")))?));
    }
    Ok(calls)
}

fn one_call<'t>(call: &Object<'t>, losses: &mut Losses) -> Result<Call<'t>, Untranslatable> {
    let id = call.string("id").unwrap_or_default();
    if let Some(custom) = call.object("custom")? {
        losses.note(losses::CUSTOM_TOOLS);
        let name = custom.required("name").map_err(|wrong| wrong.within("custom"))?;
        let input = custom.literal("input").unwrap_or_else(|| Literal::of(""));
        return Ok(Call { id, name, arguments: Cow::Owned(openai::free_text(&input)) });
    }
    let function = call
        .object("function")?
        .ok_or_else(|| Untranslatable::new("must be an object and is missing").within("function"))?;
    let name = function.required("name").map_err(|wrong| wrong.within("function"))?;
    let arguments = match function.get("arguments") {
        // Some clients send the object itself.
        Some(object) if object.is_object() => Cow::Borrowed(object.raw()),
        Some(text) => match text.string() {
            Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
            Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            None => Cow::Borrowed(text.raw()),
        },
        None => Cow::Borrowed(&b""[..]),
    };
    Ok(Call { id, name, arguments })
}

/// # Errors
/// When it is no tool.
fn tool_definition<'t>(tool: Node<'t>, losses: &mut Losses) -> Result<Option<Tool<'t>>, Untranslatable> {
    let tool = tool.object()?;
    match tool.string("type").as_deref() {
        Some("function") | None => {}
        Some("custom") => {
            losses.note(losses::CUSTOM_TOOLS);
            return Ok(None);
        }
        Some(_) => {
            losses.note(losses::HOSTED_TOOLS);
            return Ok(None);
        }
    }
    let function = tool
        .object("function")?
        .ok_or_else(|| Untranslatable::new("must be an object and is missing").within("function"))?;
    Ok(Some(Tool {
        name: function.required("name").map_err(|wrong| wrong.within("function"))?,
        description: function.literal("description"),
        schema: function.get("parameters").map(Node::raw),
        strict: function.get("strict").and_then(Node::flag),
        namespace: None,
    }))
}

/// Moonshot's: a system message that brings tools.
fn dynamic_tools<'t>(
    message: &Object<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    for (index, tool) in message.list("tools")?.into_iter().enumerate() {
        let read = tool_definition(tool, losses).map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
        losses.note(losses::DYNAMIC_TOOLS);
        let is_new =
            |tool: &Tool<'_>| !conversation.tools.iter().any(|known| known.name.text() == tool.name.text());
        let read: Vec<_> = read.into_iter().filter(is_new).collect();
        conversation.tools.extend(read);
    }
    Ok(())
}

fn choice<'t>(top: &Object<'t>, losses: &mut Losses) -> Result<Option<Choice<'t>>, Untranslatable> {
    let Some(node) = top.get("tool_choice") else { return Ok(None) };
    if let Some(word) = node.string() {
        return Ok(openai::choice(&word, losses));
    }
    let choice = node.object().map_err(|wrong| wrong.within("tool_choice"))?;
    let function = choice.object("function").map_err(|wrong| wrong.within("tool_choice"))?;
    if let Some(name) = function.and_then(|function| function.literal("name")) {
        return Ok(Some(Choice::Tool(name)));
    }
    losses.note(losses::TOOL_CHOICE);
    let mode = choice.object("allowed_tools").map_err(|wrong| wrong.within("tool_choice"))?;
    let mode = mode.and_then(|allowed| allowed.string("mode"));
    Ok(openai::choice(mode.or_else(|| choice.string("type")).as_deref().unwrap_or("auto"), losses))
}
