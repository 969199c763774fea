//! Items of the input.

use std::borrow::Cow;

use super::super::conversation::tools::flat_name;
use super::super::conversation::{Block, Call, Outcome, Role, Turn};
use super::super::losses::{self, Losses};
use super::super::messages::read_content::own_id;
use super::super::node::{Literal, Node, Object};
use super::super::{Untranslatable, openai};
use super::read_content::{content, reasoning};

/// # Errors
/// When the item has another shape than the face gives it, or stands for something that only its provider has.
pub(super) fn read<'t>(item: &Object<'t>, losses: &mut Losses) -> Result<Option<Turn<'t>>, Untranslatable> {
    let kind = item.string("type").unwrap_or(Cow::Borrowed("message"));
    let (role, block) = match &*kind {
        "message" => return message(item, losses).map(Some),
        "reasoning" => {
            return Ok(Some(Turn::new(Role::Assistant, reasoning(item)?)));
        }
        "function_call" => (Role::Assistant, Block::Call(call(item)?)),
        "custom_tool_call" => (Role::Assistant, Block::Call(custom_call(item, losses)?)),
        "function_call_output" | "custom_tool_call_output" => {
            (Role::Tools, Block::Result(outcome(item, losses)?))
        }
        "item_reference" => {
            let why = "names an item that is kept at another provider; send the item itself";
            return Err(Untranslatable::new(why));
        }
        "compaction" | "compaction_summary" | "context_compaction" => {
            let why = "holds the conversation in a form that only the provider which made it can read; \
                       send the conversation, or ask that provider's own face";
            return Err(Untranslatable::new(why));
        }
        hosted if hosted.ends_with("_call") || hosted.contains("_call_") || hosted.starts_with("mcp_") => {
            losses.note(losses::HOSTED_CALLS);
            return Ok(None);
        }
        // Codex adds kinds of its own from time to time; what the model has to see stands in messages.
        _ => {
            losses.note(losses::UNKNOWN_BLOCKS);
            return Ok(None);
        }
    };
    Ok(Some(Turn::new(role, vec![block])))
}

fn message<'t>(item: &Object<'t>, losses: &mut Losses) -> Result<Turn<'t>, Untranslatable> {
    let role = match &*item.required("role")?.text() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let why = format!("{other:?} is no role; there are system, developer, user and assistant");
            return Err(Untranslatable::new(why).within("role"));
        }
    };
    let said = item.get("content").map_or(Ok(Vec::new()), |said| content(said, losses));
    Ok(Turn::new(role, said.map_err(|wrong| wrong.within("content"))?))
}

/// The id that call and result share; the item's own id is another.
fn call_id<'t>(item: &Object<'t>) -> Cow<'t, str> {
    own_id(item.string("call_id").unwrap_or_default())
}

fn name<'t>(item: &Object<'t>) -> Result<Literal<'t>, Untranslatable> {
    let name = item.required("name")?;
    Ok(match item.string("namespace") {
        Some(namespace) => Literal::of(&flat_name(&namespace, &name.text())),
        None => name,
    })
}

fn call<'t>(item: &Object<'t>) -> Result<Call<'t>, Untranslatable> {
    let arguments = match item.get("arguments") {
        Some(object) if object.is_object() => Cow::Borrowed(object.raw()),
        _ => match item.string("arguments").unwrap_or_default() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
    };
    Ok(Call { id: call_id(item), name: name(item)?, arguments })
}

fn custom_call<'t>(item: &Object<'t>, losses: &mut Losses) -> Result<Call<'t>, Untranslatable> {
    losses.note(losses::CUSTOM_TOOLS);
    let input = item.literal("input").unwrap_or_else(|| Literal::of(""));
    Ok(Call { id: call_id(item), name: name(item)?, arguments: Cow::Owned(openai::free_text(&input)) })
}

fn outcome<'t>(item: &Object<'t>, losses: &mut Losses) -> Result<Outcome<'t>, Untranslatable> {
    let said = match item.get("output") {
        Some(output) if output.is_object() => Ok(vec![Block::Text(Literal::of(&text_of(output)))]),
        Some(output) => content(output, losses),
        None => Ok(Vec::new()),
    };
    Ok(Outcome {
        id: call_id(item),
        content: said.map_err(|wrong| wrong.within("output"))?,
        is_error: item.string("status").is_some_and(|status| status == "failed"),
    })
}

/// An object for an output (older Codex: `{content, success}`).
fn text_of(output: Node<'_>) -> String {
    let content = output.object().ok().and_then(|object| object.string("content"));
    content.map_or_else(|| String::from_utf8_lossy(output.raw()).into_owned(), Cow::into_owned)
}
