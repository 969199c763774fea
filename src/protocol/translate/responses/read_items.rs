//! Items of the input.

use std::borrow::Cow;

use super::super::conversation::tools::flatten_name;
use super::super::conversation::{ContentBlock, ConversationTurn, Role, ToolCall, ToolResult};
use super::super::losses::{self, Losses};
use super::super::messages::read_content::restore_id;
use super::super::node::{JsonNode, ObjectNode, StringLiteral};
use super::super::{TranslationError, openai};
use super::read_content::{read_content, read_reasoning};

/// # Errors
/// When the item has the wrong shape for the format, or refers to data that only its provider has.
pub(super) fn read<'t>(
    item: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ConversationTurn<'t>>, TranslationError> {
    let kind = item.string("type").unwrap_or(Cow::Borrowed("message"));
    let (role, block) = match &*kind {
        "message" => return read_message(item, losses).map(Some),
        "reasoning" => {
            return Ok(Some(ConversationTurn::new(Role::Assistant, read_reasoning(item)?)));
        }
        "function_call" => (Role::Assistant, ContentBlock::ToolCall(read_function_call(item)?)),
        "custom_tool_call" => (Role::Assistant, ContentBlock::ToolCall(read_custom_call(item, losses)?)),
        "function_call_output" | "custom_tool_call_output" => {
            (Role::Tools, ContentBlock::ToolResult(read_tool_result(item, losses)?))
        }
        "item_reference" => {
            let why = "names an item that is kept at another provider; send the item itself";
            return Err(TranslationError::new(why));
        }
        "compaction" | "compaction_summary" | "context_compaction" => {
            let why = "holds the conversation in a form that only the provider which made it can read; \
                       send the conversation, or ask that provider's own face";
            return Err(TranslationError::new(why));
        }
        hosted if hosted.ends_with("_call") || hosted.contains("_call_") || hosted.starts_with("mcp_") => {
            losses.record(losses::HOSTED_CALLS);
            return Ok(None);
        }
        // Codex adds item types from time to time; content that the model must see is in messages.
        _ => {
            losses.record(losses::UNKNOWN_BLOCKS);
            return Ok(None);
        }
    };
    Ok(Some(ConversationTurn::new(role, vec![block])))
}

fn read_message<'t>(
    item: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ConversationTurn<'t>, TranslationError> {
    let role = match &*item.require_string("role")?.text() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let why = format!("{other:?} is no role; there are system, developer, user and assistant");
            return Err(TranslationError::new(why).within("role"));
        }
    };
    let said = item.get("content").map_or(Ok(Vec::new()), |said| read_content(said, losses));
    Ok(ConversationTurn::new(role, said.map_err(|wrong| wrong.within("content"))?))
}

/// The id shared by call and result; the item's own id is different.
fn read_call_id<'t>(item: &ObjectNode<'t>) -> Cow<'t, str> {
    restore_id(item.string("call_id").unwrap_or_default())
}

fn read_name<'t>(item: &ObjectNode<'t>) -> Result<StringLiteral<'t>, TranslationError> {
    let name = item.require_string("name")?;
    Ok(match item.string("namespace") {
        Some(namespace) => StringLiteral::from_text(&flatten_name(&namespace, &name.text())),
        None => name,
    })
}

fn read_function_call<'t>(item: &ObjectNode<'t>) -> Result<ToolCall<'t>, TranslationError> {
    let arguments = match item.get("arguments") {
        Some(object) if object.is_object() => Cow::Borrowed(object.raw()),
        _ => match item.string("arguments").unwrap_or_default() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
    };
    Ok(ToolCall { id: read_call_id(item), name: read_name(item)?, arguments })
}

fn read_custom_call<'t>(
    item: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ToolCall<'t>, TranslationError> {
    losses.record(losses::CUSTOM_TOOLS);
    let input = item.literal("input").unwrap_or_else(|| StringLiteral::from_text(""));
    Ok(ToolCall {
        id: read_call_id(item),
        name: read_name(item)?,
        arguments: Cow::Owned(openai::wrap_free_text(&input)),
    })
}

fn read_tool_result<'t>(
    item: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<ToolResult<'t>, TranslationError> {
    let said = match item.get("output") {
        Some(output) if output.is_object() => {
            Ok(vec![ContentBlock::Text(StringLiteral::from_text(&read_output_text(output)))])
        }
        Some(output) => read_content(output, losses),
        None => Ok(Vec::new()),
    };
    Ok(ToolResult {
        call_id: read_call_id(item),
        content: said.map_err(|wrong| wrong.within("output"))?,
        is_error: item.string("status").is_some_and(|status| status == "failed"),
    })
}

/// An object for an output (older Codex: `{content, success}`).
fn read_output_text(output: JsonNode<'_>) -> String {
    let content = output.object().ok().and_then(|object| object.string("content"));
    content.map_or_else(|| String::from_utf8_lossy(output.raw()).into_owned(), Cow::into_owned)
}
