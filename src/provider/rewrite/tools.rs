//! The tools of a request: names, schemas, kinds.

use std::borrow::Cow;

use bytes::Bytes;

use super::draft::RequestDraft;
use super::rules::{self, Rule};
use super::tool_names::NameAllocator;
use super::{schema, tool_choice};
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, MalformedJson, Member, Span};

mod namespaces;

/// One entry of a `tools` array.
struct Tool {
    span: Span,
    /// What holds name and schema: the opening brace and members of `function` (chat), or of the entry itself.
    function: Option<(usize, Vec<Member>)>,
    is_builtin: bool,
    /// No function of the client's, but something that the provider would have to know.
    is_hosted: bool,
    /// The namespace of the tool (responses).
    namespace: Option<String>,
}

impl Tool {
    fn name_span(&self, draft: &RequestDraft<'_>) -> Option<Span> {
        let (_, members) = self.function.as_ref()?;
        json::find_member(&draft.body().text, members, "name").map(|name| name.value.clone())
    }
}

/// The entries of the array at `span`; in the place of a namespace the tools in it.
fn read_tools(draft: &RequestDraft<'_>, span: &Span) -> Vec<Tool> {
    let text = &draft.body().text;
    let mut tools = Vec::new();
    let walked = json::walk_array(text, span.start, |at| {
        if draft.body().api == Api::ChatCompletions {
            let (tool, end) = read_chat_tool(text, at)?;
            tools.push(tool);
            return Ok(end);
        }
        // A value that is not a well-formed object may still be valid JSON.
        let (members, end) = match json::parse_members(text, at) {
            Ok(found) => found,
            Err(_) => (Vec::new(), json::skip_value(text, at)?),
        };
        match namespaces::read_namespace(draft, at) {
            Some((namespace, inner)) => tools.extend(inner.into_iter().map(|element| {
                let namespace = Some(namespace.clone());
                let members = json::parse_members(text, element.start).map(|(members, _)| members);
                Tool { namespace, ..read_entry(draft, element, members.unwrap_or_default()) }
            })),
            None => tools.push(read_entry(draft, at..end, members)),
        }
        Ok(end)
    });
    if walked.is_ok() { tools } else { Vec::new() }
}

/// Reads the entry at `at`, and returns the offset after it. Its function is read in the same pass, because it
/// is nearly all of the entry.
fn read_chat_tool(text: &[u8], at: usize) -> Result<(Tool, usize), MalformedJson> {
    let (mut is_builtin, mut function) = (false, None);
    let walked = json::walk_object(text, at, |key, value| {
        let key = text.get(key).unwrap_or_default();
        if json::literal_equals(key, "function") {
            let members = json::parse_members(text, value);
            let end = members.as_ref().map_or_else(|_| json::skip_value(text, value), |(_, end)| Ok(*end));
            function = members.ok().map(|(members, _)| (value, members));
            return end;
        }
        let end = json::skip_value(text, value)?;
        if json::literal_equals(key, "type") {
            let kind = text.get(value..end).unwrap_or_default();
            is_builtin = json::literal_equals(kind, "builtin_function");
        }
        Ok(end)
    });
    let end = match walked {
        Ok(end) => end,
        // A value that is not a well-formed object may still be valid JSON.
        Err(_) => {
            (is_builtin, function) = (false, None);
            json::skip_value(text, at)?
        }
    };
    Ok((Tool { span: at..end, function, is_builtin, is_hosted: false, namespace: None }, end))
}

fn read_entry(draft: &RequestDraft<'_>, span: Span, members: Vec<Member>) -> Tool {
    let text = &draft.body().text;
    let kind = json::find_member(text, &members, "type").map(|kind| draft.text(&kind.value));
    let is = |word: &str| kind.is_some_and(|kind| json::literal_equals(kind, word));
    let is_builtin = is("builtin_function");
    let is_hosted = if draft.body().api == Api::Messages {
        !(kind.is_none_or(|kind| kind == b"null") || is("custom"))
    } else {
        !is("function")
    };
    let function = (!is_hosted).then_some((span.start, members));
    Tool { span, function, is_builtin, is_hosted, namespace: None }
}

/// The arrays of tools: the request's own, and those that system messages bring (Moonshot's dynamic tools).
fn find_tool_arrays(draft: &RequestDraft<'_>) -> Vec<Span> {
    let body = draft.body();
    let dynamic = body
        .messages
        .iter()
        .filter(|_| body.api == Api::ChatCompletions)
        .filter_map(|message| body.field_span(message, "tools"));
    draft.unchanged_span("tools").into_iter().chain(dynamic).collect()
}

