//! The tools of a request: names, schemas, kinds.

use bytes::Bytes;

use super::draft::Draft;
use super::rules;
use super::schema;
use super::tool_names::Names;
use crate::wire::edit::{Edits, ObjectPatch};
use crate::wire::json::{self, Member, Span};

/// One entry of a `tools` array.
struct Tool {
    span: Span,
    /// `function`: its opening brace and members.
    function: Option<(usize, Vec<Member>)>,
    is_builtin: bool,
}

impl Tool {
    fn name(&self, draft: &Draft<'_>) -> Option<Span> {
        let (_, members) = self.function.as_ref()?;
        json::find(&draft.body().text, members, "name").map(|name| name.value.clone())
    }
}

/// The entries of the array at `span`.
fn listed(draft: &Draft<'_>, span: &Span) -> Vec<Tool> {
    let text = &draft.body().text;
    let Ok((elements, _)) = json::elements(text, span.start) else { return Vec::new() };
    elements
        .into_iter()
        .map(|span| {
            let members = json::members(text, span.start).map(|(members, _)| members).unwrap_or_default();
            let function = json::find(text, &members, "function").and_then(|member| {
                json::members(text, member.value.start).ok().map(|(inner, _)| (member.value.start, inner))
            });
            let is_builtin = json::find(text, &members, "type")
                .is_some_and(|kind| json::literal_is(draft.text(&kind.value), "builtin_function"));
            Tool { span, function, is_builtin }
        })
        .collect()
}

/// The arrays of tools: the request's own, and those that system messages bring (Moonshot's dynamic tools).
fn arrays(draft: &Draft<'_>) -> Vec<Span> {
    let body = draft.body();
    let dynamic = body
        .messages
        .iter()
        .filter_map(|message| json::find(&body.text, &message.members, "tools").map(|m| m.value.clone()));
    draft.untouched("tools").into_iter().chain(dynamic).collect()
}

/// Notes whether the request offers tools, as it stands now.
pub(in crate::dialect) fn note_offer(draft: &mut Draft<'_>) {
    let is_filled =
        |array: &[u8]| array.first() == Some(&b'[') && array.get(json::skip_space(array, 1)) != Some(&b']');
    let own = draft.given("tools").is_some_and(is_filled);
    draft.plan.offers_tools = own || arrays(draft).iter().any(|array| is_filled(draft.text(array)));
}

/// Makes tools such as Moonshot takes: mends their schemas, renames what it refuses.
pub(in crate::dialect) fn fit(draft: &mut Draft<'_>) {
    let mut tools: Vec<Tool> = arrays(draft).iter().flat_map(|array| listed(draft, array)).collect();
    tools.retain(|tool| !tool.is_builtin);
    mend_schemas(draft, &tools);
    rename(draft, &tools);
}

fn mend_schemas(draft: &mut Draft<'_>, tools: &[Tool]) {
    let text = &draft.body().text;
    for (_, function) in tools.iter().filter_map(|tool| tool.function.as_ref()) {
        if let Some(schema) = json::find(text, function, "parameters")
            && schema::mend(text, &schema.value, draft.leaves())
        {
            draft.fire(rules::TOOL_SCHEMA);
        }
    }
}

/// In the tools, in `tool_choice`, in the history.
fn rename(draft: &mut Draft<'_>, tools: &[Tool]) {
    let mut places: Vec<Span> = tools.iter().filter_map(|tool| tool.name(draft)).collect();
    let offered: Vec<String> = places.iter().filter_map(|span| text_of(draft, span)).collect();
    let elsewhere = pinned_name(draft).into_iter().chain(history_names(draft));
    places.extend(elsewhere.filter(|span| {
        // `$web_search` and its like are Moonshot's own, unless a function has such a name.
        text_of(draft, span).is_some_and(|name| !name.starts_with('$') || offered.contains(&name))
    }));
    let mut names = Names::new(offered.into_iter());
    for span in places {
        if let Some(sent) = text_of(draft, &span).and_then(|name| names.renamed(&name)) {
            draft.replace(span, json::string_literal(&sent));
            draft.fire(rules::TOOL_NAMES);
        }
    }
    draft.plan.tool_names = names.pairs;
}

fn text_of(draft: &Draft<'_>, span: &Span) -> Option<String> {
    json::unescape(draft.text(span)).map(std::borrow::Cow::into_owned)
}

fn pinned_name(draft: &Draft<'_>) -> Option<Span> {
    let text = &draft.body().text;
    let (choice, _) = json::members(text, draft.untouched("tool_choice")?.start).ok()?;
    let (function, _) = json::members(text, json::find(text, &choice, "function")?.value.start).ok()?;
    json::find(text, &function, "name").map(|name| name.value.clone())
}

fn history_names(draft: &Draft<'_>) -> Vec<Span> {
    let body = draft.body();
    let calls = draft.calls().values().flatten().filter_map(|call| call.name.clone());
    let results = body
        .messages
        .iter()
        .filter(|message| body.role_is(message, "tool"))
        .filter_map(|message| json::find(&body.text, &message.members, "name").map(|m| m.value.clone()));
    calls.chain(results).collect()
}

/// Whether this builtin tool is offered.
pub(in crate::dialect) fn has_builtin(draft: &Draft<'_>, name: &str) -> bool {
    let tools = arrays(draft).into_iter().flat_map(|array| listed(draft, &array));
    let mut builtin = tools.filter(|tool| tool.is_builtin);
    builtin.any(|tool| tool.name(draft).and_then(|span| text_of(draft, &span)).as_deref() == Some(name))
}

/// Leaves out Moonshot's builtin tools, which nobody else knows, and a choice that pins one of them.
pub(in crate::dialect) fn without_builtins(draft: &mut Draft<'_>) {
    let Some(array) = draft.untouched("tools") else { return };
    let tools = listed(draft, &array);
    if !tools.iter().any(|tool| tool.is_builtin) {
        return;
    }
    draft.fire(rules::BUILTIN_TOOLS);
    if tools.iter().all(|tool| tool.is_builtin) {
        remove_all(draft);
        return;
    }
    let gone: Vec<String> = tools
        .iter()
        .filter(|tool| tool.is_builtin)
        .filter_map(|tool| text_of(draft, &tool.name(draft)?))
        .collect();
    if pinned_name(draft).and_then(|span| text_of(draft, &span)).is_some_and(|name| gone.contains(&name)) {
        draft.set("tool_choice", "\"auto\"");
    }
    let spans: Vec<(Span, bool)> = tools.into_iter().map(|tool| (tool.span, tool.is_builtin)).collect();
    remove_elements(&spans, draft.leaves());
}

/// Leaves out tools and what makes no sense without them.
pub(in crate::dialect) fn remove_all(draft: &mut Draft<'_>) -> bool {
    let removed = draft.remove("tools");
    draft.remove("tool_choice");
    draft.remove("parallel_tool_calls");
    removed
}

/// Removes the marked elements, not all of them, of one array.
fn remove_elements(elements: &[(Span, bool)], edits: &mut Edits) {
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
pub(in crate::dialect) fn without_strict(draft: &mut Draft<'_>) {
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
