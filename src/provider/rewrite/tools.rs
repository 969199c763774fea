//! The tools of a request: names, schemas, kinds.

use std::borrow::Cow;

use bytes::Bytes;

use super::draft::Draft;
use super::rules::{self, Rule};
use super::tool_names::Names;
use super::{schema, tool_choice};
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::face::Face;
use crate::protocol::json::{self, Malformed, Member, Span};

mod namespaces;

/// One entry of a `tools` array.
struct Tool {
    span: Span,
    /// What holds name and schema: the opening brace and members of `function` (chat), or of the entry itself.
    function: Option<(usize, Vec<Member>)>,
    is_builtin: bool,
    /// No function of the client's, but something that the provider would have to know.
    is_hosted: bool,
    /// Of the tools that it stands among (responses).
    namespace: Option<String>,
}

impl Tool {
    fn name(&self, draft: &Draft<'_>) -> Option<Span> {
        let (_, members) = self.function.as_ref()?;
        json::find(&draft.body().text, members, "name").map(|name| name.value.clone())
    }
}

/// The entries of the array at `span`; in the place of a namespace the tools in it.
fn listed(draft: &Draft<'_>, span: &Span) -> Vec<Tool> {
    let text = &draft.body().text;
    let mut tools = Vec::new();
    let walked = json::walk_array(text, span.start, |at| {
        if draft.body().face == Face::Chat {
            let (tool, end) = in_chat(text, at)?;
            tools.push(tool);
            return Ok(end);
        }
        // What is no object in order may be something all the same.
        let (members, end) = match json::members(text, at) {
            Ok(found) => found,
            Err(_) => (Vec::new(), json::skip_value(text, at)?),
        };
        match namespaces::tools(draft, at) {
            Some((namespace, inner)) => tools.extend(inner.into_iter().map(|element| {
                let namespace = Some(namespace.clone());
                let members = json::members(text, element.start).map(|(members, _)| members);
                Tool { namespace, ..entry(draft, element, members.unwrap_or_default()) }
            })),
            None => tools.push(entry(draft, at..end, members)),
        }
        Ok(end)
    });
    if walked.is_ok() { tools } else { Vec::new() }
}

/// The entry at `at`, and the offset after it. Its function is read on the way: it is nearly all there is.
fn in_chat(text: &[u8], at: usize) -> Result<(Tool, usize), Malformed> {
    let (mut is_builtin, mut function) = (false, None);
    let walked = json::walk_object(text, at, |key, value| {
        let key = text.get(key).unwrap_or_default();
        if json::literal_is(key, "function") {
            let members = json::members(text, value);
            let end = members.as_ref().map_or_else(|_| json::skip_value(text, value), |(_, end)| Ok(*end));
            function = members.ok().map(|(members, _)| (value, members));
            return end;
        }
        let end = json::skip_value(text, value)?;
        if json::literal_is(key, "type") {
            let kind = text.get(value..end).unwrap_or_default();
            is_builtin = json::literal_is(kind, "builtin_function");
        }
        Ok(end)
    });
    let end = match walked {
        Ok(end) => end,
        // What is no object in order may be something all the same.
        Err(_) => {
            (is_builtin, function) = (false, None);
            json::skip_value(text, at)?
        }
    };
    Ok((Tool { span: at..end, function, is_builtin, is_hosted: false, namespace: None }, end))
}

fn entry(draft: &Draft<'_>, span: Span, members: Vec<Member>) -> Tool {
    let text = &draft.body().text;
    let kind = json::find(text, &members, "type").map(|kind| draft.text(&kind.value));
    let is = |word: &str| kind.is_some_and(|kind| json::literal_is(kind, word));
    let is_builtin = is("builtin_function");
    let is_hosted = if draft.body().face == Face::Messages {
        !(kind.is_none_or(|kind| kind == b"null") || is("custom"))
    } else {
        !is("function")
    };
    let function = (!is_hosted).then_some((span.start, members));
    Tool { span, function, is_builtin, is_hosted, namespace: None }
}

/// The arrays of tools: the request's own, and those that system messages bring (Moonshot's dynamic tools).
fn arrays(draft: &Draft<'_>) -> Vec<Span> {
    let body = draft.body();
    let dynamic = body
        .messages
        .iter()
        .filter(|_| body.face == Face::Chat)
        .filter_map(|message| body.span(message, "tools"));
    draft.untouched("tools").into_iter().chain(dynamic).collect()
}

