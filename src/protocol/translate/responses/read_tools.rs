//! Tools of a responses request.

use std::borrow::Cow;

use super::super::conversation::tools::{ToolChoice, ToolDefinition, flatten_name};
use super::super::losses::{self, Losses};
use super::super::node::{JsonNode, ObjectNode, StringLiteral};
use super::super::{TranslationError, openai};

/// # Errors
/// When it is not a tool.
pub(super) fn read<'t>(
    tool: JsonNode<'t>,
    tools: &mut Vec<ToolDefinition<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let tool = tool.object()?;
    match tool.string("type").as_deref() {
        Some("function") | None => tools.push(read_function(&tool)?),
        Some("namespace") => {
            losses.record(losses::NAMESPACES);
            let namespace = tool.require_string("name")?.text().into_owned();
            for (index, inner) in tool.list("tools")?.into_iter().enumerate() {
                read_namespaced_tool(&namespace, inner, tools, losses)
                    .map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
            }
        }
        Some("custom") => losses.record(losses::CUSTOM_TOOLS),
        Some(_) => losses.record(losses::HOSTED_TOOLS),
    }
    Ok(())
}

fn read_function<'t>(tool: &ObjectNode<'t>) -> Result<ToolDefinition<'t>, TranslationError> {
    Ok(ToolDefinition {
        name: tool.require_string("name")?,
        description: tool.literal("description"),
        schema: tool.get("parameters").map(JsonNode::raw),
        is_strict: tool.get("strict").and_then(JsonNode::as_bool),
        namespace: None,
    })
}

fn read_namespaced_tool<'t>(
    namespace: &str,
    tool: JsonNode<'t>,
    tools: &mut Vec<ToolDefinition<'t>>,
    losses: &mut Losses,
) -> Result<(), TranslationError> {
    let tool = tool.object()?;
    match tool.string("type").as_deref() {
        Some("function") | None => {}
        Some("custom") => {
            losses.record(losses::CUSTOM_TOOLS);
            return Ok(());
        }
        Some(_) => {
            losses.record(losses::HOSTED_TOOLS);
            return Ok(());
        }
    }
    let mut function = read_function(&tool)?;
    let name = function.name.text().into_owned();
    function.name = StringLiteral::from_text(&flatten_name(namespace, &name));
    function.namespace = Some((Cow::Owned(namespace.to_owned()), Cow::Owned(name)));
    tools.push(function);
    Ok(())
}

/// # Errors
/// When it is neither a string nor an object.
pub(super) fn read_tool_choice<'t>(
    top: &ObjectNode<'t>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice<'t>>, TranslationError> {
    let Some(node) = top.get("tool_choice") else { return Ok(None) };
    if let Some(word) = node.string() {
        return Ok(openai::parse_tool_choice(&word, losses));
    }
    let choice = node.object().map_err(|wrong| wrong.within("tool_choice"))?;
    if choice.string("type").is_some_and(|kind| kind == "function")
        && let Some(name) = choice.literal("name")
    {
        let name = match choice.string("namespace") {
            Some(namespace) => StringLiteral::from_text(&flatten_name(&namespace, &name.text())),
            None => name,
        };
        return Ok(Some(ToolChoice::Named(name)));
    }
    losses.record(losses::TOOL_CHOICE);
    Ok(openai::parse_tool_choice(choice.string("mode").as_deref().unwrap_or("auto"), losses))
}
