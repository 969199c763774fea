//! A chat request, read into the model.

use std::borrow::Cow;

use super::super::conversation::tools::{ToolChoice, ToolDefinition};
use super::super::conversation::{ContentBlock, Conversation, ConversationTurn, Role, ToolCall, ToolResult};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, ObjectNode, StringLiteral};
use super::super::{TranslationError, openai};
use super::read_content::{read_content, read_reasoning};
use super::read_parameters;
use crate::protocol::request::RequestBody;

/// # Errors
/// When a value has the wrong type for the format, or cannot be omitted.
pub(in crate::protocol::translate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, TranslationError> {
    let top = ObjectNode::from_members(&body.text, body.members.clone());
    let mut conversation = Conversation::default();
    for (index, tool) in top.list("tools")?.into_iter().enumerate() {
        let read = read_tool(tool, losses).map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
        conversation.tools.extend(read);
    }
    for (index, message) in top.list("messages")?.into_iter().enumerate() {
        let within = |wrong: TranslationError| wrong.within(&format!("messages[{index}]"));
        let message = message.object().map_err(within)?;
        read_dynamic_tools(&message, &mut conversation, losses).map_err(within)?;
        let turn = read_turn(&message, losses).map_err(within)?;
        push_turn(&mut conversation, turn);
    }
    conversation.tool_choice = read_tool_choice(&top, losses)?;
    conversation.parallel_tool_calls = top.get("parallel_tool_calls").and_then(JsonNode::as_bool);
    conversation.thinking = read_parameters::read_thinking(&top, losses);
    conversation.parameters = read_parameters::read_parameters(&top, losses)?;
    Ok(conversation)
}

/// The results of one round of calls form one turn.
fn push_turn<'t>(conversation: &mut Conversation<'t>, turn: ConversationTurn<'t>) {
    match conversation.turns.last_mut() {
        Some(last) if last.role == Role::Tools && turn.role == Role::Tools => last.blocks.extend(turn.blocks),
        _ => conversation.turns.push(turn),
    }
}

fn read_turn<'t>(
    message: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ConversationTurn<'t>, TranslationError> {
    let named = message.require_string("role")?;
    let role = match &*named.text() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tools,
        other => {
            let why = format!("{other:?} is no role; there are system, developer, user, assistant and tool");
            return Err(TranslationError::new(why).within("role"));
        }
    };
    let mut blocks = Vec::new();
    if role == Role::Assistant {
        blocks.extend(read_reasoning(message)?);
    }
    let said = message.get("content").map_or(Ok(Vec::new()), |said| read_content(said, losses));
    let said = said.map_err(|wrong| wrong.within("content"))?;
    match role {
        Role::Tools => blocks.push(ContentBlock::ToolResult(ToolResult {
            call_id: message.string("tool_call_id").unwrap_or_default(),
            content: said,
            is_error: false,
        })),
        Role::Assistant => {
            blocks.extend(said);
            blocks.extend(
                message.literal("refusal").filter(|text| !text.is_empty()).map(ContentBlock::Refusal),
            );
            losses.record_if(message.get("audio").is_some(), losses::AUDIO);
            losses.record_if(
                message.get("annotations").is_some_and(|list| list.raw() != b"[]"),
                losses::CITATIONS,
            );
            blocks.extend(read_tool_calls(message, losses)?);
        }
        _ => blocks.extend(said),
    }
    let partial = message.get("partial").is_some_and(JsonNode::is_true);
    Ok(ConversationTurn { role, blocks, name: message.literal("name"), is_partial: partial })
}

fn read_tool_calls<'t>(
    message: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Vec<ContentBlock<'t>>, TranslationError> {
    if message.get("function_call").is_some() {
        let why = "is the old form of a call, which has no id; send `tool_calls` and `tools`";
        return Err(TranslationError::new(why).within("function_call"));
    }
    let mut calls = Vec::new();
    for (index, call) in message.list("tool_calls")?.into_iter().enumerate() {
        let read = call.object().and_then(|call| read_tool_call(&call, losses));
        calls.push(ContentBlock::ToolCall(
            read.map_err(|wrong| wrong.within(&format!("tool_calls[{index}]")))?,
        ));
    }
    Ok(calls)
}

fn read_tool_call<'t>(call: &ObjectNode<'t>, losses: &mut Losses) -> Result<ToolCall<'t>, TranslationError> {
    let id = call.string("id").unwrap_or_default();
    if let Some(custom) = call.object("custom")? {
        losses.record(losses::CUSTOM_TOOLS);
        let name = custom.require_string("name").map_err(|wrong| wrong.within("custom"))?;
        let input = custom.literal("input").unwrap_or_else(|| StringLiteral::from_text(""));
        return Ok(ToolCall { id, name, arguments: Cow::Owned(openai::wrap_free_text(&input)) });
    }
    let function = call
        .object("function")?
        .ok_or_else(|| TranslationError::new("must be an object and is missing").within("function"))?;
    let name = function.require_string("name").map_err(|wrong| wrong.within("function"))?;
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
    Ok(ToolCall { id, name, arguments })
}

/// # Errors
/// When it is not a tool.
fn read_tool<'t>(
    tool: JsonNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ToolDefinition<'t>>, TranslationError> {
    let tool = tool.object()?;
    match tool.string("type").as_deref() {
        Some("function") | None => {}
        Some("custom") => {
            losses.record(losses::CUSTOM_TOOLS);
            return Ok(None);
        }
        Some(_) => {
            losses.record(losses::HOSTED_TOOLS);
            return Ok(None);
        }
    }
    let function = tool
        .object("function")?
        .ok_or_else(|| TranslationError::new("must be an object and is missing").within("function"))?;
    Ok(Some(ToolDefinition {
        name: function.require_string("name").map_err(|wrong| wrong.within("function"))?,
        description: function.literal("description"),
        schema: function.get("parameters").map(JsonNode::raw),
        is_strict: function.get("strict").and_then(JsonNode::as_bool),
        namespace: None,
    }))
}

/// Moonshot's: a system message that brings tools.
fn read_dynamic_tools<'t>(
    message: &ObjectNode<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    for (index, tool) in message.list("tools")?.into_iter().enumerate() {
        let read = read_tool(tool, losses).map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
        losses.record(losses::DYNAMIC_TOOLS);
        let is_new = |tool: &ToolDefinition<'_>| {
            !conversation.tools.iter().any(|known| known.name.text() == tool.name.text())
        };
        let read: Vec<_> = read.into_iter().filter(is_new).collect();
        conversation.tools.extend(read);
    }
    Ok(())
}

fn read_tool_choice<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice<'t>>, TranslationError> {
    let Some(node) = top.get("tool_choice") else { return Ok(None) };
    if let Some(word) = node.string() {
        return Ok(openai::parse_tool_choice(&word, losses));
    }
    let choice = node.object().map_err(|wrong| wrong.within("tool_choice"))?;
    let function = choice.object("function").map_err(|wrong| wrong.within("tool_choice"))?;
    if let Some(name) = function.and_then(|function| function.literal("name")) {
        return Ok(Some(ToolChoice::Named(name)));
    }
    losses.record(losses::TOOL_CHOICE);
    let mode = choice.object("allowed_tools").map_err(|wrong| wrong.within("tool_choice"))?;
    let mode = mode.and_then(|allowed| allowed.string("mode"));
    Ok(openai::parse_tool_choice(mode.or_else(|| choice.string("type")).as_deref().unwrap_or("auto"), losses))
}