/// Records whether the request, as it is now, offers tools.
pub(in crate::provider) fn record_offered_tools(draft: &mut RequestDraft<'_>) {
    let is_filled = |array: &[u8]| {
        array.first() == Some(&b'[') && array.get(json::skip_whitespace(array, 1)) != Some(&b']')
    };
    let own = draft.non_null_value("tools").is_some_and(is_filled);
    draft.answer_plan.offers_tools =
        own || find_tool_arrays(draft).iter().any(|array| is_filled(draft.text(array)));
}

/// Makes tools acceptable to Moonshot: fixes their schemas and renames those whose names it refuses.
pub(in crate::provider) fn adapt_for_moonshot(draft: &mut RequestDraft<'_>) {
    let mut tools: Vec<Tool> =
        find_tool_arrays(draft).iter().flat_map(|array| read_tools(draft, array)).collect();
    tools.retain(|tool| !tool.is_builtin);
    namespaces::remove_call_namespaces(draft);
    fix_schemas(draft, &tools);
    rename_tools(draft, &tools, true);
}

/// Converts the tools of a namespace to plain functions where all of them are functions. Of the servers with a
/// Responses API, only OpenAI's own is known to read namespaces; the others skip what they do not know.
pub(in crate::provider) fn flatten_namespaces(draft: &mut RequestDraft<'_>) {
    let Some(array) = draft.unchanged_span("tools") else { return };
    let tools = read_tools(draft, &array);
    if tools.iter().all(|tool| tool.namespace.is_none() || tool.is_hosted)
        || tools.iter().any(|tool| tool.namespace.is_some() && tool.is_hosted)
    {
        return;
    }
    let spans: Vec<Span> = tools.iter().map(|tool| tool.span.clone()).collect();
    namespaces::retain_elements(draft, &array, &spans);
    namespaces::remove_call_namespaces(draft);
    rename_tools(draft, &tools, false);
}

fn fix_schemas(draft: &mut RequestDraft<'_>, tools: &[Tool]) {
    let text = &draft.body().text;
    let key = if draft.body().api == Api::Messages { "input_schema" } else { "parameters" };
    for (_, function) in tools.iter().filter_map(|tool| tool.function.as_ref()) {
        if let Some(schema) = json::find_member(text, function, key)
            && schema::fix_schema(text, &schema.value, draft.edits())
        {
            draft.record_rule(rules::TOOL_SCHEMA);
        }
    }
}

/// In the tools, in `tool_choice`, in the history. Plain names change only where they are `limited` to what Moonshot
/// takes.
fn rename_tools(draft: &mut RequestDraft<'_>, tools: &[Tool], limited: bool) {
    let name = |tool: &Tool| Some((tool.name_span(draft)?, tool.namespace.clone()));
    let mut places: Vec<(Span, Option<String>)> = tools.iter().filter_map(name).collect();
    let plain = places.iter().filter(|(_, namespace)| namespace.is_none());
    let offered: Vec<Cow<'_, str>> = plain.filter_map(|(span, _)| unescape_span(draft, span)).collect();
    let pinned = find_pinned_name(draft).map(|span| (span, None));
    let elsewhere = pinned.into_iter().chain(find_history_names(draft));
    places.extend(elsewhere.filter(|(span, _)| {
        // `$web_search` and its like are Moonshot's own, unless a function has such a name.
        unescape_span(draft, span).is_some_and(|name| !name.starts_with('$') || offered.contains(&name))
    }));
    let mut names = NameAllocator::new(offered.into_iter().map(Cow::into_owned));
    for (span, namespace) in places {
        let Some(name) = unescape_span(draft, &span) else { continue };
        let (sent, rule) = match namespace {
            Some(namespace) => (Some(names.flatten(&namespace, &name)), rules::NAMESPACES),
            None => (names.rename(&name).filter(|_| limited), rules::TOOL_NAMES),
        };
        if let Some(sent) = sent {
            draft.replace(span, json::to_string_literal(&sent));
            draft.record_rule(rule);
        }
    }
    draft.answer_plan.tool_names = if limited { names.renamed_tools } else { Vec::new() };
    draft.answer_plan.namespaced_tools = names.namespaced_tools;
}

fn unescape_span<'a>(draft: &RequestDraft<'a>, span: &Span) -> Option<Cow<'a, str>> {
    json::unescape(draft.text(span))
}

