//! The tools of a request: names, schemas, kinds.

use std::borrow::Cow;

use bytes::Bytes;

use super::draft::RequestDraft;
use super::tool_calls::ToolCallSpans;
use super::tool_names::NameAllocator;
use super::{schema, tool_choice};
use crate::protocol::api::Api;
use crate::protocol::edit::{Edits, ObjectPatch};
use crate::protocol::json::{self, Span};
use crate::protocol::object::ObjectView;
use crate::provider::rules::{self, Rule};

/// One entry of a `tools` array.
struct Tool<'t> {
    span: Span,
    /// What has name and schema: `function` (chat), or the entry itself.
    function: Option<ObjectView<'t>>,
    is_builtin: bool,
    /// It is not a function of the client, but a tool that the provider would have to know.
    is_hosted: bool,
    namespace: Option<String>,
}

impl Tool<'_> {
    fn name_span(&self) -> Option<Span> {
        self.function.as_ref()?.span("name")
    }
}

/// The entries of the array at `span`; instead of a namespace the tools in it.
fn read_tools<'t>(draft: &RequestDraft<'t>, span: &Span) -> Vec<Tool<'t>> {
    let Ok((elements, _)) = json::parse_elements(&draft.body().text, span.start) else { return Vec::new() };
    let mut tools = Vec::new();
    for element in elements {
        match read_namespace(draft, element.start) {
            Some((namespace, inner)) => tools.extend(
                inner
                    .into_iter()
                    .map(|span| Tool { namespace: Some(namespace.clone()), ..read_tool(draft, span) }),
            ),
            None => tools.push(read_tool(draft, element)),
        }
    }
    tools
}

fn read_tool<'t>(draft: &RequestDraft<'t>, span: Span) -> Tool<'t> {
    let entry = ObjectView::parse_at(&draft.body().text, span.start);
    let kind = entry.as_ref().and_then(|entry| entry.value("type"));
    let is = |word: &str| kind.is_some_and(|kind| json::literal_equals(kind, word));
    let is_hosted = match draft.body().api {
        Api::ChatCompletions => false,
        Api::Messages => kind.is_some() && !is("custom"),
        Api::Responses => !is("function"),
    };
    let is_builtin = is("builtin_function");
    let function = match draft.body().api {
        Api::ChatCompletions => entry.and_then(|entry| entry.object("function")),
        _ => entry.filter(|_| !is_hosted),
    };
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
pub(crate) fn record_offered_tools(draft: &mut RequestDraft<'_>) {
    let is_filled = |array: &[u8]| {
        array.first() == Some(&b'[') && array.get(json::skip_whitespace(array, 1)) != Some(&b']')
    };
    let own = draft.non_null_value("tools").is_some_and(is_filled);
    draft.answer_plan.offers_tools =
        own || find_tool_arrays(draft).iter().any(|array| is_filled(draft.text(array)));
}

/// Makes tools acceptable to Moonshot: fixes their schemas and renames those whose names it refuses.
pub(crate) fn adapt_for_moonshot(draft: &mut RequestDraft<'_>) {
    let mut tools: Vec<Tool<'_>> =
        find_tool_arrays(draft).iter().flat_map(|array| read_tools(draft, array)).collect();
    tools.retain(|tool| !tool.is_builtin);
    remove_call_namespaces(draft);
    fix_schemas(draft, &tools);
    rename_tools(draft, &tools, true);
}

/// Converts the tools of a namespace to plain functions where all of them are functions. Of the servers with a
/// Responses API, only OpenAI's own is known to read namespaces; the others skip what they do not know.
pub(crate) fn flatten_namespaces(draft: &mut RequestDraft<'_>) {
    let Some(array) = draft.unchanged_span("tools") else { return };
    let tools = read_tools(draft, &array);
    if tools.iter().all(|tool| tool.namespace.is_none() || tool.is_hosted)
        || tools.iter().any(|tool| tool.namespace.is_some() && tool.is_hosted)
    {
        return;
    }
    let spans: Vec<Span> = tools.iter().map(|tool| tool.span.clone()).collect();
    retain_elements(draft, &array, &spans);
    remove_call_namespaces(draft);
    rename_tools(draft, &tools, false);
}

fn fix_schemas(draft: &mut RequestDraft<'_>, tools: &[Tool<'_>]) {
    let text = &draft.body().text;
    let key = if draft.body().api == Api::Messages { "input_schema" } else { "parameters" };
    for function in tools.iter().filter_map(|tool| tool.function.as_ref()) {
        if let Some(schema) = function.span(key)
            && schema::fix_schema(text, &schema, draft.edits())
        {
            draft.record_rule(rules::TOOL_SCHEMA);
        }
    }
}

