//! Tools of a responses request.

use std::borrow::Cow;

use super::super::conversation::tools::{Choice, Tool, flat_name};
use super::super::losses::{self, Losses};
use super::super::node::{Literal, Node, Object};
use super::super::{Untranslatable, openai};

/// # Errors
/// When it is no tool.
pub(super) fn read<'t>(
    tool: Node<'t>,
    tools: &mut Vec<Tool<'t>>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    let tool = tool.object()?;
    match tool.string("type").as_deref() {
        Some("function") | None => tools.push(function(&tool)?),
        Some("namespace") => {
            losses.note(losses::NAMESPACES);
            let namespace = tool.required("name")?.text().into_owned();
            for (index, inner) in tool.list("tools")?.into_iter().enumerate() {
                within_namespace(&namespace, inner, tools, losses)
                    .map_err(|wrong| wrong.within(&format!("tools[{index}]")))?;
            }
        }
        Some("custom") => losses.note(losses::CUSTOM_TOOLS),
        Some(_) => losses.note(losses::HOSTED_TOOLS),
    }
    Ok(())
}

fn function<'t>(tool: &Object<'t>) -> Result<Tool<'t>, Untranslatable> {
    Ok(Tool {
        name: tool.required("name")?,
        description: tool.literal("description"),
        schema: tool.get("parameters").map(Node::raw),
        strict: tool.get("strict").and_then(Node::flag),
        namespace: None,
    })
}

fn within_namespace<'t>(
    namespace: &str,
    tool: Node<'t>,
    tools: &mut Vec<Tool<'t>>,
    losses: &mut Losses,
) -> Result<(), Untranslatable> {
    let tool = tool.object()?;
    match tool.string("type").as_deref() {
        Some("function") | None => {}
        Some("custom") => {
            losses.note(losses::CUSTOM_TOOLS);
            return Ok(());
        }
        Some(_) => {
            losses.note(losses::HOSTED_TOOLS);
            return Ok(());
        }
    }
    let mut function = function(&tool)?;
    let name = function.name.text().into_owned();
    function.name = Literal::of(&flat_name(namespace, &name));
    function.namespace = Some((Cow::Owned(namespace.to_owned()), Cow::Owned(name)));
    tools.push(function);
    Ok(())
}

/// # Errors
/// When it is neither a word nor an object.
pub(super) fn choice<'t>(
    top: &Object<'t>,
    losses: &mut Losses,
) -> Result<Option<Choice<'t>>, Untranslatable> {
    let Some(node) = top.get("tool_choice") else { return Ok(None) };
    if let Some(word) = node.string() {
        return Ok(openai::choice(&word, losses));
    }
    let choice = node.object().map_err(|wrong| wrong.within("tool_choice"))?;
    if choice.string("type").is_some_and(|kind| kind == "function")
        && let Some(name) = choice.literal("name")
    {
        let name = match choice.string("namespace") {
            Some(namespace) => Literal::of(&flat_name(&namespace, &name.text())),
            None => name,
        };
        return Ok(Some(Choice::Tool(name)));
    }
    losses.note(losses::TOOL_CHOICE);
    Ok(openai::choice(choice.string("mode").as_deref().unwrap_or("auto"), losses))
}
