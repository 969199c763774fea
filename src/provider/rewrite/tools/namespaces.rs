//! Namespaces of tools, which Codex sends over the Responses API and Kimi does not support there.

use bytes::Bytes;

use crate::protocol::api::Api;
use crate::protocol::json::Span;
use crate::protocol::object::ObjectView;
use crate::provider::rewrite::draft::RequestDraft;

/// The name of the namespace at `at` and the spans of its tools. `None` for an empty namespace or another
/// value.
pub(super) fn read_namespace(draft: &RequestDraft<'_>, at: usize) -> Option<(String, Vec<Span>)> {
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

/// Leaves nothing but these in an array, in which they stand in this order, however deep.
pub(super) fn retain_elements(draft: &mut RequestDraft<'_>, array: &Span, kept: &[Span]) {
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

/// Takes the namespace out of the calls of the history; their names get it instead.
pub(super) fn remove_call_namespaces(draft: &mut RequestDraft<'_>) {
    let is_marked = |calls: &[crate::provider::rewrite::tool_calls::ToolCallSpans]| {
        calls.iter().any(|call| call.namespace.is_some() && call.name.is_some())
    };
    let marked: Vec<usize> =
        draft.calls().iter().filter(|(_, calls)| is_marked(calls)).map(|(index, _)| *index).collect();
    for index in marked {
        if let Some(patch) = draft.message_patch(index) {
            patch.remove("namespace");
        }
    }
}