/// Notes whether the request offers tools, as it stands now.
pub(in crate::provider) fn note_offer(draft: &mut Draft<'_>) {
    let is_filled =
        |array: &[u8]| array.first() == Some(&b'[') && array.get(json::skip_space(array, 1)) != Some(&b']');
    let own = draft.given("tools").is_some_and(is_filled);
    draft.plan.offers_tools = own || arrays(draft).iter().any(|array| is_filled(draft.text(array)));
}

/// Makes tools such as Moonshot takes: mends their schemas, renames what it refuses.
pub(in crate::provider) fn fit(draft: &mut Draft<'_>) {
    let mut tools: Vec<Tool> = arrays(draft).iter().flat_map(|array| listed(draft, array)).collect();
    tools.retain(|tool| !tool.is_builtin);
    namespaces::without_marks(draft);
    mend_schemas(draft, &tools);
    rename(draft, &tools, true);
}

/// Makes plain functions of the tools of namespaces, where all of them are functions: of the servers with a Responses
/// face only OpenAI's own is known to read them, the others skip what they do not know.
pub(in crate::provider) fn flatten(draft: &mut Draft<'_>) {
    let Some(array) = draft.untouched("tools") else { return };
    let tools = listed(draft, &array);
    if tools.iter().all(|tool| tool.namespace.is_none() || tool.is_hosted)
        || tools.iter().any(|tool| tool.namespace.is_some() && tool.is_hosted)
    {
        return;
    }
    let spans: Vec<Span> = tools.iter().map(|tool| tool.span.clone()).collect();
    namespaces::nothing_but(draft, &array, &spans);
    namespaces::without_marks(draft);
    rename(draft, &tools, false);
}

fn mend_schemas(draft: &mut Draft<'_>, tools: &[Tool]) {
    let text = &draft.body().text;
    let key = if draft.body().face == Face::Messages { "input_schema" } else { "parameters" };
    for (_, function) in tools.iter().filter_map(|tool| tool.function.as_ref()) {
        if let Some(schema) = json::find(text, function, key)
            && schema::mend(text, &schema.value, draft.leaves())
        {
            draft.fire(rules::TOOL_SCHEMA);
        }
    }
}

/// In the tools, in `tool_choice`, in the history. Plain names change only where they are `limited` to what Moonshot
/// takes.
fn rename(draft: &mut Draft<'_>, tools: &[Tool], limited: bool) {
    let name = |tool: &Tool| Some((tool.name(draft)?, tool.namespace.clone()));
    let mut places: Vec<(Span, Option<String>)> = tools.iter().filter_map(name).collect();
    let plain = places.iter().filter(|(_, namespace)| namespace.is_none());
    let offered: Vec<Cow<'_, str>> = plain.filter_map(|(span, _)| text_of(draft, span)).collect();
    let pinned = pinned_name(draft).map(|span| (span, None));
    let elsewhere = pinned.into_iter().chain(history_names(draft));
    places.extend(elsewhere.filter(|(span, _)| {
        // `$web_search` and its like are Moonshot's own, unless a function has such a name.
        text_of(draft, span).is_some_and(|name| !name.starts_with('$') || offered.contains(&name))
    }));
    let mut names = Names::new(offered.into_iter().map(Cow::into_owned));
    for (span, namespace) in places {
        let Some(name) = text_of(draft, &span) else { continue };
        let (sent, rule) = match namespace {
            Some(namespace) => (Some(names.flat(&namespace, &name)), rules::NAMESPACES),
            None => (names.renamed(&name).filter(|_| limited), rules::TOOL_NAMES),
        };
        if let Some(sent) = sent {
            draft.replace(span, json::string_literal(&sent));
            draft.fire(rule);
        }
    }
    draft.plan.tool_names = if limited { names.pairs } else { Vec::new() };
    draft.plan.namespaced = names.namespaced;
}

fn text_of<'a>(draft: &Draft<'a>, span: &Span) -> Option<Cow<'a, str>> {
    json::unescape(draft.text(span))
}

fn pinned_name(draft: &Draft<'_>) -> Option<Span> {
    let text = &draft.body().text;
    let (choice, _) = json::members(text, draft.untouched("tool_choice")?.start).ok()?;
    let holder = match draft.body().face {
        Face::Chat => json::members(text, json::find(text, &choice, "function")?.value.start).ok()?.0,
        Face::Messages | Face::Responses => choice,
    };
    json::find(text, &holder, "name").map(|name| name.value.clone())
}

