//! A messages request, read into the model.

use std::collections::HashSet;

use super::super::TranslationError;
use super::super::conversation::tools::{ToolChoice, ToolDefinition};
use super::super::conversation::{ContentBlock, Conversation, ConversationTurn, Role};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, ObjectNode};
use super::{read_content, read_parameters};
use crate::protocol::request::RequestBody;

/// # Errors
/// When a value has the wrong type for the format, or cannot be omitted.
pub(in crate::protocol::translate) fn read<'t>(
    body: &'t RequestBody,
    losses: &mut Losses,
) -> Result<Conversation<'t>, TranslationError> {
    let top = ObjectNode::from_members(&body.text, body.members.clone());
    let mut conversation = Conversation::default();
    if let Some(system) = top.get("system") {
        let blocks = read_content::read_content(system, losses).map_err(|wrong| wrong.within("system"))?;
        conversation.turns.push(ConversationTurn::new(Role::System, blocks));
    }
    let mut fetched = HashSet::new();
    for (index, message) in top.list("messages")?.into_iter().enumerate() {
        let within = |wrong: TranslationError| wrong.within(&format!("messages[{index}]"));
        let message = message.object().map_err(within)?;
        read_turns(&message, &mut conversation.turns, losses).map_err(within)?;
        read_content::collect_fetched_tools(&message, &mut fetched);
    }
    if let Some(last) = conversation.turns.last_mut() {
        // A last assistant message is the start of the response.
        last.is_partial = last.role == Role::Assistant && !last.has_calls();
    }
    for (index, tool) in top.list("tools")?.into_iter().enumerate() {
        let read = read_tool(tool, &fetched, losses);
        conversation.tools.extend(read.map_err(|wrong| wrong.within(&format!("tools[{index}]")))?);
    }
    read_tool_choice(&top, &mut conversation, losses)?;
    conversation.thinking = read_parameters::read_thinking(&top, losses);
    conversation.parameters = read_parameters::read_parameters(&top, losses)?;
    Ok(conversation)
}

/// A user message with results becomes two turns: the results come first.
fn read_turns<'t>(
    message: &ObjectNode<'t>,
    turns: &mut Vec<ConversationTurn<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let role = match &*message.require_string("role")?.text() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let why = format!("{other:?} is no role; there are user, assistant and system");
            return Err(TranslationError::new(why).within("role"));
        }
    };
    let Some(content) = message.get("content") else { return Ok(()) };
    let blocks = read_content::read_content(content, losses).map_err(|wrong| wrong.within("content"))?;
    let (results, rest): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|block| matches!(block, ContentBlock::ToolResult(_)));
    let said = [ConversationTurn::new(Role::Tools, results), ConversationTurn::new(role, rest)];
    turns.extend(said.into_iter().filter(|turn| !turn.blocks.is_empty()));
    Ok(())
}

/// Members of a tool that other formats do not have.
const EXTRA_TOOL_FIELDS: [&str; 3] = ["input_examples", "allowed_callers", "eager_input_streaming"];

fn read_tool<'t>(
    tool: JsonNode<'t>,
    fetched: &HashSet<String>,
    losses: &mut Losses,
) -> Result<Option<ToolDefinition<'t>>, TranslationError> {
    let tool = tool.object()?;
    // Server tools have a dated type (`web_search_20250305`), those of the client none or `custom`.
    if tool.string("type").is_some_and(|kind| kind != "custom") {
        losses.record(losses::HOSTED_TOOLS);
        return Ok(None);
    }
    let name = tool.require_string("name")?;
    if tool.get("defer_loading").is_some_and(JsonNode::is_true) && !fetched.contains(&*name.text()) {
        losses.record(losses::DEFERRED_TOOLS);
        return Ok(None);
    }
    losses.record_if(tool.get("cache_control").is_some(), losses::CACHE_CONTROL);
    losses.record_if(EXTRA_TOOL_FIELDS.iter().any(|key| tool.get(key).is_some()), losses::TOOL_EXTRAS);
    Ok(Some(ToolDefinition {
        name,
        description: tool.literal("description"),
        schema: tool.get("input_schema").map(JsonNode::raw),
        is_strict: tool.get("strict").and_then(JsonNode::as_bool),
        namespace: None,
    }))
}

fn read_tool_choice<'t>(
    top: &ObjectNode<'t>,
    conversation: &mut Conversation<'t>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let Some(choice) = top.object("tool_choice")? else { return Ok(()) };
    conversation.tool_choice = match choice.string("type").as_deref() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("any") => Some(ToolChoice::Required),
        Some("none") => Some(ToolChoice::None),
        Some("tool") => Some(ToolChoice::Named(
            choice.require_string("name").map_err(|wrong| wrong.within("tool_choice"))?,
        )),
        _ => {
            losses.record(losses::TOOL_CHOICE);
            None
        }
    };
    conversation.parallel_tool_calls =
        choice.get("disable_parallel_tool_use").and_then(JsonNode::as_bool).map(|flag| !flag);
    Ok(())
}
