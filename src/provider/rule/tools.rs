//! The tools of a request: names, schemas, kinds.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::draft::{RequestDraft, ToolCallSpans};
use super::tool_names::NameAllocator;
use super::{schema, tool_choice};
use crate::failure::Failure;
use crate::protocol::api::Api;
use crate::protocol::edit::ObjectPatch;
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

/// The functions that Moonshot and `OpenAI` accept in a request (their API references, 2026-09 and 2026-11).
const MAX_TOOLS: usize = 128;

/// # Errors
/// When the request has more functions than the provider accepts.
pub(crate) fn check_count(draft: &RequestDraft<'_>, provider: &str) -> Result<(), Failure> {
    let tools = find_tool_arrays(draft).into_iter().flat_map(|span| read_tools(draft, &span));
    let count = tools.filter(|tool| !tool.is_hosted).count();
    if count <= MAX_TOOLS {
        return Ok(());
    }
    let why = format!("tools: {provider} accepts {MAX_TOOLS} tools, not {count}; send fewer tools");
    Err(Failure::of_provider_rule(why))
}

/// The entries of the array at `span`; instead of a namespace the tools in it.
fn read_tools<'t>(draft: &RequestDraft<'t>, span: &Span) -> Vec<Tool<'t>> {
    let Ok((elements, _)) = json::parse_elements(&draft.body().text, span.start) else { return Vec::new() };
    let mut tools = Vec::new();
    for element in elements {
        match read_namespace(draft, element.start) {
            Some((namespace, inner)) => tools.extend(inner.into_iter().map(|span| {
                let namespace = Some(namespace.clone());
                Tool { namespace, ..read_tool(draft, span) }
            })),
            None => tools.push(read_tool(draft, element)),
        }
    }
    tools
}

/// The name of the namespace at `at` and the spans of its tools. `None` for an empty namespace or another value.
fn read_namespace(draft: &RequestDraft<'_>, at: usize) -> Option<(String, Vec<Span>)> {
    let body = draft.body();
    let entry = (body.api == Api::Responses).then(|| ObjectView::parse_at(&body.text, at))??;
    let tools: Vec<Span> = entry.objects("tools").iter().map(ObjectView::extent).collect();
    let is_namespace = entry.string_or_empty("type") == "namespace" && !tools.is_empty();
    is_namespace.then(|| (entry.string_or_empty("name").into_owned(), tools))
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
    let text = &draft.body().text;
    let arrays = find_tool_arrays(draft).into_iter().filter_map(|array| text.get(array));
    draft.answer_plan.offers_tools = arrays.chain(draft.non_null_value("tools")).any(is_filled);
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
    let tools = draft.unchanged_span("tools").filter(|_| draft.body().api == Api::Responses);
    let Some(array) = tools else { return };
    let tools = read_tools(draft, &array);
    if tools.iter().all(|tool| tool.namespace.is_none() || tool.is_hosted)
        || tools.iter().any(|tool| tool.namespace.is_some() && tool.is_hosted)
    {
        return;
    }
    draft.retain_elements(&array, tools.iter().map(|tool| tool.span.clone()));
    remove_call_namespaces(draft);
    rename_tools(draft, &tools, false);
}