/// Renames tools in `tools`, `tool_choice` and the history. Plain names change only if they are `limited` to the names that
/// Moonshot accepts.
fn rename_tools(draft: &mut RequestDraft<'_>, tools: &[Tool<'_>], limited: bool) {
    let name = |tool: &Tool<'_>| Some((tool.name_span()?, tool.namespace.clone()));
    let mut places: Vec<(Span, Option<String>)> = tools.iter().filter_map(name).collect();
    let plain = places.iter().filter(|(_, namespace)| namespace.is_none());
    let offered: Vec<Cow<'_, str>> = plain.filter_map(|(span, _)| unescape_span(draft, span)).collect();
    let pinned = find_pinned_name(draft).map(|span| (span, None));
    let elsewhere = pinned.into_iter().chain(find_history_names(draft));
    places.extend(elsewhere.filter(|(span, _)| {
        // Names such as `$web_search` are Moonshot's own, unless a function has such a name.
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
    let choice = ObjectView::parse_at(&draft.body().text, draft.unchanged_span("tool_choice")?.start)?;
    let holder = match draft.body().api {
        Api::ChatCompletions => choice.object("function")?,
        Api::Messages | Api::Responses => choice,
    };
    holder.span("name")
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

pub(crate) fn has_builtin(draft: &RequestDraft<'_>, name: &str) -> bool {
    let tools = find_tool_arrays(draft).into_iter().flat_map(|array| read_tools(draft, &array));
    let mut builtin = tools.filter(|tool| tool.is_builtin);
    builtin.any(|tool| tool.name_span().and_then(|span| unescape_span(draft, &span)).as_deref() == Some(name))
}

/// Removes Moonshot's builtin tools, which no other provider knows, and a choice that pins one of them.
pub(crate) fn remove_builtins(draft: &mut RequestDraft<'_>) {
    remove_matching(draft, |tool| tool.is_builtin, rules::BUILTIN_TOOLS);
}

/// Removes tools that only another provider knows, and a choice that pins one of them.
pub(crate) fn remove_hosted(draft: &mut RequestDraft<'_>) {
    remove_matching(draft, |tool| tool.is_hosted, rules::HOSTED_TOOLS);
}

fn remove_matching(draft: &mut RequestDraft<'_>, is_gone: impl Fn(&Tool<'_>) -> bool, rule: Rule) {
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
        tools.filter_map(|tool| unescape_span(draft, &tool.name_span()?)).collect()
    };
    let pinned = find_pinned_name(draft).and_then(|span| unescape_span(draft, &span));
    let pins_one = match draft.body().api {
        Api::ChatCompletions => pinned.is_some_and(|name| names(true).contains(&name)),
        // A hosted tool has its own name or type.
        _ => tool_choice::pins_hosted_tool(draft) || pinned.is_some_and(|name| !names(false).contains(&name)),
    };
    if pins_one {
        tool_choice::reset_to_auto(draft, rule);
    }
    if tools.iter().any(|tool| tool.namespace.is_some()) {
        let kept = tools.iter().filter(|tool| !is_gone(tool)).map(|tool| tool.span.clone());
        retain_elements(draft, &array, &kept.collect::<Vec<_>>());
        return;
    }
    let spans: Vec<(Span, bool)> = tools.iter().map(|tool| (tool.span.clone(), is_gone(tool))).collect();
    remove_elements(&spans, draft.edits());
}

/// Removes tools and the fields that depend on them.
pub(crate) fn remove_all_tools(draft: &mut RequestDraft<'_>) -> bool {
    let removed = draft.remove("tools");
    draft.remove("tool_choice");
    draft.remove("parallel_tool_calls");
    removed
}

/// Removes the marked elements, not all of them, of one array.
pub(crate) fn remove_elements(elements: &[(Span, bool)], edits: &mut Edits) {
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

/// Removes `strict` from every function; builtin tools do not have it.
pub(crate) fn remove_strict(draft: &mut RequestDraft<'_>) {
    let text = &draft.body().text;
    let Some(array) = draft.unchanged_span("tools") else { return };
    for tool in read_tools(draft, &array) {
        let Some(function) = tool.function.as_ref().filter(|_| !tool.is_builtin) else { continue };
        let mut patch = ObjectPatch::new(text, function.extent().start, function.members());
        if patch.remove("strict") {
            patch.write_edits(draft.edits());
            draft.record_rule(rules::STRICT);
        }
    }
}

/// The name of the namespace at `at` and the spans of its tools. `None` for an empty namespace or another
/// value.
pub(crate) fn read_namespace(draft: &RequestDraft<'_>, at: usize) -> Option<(String, Vec<Span>)> {
    if draft.body().api != Api::Responses {
        return None;
    }
    let entry = ObjectView::parse_at(&draft.body().text, at)?;
    if entry.string_or_empty("type") != "namespace" {
        return None;
    }
    let tools: Vec<Span> = entry.objects("tools").iter().map(ObjectView::extent).collect();
    (!tools.is_empty()).then(|| (entry.string_or_empty("name").into_owned(), tools))
}

/// Keeps only these spans of an array; they are in this order, at any depth.
pub(crate) fn retain_elements(draft: &mut RequestDraft<'_>, array: &Span, kept: &[Span]) {
    let text = &draft.body().text;
    let mut from = array.start + 1;
    for (index, span) in kept.iter().enumerate() {
        let joint: &[u8] = if index == 0 { b"" } else { b"," };
        if text.get(from..span.start).is_some_and(|gap| gap.trim_ascii() != joint) {
            draft.replace(from..span.start, Bytes::from_static(if index == 0 { b"" } else { b"," }));
        }
        from = span.end;
    }
    let end = array.end.saturating_sub(1);
    if text.get(from..end).is_some_and(|gap| !gap.trim_ascii().is_empty()) {
        draft.replace(from..end, Bytes::new());
    }
}

/// Removes the namespace from the calls of the history; their names contain it instead.
pub(crate) fn remove_call_namespaces(draft: &mut RequestDraft<'_>) {
    let is_marked =
        |calls: &[ToolCallSpans]| calls.iter().any(|call| call.namespace.is_some() && call.name.is_some());
    let marked: Vec<usize> =
        draft.calls().iter().filter(|(_, calls)| is_marked(calls)).map(|(index, _)| *index).collect();
    for index in marked {
        if let Some(patch) = draft.message_patch(index) {
            patch.remove("namespace");
        }
    }
}
