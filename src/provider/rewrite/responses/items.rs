//! Items of the input that the provider would refuse.

use crate::protocol::json::{self, Span};
use crate::provider::rewrite::draft::RequestDraft;
use crate::provider::rewrite::{rules, tools};

/// Items that Kimi knows; one without a type is a message.
const KNOWN_ITEM_TYPES: [&str; 4] = ["message", "reasoning", "function_call", "function_call_output"];

/// Leaves out the calls and results of tools that Kimi does not know, and whatever else only `OpenAI` does.
pub(super) fn remove_foreign_items(draft: &mut RequestDraft<'_>) {
    let body = draft.body();
    let marked: Vec<(Span, bool)> = body
        .messages
        .iter()
        .map(|item| {
            let kind = body.field(item, "type").and_then(json::unescape);
            (item.span.clone(), kind.is_some_and(|kind| !KNOWN_ITEM_TYPES.contains(&&*kind)))
        })
        .collect();
    if marked.iter().any(|(_, gone)| *gone) && !marked.iter().all(|(_, gone)| *gone) {
        tools::remove_elements(&marked, draft.edits());
        draft.record_rule(rules::FOREIGN_ITEMS);
    }
}