fn find_pinned_name(draft: &RequestDraft<'_>) -> Option<Span> {
    let text = &draft.body().text;
    let (choice, _) = json::parse_members(text, draft.unchanged_span("tool_choice")?.start).ok()?;
    let holder = match draft.body().api {
        Api::ChatCompletions => {
            json::parse_members(text, json::find_member(text, &choice, "function")?.value.start).ok()?.0
        }
        Api::Messages | Api::Responses => choice,
    };
    json::find_member(text, &holder, "name").map(|name| name.value.clone())
}

fn find_history_names(draft: &RequestDraft<'_>) -> Vec<(Span, Option<String>)> {
    let body = draft.body();
    let calls = draft.calls().values().flatten();
    let calls = calls.filter_map(|call| Some((call.name.clone()?, call.namespace.clone())));
    let results =
        body.messages.iter().filter(|_| body.api == Api::ChatCompletions).filter_map(|message| {
            body.field_span(message, "name").filter(|_| body.has_role(message, "tool"))
        });
    calls.chain(results.map(|span| (span, None))).collect()
}

/// Whether this builtin tool is offered.
pub(in crate::provider) fn has_builtin(draft: &RequestDraft<'_>, name: &str) -> bool {
    let tools = find_tool_arrays(draft).into_iter().flat_map(|array| read_tools(draft, &array));
    let mut builtin = tools.filter(|tool| tool.is_builtin);
    builtin.any(|tool| {
        tool.name_span(draft).and_then(|span| unescape_span(draft, &span)).as_deref() == Some(name)
    })
}

/// Removes Moonshot's builtin tools, which no other provider knows, and a choice that pins one of them.
pub(in crate::provider) fn remove_builtins(draft: &mut RequestDraft<'_>) {
    remove_matching(draft, |tool| tool.is_builtin, rules::BUILTIN_TOOLS);
}

/// Leaves out tools that only another provider knows, and a choice that pins one of them.
pub(in crate::provider) fn remove_hosted(draft: &mut RequestDraft<'_>) {
    remove_matching(draft, |tool| tool.is_hosted, rules::HOSTED_TOOLS);
}

fn remove_matching(draft: &mut RequestDraft<'_>, is_gone: impl Fn(&Tool) -> bool, rule: Rule) {
    let Some(array) = draft.unchanged_span("tools") else { return };
    let tools = read_tools(draft, &array);
    let some_go = tools.iter().any(&is_gone);
    if !some_go && tools.iter().all(|tool| tool.namespace.is_none()) {
        return;
    }
    if some_go {
        draft.record_rule(rule);
    }
    if tools.iter().all(&is_gone) {
        remove_all_tools(draft);
        return;
    }
    let names = |gone: bool| -> Vec<Cow<'_, str>> {
        let tools = tools.iter().filter(|tool| is_gone(tool) == gone);
        tools.filter_map(|tool| unescape_span(draft, &tool.name_span(draft)?)).collect()
    };
    let pinned = find_pinned_name(draft).and_then(|span| unescape_span(draft, &span));
    let pins_one = match draft.body().api {
        Api::ChatCompletions => pinned.is_some_and(|name| names(true).contains(&name)),
        // What is hosted has a name or a type of its own.
        _ => tool_choice::pins_hosted_tool(draft) || pinned.is_some_and(|name| !names(false).contains(&name)),
    };
    if pins_one {
        tool_choice::reset_to_auto(draft, rule);
    }
    if tools.iter().any(|tool| tool.namespace.is_some()) {
        let kept = tools.iter().filter(|tool| !is_gone(tool)).map(|tool| tool.span.clone());
        namespaces::retain_elements(draft, &array, &kept.collect::<Vec<_>>());
        return;
    }
    let spans: Vec<(Span, bool)> = tools.iter().map(|tool| (tool.span.clone(), is_gone(tool))).collect();
    remove_elements(&spans, draft.edits());
}

/// Leaves out tools and what makes no sense without them.
pub(in crate::provider) fn remove_all_tools(draft: &mut RequestDraft<'_>) -> bool {
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
pub(in crate::provider) fn remove_strict(draft: &mut RequestDraft<'_>) {
    let text = &draft.body().text;
    let Some(array) = draft.unchanged_span("tools") else { return };
    for tool in read_tools(draft, &array) {
        let Some((open, members)) = tool.function.as_ref().filter(|_| !tool.is_builtin) else { continue };
        let mut patch = ObjectPatch::new(text, *open, members);
        if patch.remove("strict") {
            patch.write_edits(draft.edits());
            draft.record_rule(rules::STRICT);
        }
    }
}