fn fix_schemas(draft: &mut RequestDraft<'_>, tools: &[Tool<'_>]) {
    let text = &draft.body().text;
    let key = if draft.body().api == Api::Messages { "input_schema" } else { "parameters" };
    for function in tools.iter().filter_map(|tool| tool.function.as_ref()) {
        if let Some(schema) = function.span(key)
            && schema::fix_schema(text, &schema, &mut draft.edits)
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
    let offered: Vec<Cow<'_, str>> = plain.filter_map(|(span, _)| draft.unescape(span)).collect();
    let pinned = find_pinned_name(draft).map(|span| (span, None));
    let elsewhere = pinned.into_iter().chain(find_history_names(draft));
    places.extend(elsewhere.filter(|(span, _)| {
        // Names such as `$web_search` are Moonshot's own, unless a function has such a name.
        draft.unescape(span).is_some_and(|name| !name.starts_with('$') || offered.contains(&name))
    }));
    let mut names = NameAllocator::new(offered.into_iter().map(Cow::into_owned));
    for (span, namespace) in places {
        let Some(name) = draft.unescape(&span) else { continue };
        let (rule, is_renamed) =
            if namespace.is_some() { (rules::NAMESPACES, true) } else { (rules::TOOL_NAMES, limited) };
        if let Some(sent) = names.rename(namespace, &name).filter(|_| is_renamed) {
            draft.edits.replace(span, json::to_string_literal(&sent));
            draft.record_rule(rule);
        }
    }
    draft.answer_plan.tool_names = if limited { names.renamed_tools } else { Vec::new() };
    draft.answer_plan.namespaced_tools = names.namespaced_tools;
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
    let calls = draft.calls.values().flatten();
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
    builtin.any(|tool| tool.name_span().and_then(|span| draft.unescape(&span)).as_deref() == Some(name))
}

/// Removes Moonshot's builtin tools, which no other provider knows, and a choice that pins one of them.
pub(crate) fn remove_builtins(draft: &mut RequestDraft<'_>) {
    remove_matching(draft, |tool| tool.is_builtin, rules::BUILTIN_TOOLS);
}

/// Removes tools that only another provider knows, and a choice that pins one of them.
pub(crate) fn remove_hosted(draft: &mut RequestDraft<'_>) {
    remove_matching(draft, |tool| tool.is_hosted, rules::HOSTED_TOOLS);
}

fn remove_matching(draft: &mut RequestDraft<'_>, is_removed: impl Fn(&Tool<'_>) -> bool, rule: Rule) {
    let Some(array) = draft.unchanged_span("tools") else { return };
    let tools = read_tools(draft, &array);
    let some_are_removed = tools.iter().any(&is_removed);
    if !some_are_removed && tools.iter().all(|tool| tool.namespace.is_none()) {
        return;
    }
    if some_are_removed {
        draft.record_rule(rule);
    }
    if tools.iter().all(&is_removed) {
        remove_all(draft, rule);
        return;
    }
    let names = |removed: bool| -> Vec<Cow<'_, str>> {
        let tools = tools.iter().filter(|tool| is_removed(tool) == removed);
        tools.filter_map(|tool| draft.unescape(&tool.name_span()?)).collect()
    };
    let pinned = find_pinned_name(draft).and_then(|span| draft.unescape(&span));
    let pins_one = match draft.body().api {
        Api::ChatCompletions => pinned.is_some_and(|name| names(true).contains(&name)),
        // A hosted tool has its own name or type.
        _ => tool_choice::pins_hosted_tool(draft) || pinned.is_some_and(|name| !names(false).contains(&name)),
    };
    if pins_one {
        tool_choice::reset_to_auto(draft, rule);
    }
    let kept: Vec<Span> =
        tools.iter().filter(|tool| !is_removed(tool)).map(|tool| tool.span.clone()).collect();
    draft.retain_elements(&array, kept);
}

/// Removes tools and the fields that depend on them.
pub(crate) fn remove_all(draft: &mut RequestDraft<'_>, rule: Rule) {
    for field in ["tools", "tool_choice", "parallel_tool_calls"] {
        draft.remove(rule, field);
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
            patch.write_edits(&mut draft.edits);
            draft.record_rule(rules::STRICT);
        }
    }
}

/// Removes the namespace from the calls of the history; their names contain it instead.
fn remove_call_namespaces(draft: &mut RequestDraft<'_>) {
    let is_marked = |call: &ToolCallSpans| call.namespace.is_some() && call.name.is_some();
    let marked = draft.calls.iter().filter(|(_, calls)| calls.iter().any(is_marked));
    let marked: BTreeSet<usize> = marked.map(|(index, _)| *index).collect();
    draft.patch_messages(
        rules::NAMESPACES,
        |index, _| marked.contains(&index),
        |patch, _| _ = patch.remove("namespace"),
    );
}