fn history_names(draft: &Draft<'_>) -> Vec<(Span, Option<String>)> {
    let body = draft.body();
    let calls = draft.calls().values().flatten();
    let calls = calls.filter_map(|call| Some((call.name.clone()?, call.namespace.clone())));
    let results = body
        .messages
        .iter()
        .filter(|_| body.face == Face::Chat)
        .filter_map(|message| body.span(message, "name").filter(|_| body.role_is(message, "tool")));
    calls.chain(results.map(|span| (span, None))).collect()
}

/// Whether this builtin tool is offered.
pub(in crate::provider) fn has_builtin(draft: &Draft<'_>, name: &str) -> bool {
    let tools = arrays(draft).into_iter().flat_map(|array| listed(draft, &array));
    let mut builtin = tools.filter(|tool| tool.is_builtin);
    builtin.any(|tool| tool.name(draft).and_then(|span| text_of(draft, &span)).as_deref() == Some(name))
}

/// Leaves out Moonshot's builtin tools, which nobody else knows, and a choice that pins one of them.
pub(in crate::provider) fn without_builtins(draft: &mut Draft<'_>) {
    without(draft, |tool| tool.is_builtin, rules::BUILTIN_TOOLS);
}

/// Leaves out tools that only another provider knows, and a choice that pins one of them.
pub(in crate::provider) fn without_hosted(draft: &mut Draft<'_>) {
    without(draft, |tool| tool.is_hosted, rules::HOSTED_TOOLS);
}

fn without(draft: &mut Draft<'_>, is_gone: impl Fn(&Tool) -> bool, rule: Rule) {
    let Some(array) = draft.untouched("tools") else { return };
    let tools = listed(draft, &array);
    let some_go = tools.iter().any(&is_gone);
    if !some_go && tools.iter().all(|tool| tool.namespace.is_none()) {
        return;
    }
    if some_go {
        draft.fire(rule);
    }
    if tools.iter().all(&is_gone) {
        remove_all(draft);
        return;
    }
    let names = |gone: bool| -> Vec<Cow<'_, str>> {
        let tools = tools.iter().filter(|tool| is_gone(tool) == gone);
        tools.filter_map(|tool| text_of(draft, &tool.name(draft)?)).collect()
    };
    let pinned = pinned_name(draft).and_then(|span| text_of(draft, &span));
    let pins_one = match draft.body().face {
        Face::Chat => pinned.is_some_and(|name| names(true).contains(&name)),
        // What is hosted has a name or a type of its own.
        _ => tool_choice::is_of_hosted(draft) || pinned.is_some_and(|name| !names(false).contains(&name)),
    };
    if pins_one {
        tool_choice::let_it_choose(draft, rule);
    }
    if tools.iter().any(|tool| tool.namespace.is_some()) {
        let kept = tools.iter().filter(|tool| !is_gone(tool)).map(|tool| tool.span.clone());
        namespaces::nothing_but(draft, &array, &kept.collect::<Vec<_>>());
        return;
    }
    let spans: Vec<(Span, bool)> = tools.iter().map(|tool| (tool.span.clone(), is_gone(tool))).collect();
    remove_elements(&spans, draft.leaves());
}

/// Leaves out tools and what makes no sense without them.
pub(in crate::provider) fn remove_all(draft: &mut Draft<'_>) -> bool {
    let removed = draft.remove("tools");
    draft.remove("tool_choice");
    draft.remove("parallel_tool_calls");
    removed
}

/// Removes the marked elements, not all of them, of one array.
pub(in crate::provider) fn remove_elements(elements: &[(Span, bool)], edits: &mut Edits) {
    let mut kept: Option<usize> = None;
    for (index, (span, gone)) in elements.iter().enumerate() {
        if !gone {
            if kept.is_none()
                && index > 0
                && let Some((first, _)) = elements.first()
            {
                edits.replace(first.start..span.start, Bytes::new());
            }
            kept = Some(index);
        } else if kept.is_some()
            && let Some((before, _)) = elements.get(index - 1)
        {
            edits.replace(before.end..span.end, Bytes::new());
        }
    }
}

/// Leaves `strict` out of every function; a builtin tool has none, and may be left out as a whole.
pub(in crate::provider) fn without_strict(draft: &mut Draft<'_>) {
    let text = &draft.body().text;
    let Some(array) = draft.untouched("tools") else { return };
    for tool in listed(draft, &array) {
        let Some((open, members)) = tool.function.as_ref().filter(|_| !tool.is_builtin) else { continue };
        let mut patch = ObjectPatch::new(text, *open, members);
        if patch.remove("strict") {
            patch.finish(draft.leaves());
            draft.fire(rules::STRICT);
        }
    }
}
